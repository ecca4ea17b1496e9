//! The errors that any operation can answer, whatever its context.

use std::time::Duration;

use service_kit::{error_codes, problem::Problem};

use crate::shared::{
    chaos::{Response, Scenario, UnknownScenario},
    protocol::KeyRefusal,
    store::StoreError,
};

error_codes! {
    /// See the module.
    pub enum ProviderCode {
        InvalidHeader = "invalid_header", 400, "A header does not fit", final;
        InvalidPath = "invalid_path", 400, "A part of the path does not fit", final;
        InvalidQuery = "invalid_query", 400, "A part of the query does not fit", final;
        UnknownRun = "unknown_run", 404, "There is no such run", final;
        UnknownScenario = "unknown_scenario", 422, "The operation has no such scenario", final;
        TooManyPlans = "too_many_plans", 409, "Too many orders have a plan", final;
        KeyInUse = "idempotency_key_in_use", 409, "The idempotency key is in use", retryable;
        KeyReused = "idempotency_key_reused", 409, "The idempotency key was used for something else", final;
        Tombstoned = "undone_before_execution", 409, "It was undone before it was executed", final;
        KeyOfAnotherOperation = "key_of_another_operation", 409, "The key belongs to another operation", final;
        InternalError = "internal_error", 500, "The provider failed", retryable;
        RateLimited = "rate_limited", 429, "There are too many requests", retryable;
        Timeout = "timeout", 504, "The provider timed out", retryable;
        StoreUnavailable = "store_unavailable", 503, "The provider's store is not available", retryable;
    }
}

/// What a rate limit asks its caller to wait.
const RATE_LIMIT: Duration = Duration::from_secs(1);

#[must_use]
pub fn invalid_header(name: &str, why: impl std::fmt::Display) -> Problem {
    Problem::new(ProviderCode::InvalidHeader, format!("{name} {why}")).with("header", name.into())
}

#[must_use]
pub fn invalid_path(name: &str, why: impl std::fmt::Display) -> Problem {
    Problem::new(ProviderCode::InvalidPath, format!("{name} {why}")).with("parameter", name.into())
}

#[must_use]
pub fn invalid_query(name: &str, why: impl std::fmt::Display) -> Problem {
    Problem::new(ProviderCode::InvalidQuery, format!("{name} {why}")).with("parameter", name.into())
}

#[must_use]
pub fn unknown_scenario(error: &UnknownScenario) -> Problem {
    Problem::new(ProviderCode::UnknownScenario, error.to_string())
        .with("validScenarios", error.valid.clone().into())
}

#[must_use]
pub fn key_problem(refusal: KeyRefusal) -> Problem {
    let code = match refusal {
        KeyRefusal::InUse => ProviderCode::KeyInUse,
        KeyRefusal::Reused => ProviderCode::KeyReused,
        KeyRefusal::Tombstoned => ProviderCode::Tombstoned,
        KeyRefusal::OtherOperation(_) => ProviderCode::KeyOfAnotherOperation,
    };
    let problem = Problem::new(code, refusal.to_string());
    if refusal == KeyRefusal::InUse { problem.retry_after(Duration::from_secs(1)) } else { problem }
}

/// A failure that chaos wanted.
#[must_use]
pub fn scenario_problem(scenario: Scenario) -> Problem {
    match scenario.response {
        Response::Timeout => {
            Problem::new(ProviderCode::Timeout, "The provider gave no answer in time; it may have acted.")
        }
        Response::RateLimited => {
            Problem::new(ProviderCode::RateLimited, "There are too many requests; nothing was done.")
                .retry_after(RATE_LIMIT)
        }
        _ => Problem::new(ProviderCode::InternalError, "The provider failed before it did anything."),
    }
}

/// Logged here, since the caller can do nothing with its cause.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            // It isn't retryable: another try would begin the run anew, without what its caller did in it.
            StoreError::RunDeleted => {
                let why = "The run was forgotten while the request was being executed; nothing was done.";
                Self::new(ProviderCode::UnknownRun, why)
            }
            StoreError::TooManyPlans(_) => Self::new(ProviderCode::TooManyPlans, error.to_string()),
            StoreError::Unavailable(_) | StoreError::Corrupt { .. } => {
                tracing::error!(error = %error, "the store failed");
                Self::new(ProviderCode::StoreUnavailable, "The provider's store failed; nothing was done.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use service_kit::problem::ErrorCode;

    use super::*;
    use crate::shared::operation::Operation;

    #[test]
    fn the_journal_and_the_body_name_a_refused_key_alike() {
        let other = KeyRefusal::OtherOperation(Operation::new("a.b"));
        for refusal in [KeyRefusal::InUse, KeyRefusal::Reused, KeyRefusal::Tombstoned, other] {
            assert_eq!(key_problem(refusal).code(), refusal.code());
        }
    }

    #[test]
    fn only_a_key_in_use_is_worth_another_try() {
        let retryable: Vec<_> = [KeyRefusal::InUse, KeyRefusal::Reused, KeyRefusal::Tombstoned]
            .into_iter()
            .filter(|refusal| {
                let code = key_problem(*refusal).code();
                ProviderCode::ALL.iter().any(|known| known.info().code == code && known.info().retryable)
            })
            .collect();
        assert_eq!(retryable, [KeyRefusal::InUse]);
    }
}
