//! A call that did not succeed, and what Temporal must know of it.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use temporalio_sdk::ApplicationFailure;
use user_context::{SourceError, SourceFault};
use workflows::activities::{Attempt, refusal::LEDGER_MISMATCH};

/// Why a call failed. The code is that of who was called, or one of ours where it gave none.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    pub code: String,
    pub message: String,
    /// Whether the same call can succeed later.
    pub retryable: bool,
    pub retry_after: Option<Duration>,
    resource: Option<Value>,
}

/// The members of a problem document that matter here.
#[derive(Deserialize)]
struct ProblemDocument {
    error: String,
    message: String,
    retryable: bool,
    #[serde(default)]
    resource: Option<Value>,
}

/// What an `already_…` answer says was there before.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Resource {
    #[serde(default)]
    pub order_id: Option<String>,
}

impl CallError {
    /// Reads an answer that isn't a success. One that is no problem document (a proxy's page, say)
    /// is judged by its status alone.
    pub(crate) fn from_answer(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let transient = status >= 500 || matches!(status, 408 | 429);
        match serde_json::from_slice::<ProblemDocument>(body) {
            Ok(problem) => Self {
                code: problem.error,
                message: problem.message,
                retryable: problem.retryable || transient,
                retry_after,
                resource: problem.resource,
            },
            Err(_) => Self {
                code: format!("http_{status}"),
                message: format!("the provider answered {status}"),
                retryable: transient,
                retry_after,
                resource: None,
            },
        }
    }

    /// A success whose body makes no sense: the call may have had its effect.
    pub(crate) fn unreadable(error: &serde_json::Error) -> Self {
        Self::lost("unreadable_answer", format!("the provider's answer could not be read: {error}"))
    }

    /// A body that goes on and on: no provider of ours, and the call may have had its effect.
    pub(crate) fn too_large(largest: usize) -> Self {
        Self::lost("unreadable_answer", format!("the provider's answer has more than {largest} bytes"))
    }

    /// The provider's ledger and this order disagree: no retry can mend that.
    pub(crate) fn mismatch(message: impl Into<String>) -> Self {
        Self::refused(LEDGER_MISMATCH, message)
    }

    /// What Temporal and the workflow read of it.
    pub(crate) fn into_failure(self, attempt: Attempt) -> ApplicationFailure {
        let (code, retryable, retry_after) = (self.code.clone(), self.retryable, self.retry_after);
        ApplicationFailure::builder(self)
            .type_name(code)
            .non_retryable(!retryable)
            .maybe_next_retry_delay(retry_after)
            .details(attempt)
            .build()
    }

    /// A call that makes no sense, so that it was never made.
    pub(crate) fn refused(code: &str, message: impl Into<String>) -> Self {
        Self { retryable: false, ..Self::lost(code, message) }
    }

    fn lost(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            retryable: true,
            retry_after: None,
            resource: None,
        }
    }

    /// What the answer carried under `resource`.
    pub(crate) fn resource<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(self.resource.as_ref()?).ok()
    }
}

impl From<SourceError> for CallError {
    /// A source of the user context gave nothing; asking it again has no effect on anything.
    fn from(error: SourceError) -> Self {
        let code = match error.fault {
            SourceFault::Unreachable => "source_unreachable",
            SourceFault::Timeout => "source_timeout",
            SourceFault::RateLimited { .. } => "source_rate_limited",
            SourceFault::Status { .. } => "source_failed",
            SourceFault::WrongShape(_) | SourceFault::TooLarge(_) => "source_unreadable",
        };
        let (retryable, retry_after) = (error.retryable(), error.retry_after());
        Self { retryable, retry_after, ..Self::lost(code, error.to_string()) }
    }
}

impl From<reqwest::Error> for CallError {
    /// No answer, or none that could be read whole: the call may have had its effect.
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_timeout() {
            Self::lost("provider_timeout", "the provider did not answer in time")
        } else if error.is_connect() {
            Self::lost("provider_unreachable", "the provider cannot be reached")
        } else {
            Self::lost("provider_connection_lost", format!("the provider's answer was lost: {error}"))
        }
    }
}

/// Seconds only: the provider never sends a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Attempt = Attempt { attempt: 1 };

    #[test]
    fn the_providers_own_code_and_message_are_kept() {
        let body = br#"{"error":"insufficient_funds","message":"declined","retryable":false}"#;
        let error = CallError::from_answer(402, None, body);
        assert_eq!((error.code.as_str(), error.to_string().as_str()), ("insufficient_funds", "declined"));
        let failure = error.into_failure(FIRST);
        assert_eq!(failure.type_name(), Some("insufficient_funds"));
        assert!(failure.is_non_retryable());
    }

    #[test]
    fn an_answer_that_is_no_problem_is_judged_by_its_status() {
        for (status, retryable) in [(500, true), (504, true), (429, true), (404, false), (400, false)] {
            let error = CallError::from_answer(status, None, b"<html>");
            assert_eq!(
                (error.code.as_str(), error.retryable),
                (format!("http_{status}").as_str(), retryable)
            );
        }
    }

    #[test]
    fn a_source_that_speaks_nonsense_is_not_asked_again_and_a_busy_one_when_it_wants() {
        let nonsense = SourceError { fault: SourceFault::WrongShape("no JSON".to_owned()), attempts: 1 };
        let error = CallError::from(nonsense);
        assert_eq!((error.code.as_str(), error.retryable), ("source_unreadable", false));
        let retry_after = Some(Duration::from_secs(2));
        let busy = SourceError { fault: SourceFault::RateLimited { retry_after }, attempts: 1 };
        let error = CallError::from(busy);
        assert_eq!((error.code.as_str(), error.retryable), ("source_rate_limited", true));
        assert_eq!(error.into_failure(FIRST).next_retry_delay(), retry_after);
    }

    #[test]
    fn the_wait_that_was_asked_for_becomes_the_next_retry_delay() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        let error = CallError::from_answer(429, retry_after(&headers), b"");
        assert_eq!(error.into_failure(FIRST).next_retry_delay(), Some(Duration::from_secs(7)));
    }
}
