//! Failures: in a workflow's state, of an activity, and of a workflow.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use temporalio_common::{
    data_converters::TemporalSerializable,
    error::{
        ActivityExecutionError, ActivityFailureError, ApplicationErrorCategory, ApplicationFailure,
        IncomingError, RetryState, TimeoutError, TimeoutType,
    },
};
use temporalio_workflow::WorkflowTermination;

use crate::{
    activities::{AttemptDetails, refusal::Refusal},
    policies::Policy,
};

/// An error in a workflow's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateError {
    pub code: String,
    pub message: String,
}

impl StateError {
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }
}

/// Appends the optional reason to an action.
pub(crate) fn with_reason(what: &str, reason: Option<String>) -> String {
    reason.map_or_else(|| what.to_owned(), |reason| format!("{what}: {reason}"))
}

/// A failed call: its meaning for the workflow, and the provider's message.
pub(crate) struct ActivityFailure {
    pub refusal: Refusal,
    pub error: StateError,
    pub attempts: Attempts,
    /// The wait that the provider requests.
    pub retry_after: Option<Duration>,
}

/// The number of attempts of a failed call, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempts {
    Known(u32),
    /// The maximum of its policy.
    All,
}

impl Attempts {
    pub const fn of(self, policy: &Policy) -> u32 {
        match self {
            Self::Known(attempts) => attempts,
            Self::All => policy.attempts,
        }
    }

    /// Returns the attempts of a call whose last failure has no number, for example after a worker's
    /// shutdown.
    const fn from_retry_state(state: RetryState) -> Self {
        match state {
            RetryState::MaximumAttemptsReached => Self::All,
            _ => Self::Known(1),
        }
    }

    /// Returns the attempts of a call that ended with a timeout, after `failed_before` attempts that failed
    /// by themselves. The timeout of an attempt counts as an attempt. After the timeout of the whole call, it
    /// is unknown if a worker had started the last one.
    const fn at_timeout(timeout: TimeoutType, state: RetryState, failed_before: u32) -> Self {
        match (timeout, state) {
            (TimeoutType::StartToClose | TimeoutType::Heartbeat, RetryState::MaximumAttemptsReached) => {
                Self::All
            }
            (TimeoutType::StartToClose | TimeoutType::Heartbeat, _) => {
                Self::Known(failed_before.saturating_add(1))
            }
            _ => Self::Known(failed_before),
        }
    }
}

impl ActivityFailure {
    /// Reads the failure of an activity without the wrapping errors.
    pub fn from_activity_error(error: &ActivityExecutionError) -> Self {
        let unexpected = |code, message: &str| Self::new(Refusal::Unexpected, StateError::new(code, message));
        match error {
            ActivityExecutionError::Cancelled(_) => {
                Self::new(Refusal::NoAnswer, StateError::new("cancelled", "the call was interrupted"))
            }
            ActivityExecutionError::Serialization(error) => unexpected("serialization", &error.to_string()),
            ActivityExecutionError::Failed(failed) => match failed.cause() {
                Some(IncomingError::Application(cause)) => {
                    let attempt = attempt(cause);
                    Self {
                        refusal: Refusal::from_failure(cause.type_name(), !cause.is_non_retryable()),
                        error: StateError::new(
                            cause.type_name().unwrap_or("unknown"),
                            cause.source_error().to_string(),
                        ),
                        attempts: attempt.map_or_else(
                            || Attempts::from_retry_state(failed.retry_state()),
                            |failed| Attempts::Known(failed.attempt),
                        ),
                        retry_after: attempt
                            .and_then(|failed| failed.retry_after_ms)
                            .map(Duration::from_millis),
                    }
                }
                Some(IncomingError::Timeout(timeout)) => Self::timed_out(failed, timeout),
                _ => unexpected("unknown", "the call failed"),
            },
            _ => unexpected("unknown", "the call failed"),
        }
    }

    fn timed_out(failed: &ActivityFailureError, timeout: &TimeoutError) -> Self {
        let failed_before = match timeout.cause() {
            Some(IncomingError::Application(cause)) => attempt(cause).map_or(0, |failed| failed.attempt),
            _ => 0,
        };
        let attempts = Attempts::at_timeout(timeout.timeout_type(), failed.retry_state(), failed_before);
        let error = StateError::new("activity_timeout", "the worker did not finish the call in time");
        Self { attempts, ..Self::new(Refusal::NoAnswer, error) }
    }

    const fn new(refusal: Refusal, error: StateError) -> Self {
        Self { refusal, error, attempts: Attempts::Known(1), retry_after: None }
    }
}

fn attempt(failure: &ApplicationFailure) -> Option<AttemptDetails> {
    failure.details().ok().flatten()
}

/// Returns the failure of a workflow. Its type is the code, and its details are the final state. Temporal's
/// metrics don't count a benign failure as an error.
pub(crate) fn workflow_failure<S: TemporalSerializable + Send + Sync + 'static>(
    code: &str,
    message: &str,
    benign: bool,
    state: S,
) -> WorkflowTermination {
    let category =
        if benign { ApplicationErrorCategory::Benign } else { ApplicationErrorCategory::Unspecified };
    ApplicationFailure::builder(message.to_owned())
        .type_name(code.to_owned())
        .non_retryable(true)
        .category(category)
        .details(state)
        .build()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Call;

    #[test]
    fn only_started_attempts_are_counted() {
        let policy = Policy::for_call(Call::RefundPayment);
        for (timeout, state, failed_before, attempts) in [
            (TimeoutType::StartToClose, RetryState::MaximumAttemptsReached, 0, 3),
            (TimeoutType::Heartbeat, RetryState::MaximumAttemptsReached, 2, 3),
            (TimeoutType::StartToClose, RetryState::NonRetryableFailure, 1, 2),
            // The server reports this also if the next attempt would start too late.
            (TimeoutType::ScheduleToClose, RetryState::Timeout, 2, 2),
            (TimeoutType::ScheduleToClose, RetryState::Timeout, 0, 0),
            (TimeoutType::ScheduleToStart, RetryState::MaximumAttemptsReached, 0, 0),
        ] {
            let made = Attempts::at_timeout(timeout, state, failed_before);
            assert_eq!(made.of(&policy), attempts, "{timeout:?} {state:?} {failed_before}");
        }
    }
}
