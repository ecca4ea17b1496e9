//! The errors of calls, and their form for Temporal.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use temporalio_sdk::ApplicationFailure;
use user_context::{SourceError, SourceFault};
use workflows::activities::{AttemptDetails, refusal::LEDGER_MISMATCH};

/// The maximum length of a foreign message in histories and states, in characters.
const MAX_MESSAGE_CHARS: usize = 500;

/// The code of an answer that is too long, or that isn't what it should be.
const UNREADABLE: &str = "unreadable_answer";

/// Returns true if a text can be a code. Codes become types of failures and labels of metrics.
fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The error of a call. The code is the provider's, or one of the worker's if the answer has none.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    pub code: String,
    pub message: String,
    /// True if the same call can succeed later.
    pub retryable: bool,
    pub retry_after: Option<Duration>,
    resource: Option<Value>,
}

/// Holds the relevant members of a problem document.
#[derive(Deserialize)]
struct ProblemDocument {
    error: String,
    message: String,
    retryable: bool,
    #[serde(default)]
    resource: Option<Value>,
}

/// The resource in an `already_…` answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Resource {
    #[serde(default)]
    pub order_id: Option<String>,
}

impl CallError {
    /// Reads an answer without success. The status alone decides if the body is no problem document, for
    /// example a proxy's page.
    pub(crate) fn from_answer(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let transient = status >= 500 || matches!(status, 408 | 429);
        match serde_json::from_slice::<ProblemDocument>(body) {
            Ok(problem) if is_code(&problem.error) => Self {
                code: problem.error,
                message: problem.message.chars().take(MAX_MESSAGE_CHARS).collect(),
                retryable: problem.retryable || transient,
                retry_after,
                resource: problem.resource,
            },
            _ => Self {
                code: format!("http_{status}"),
                message: format!("the provider answered {status}"),
                retryable: transient,
                retry_after,
                resource: None,
            },
        }
    }

    /// Returns the error of a success with an invalid body. The call may have had its effect.
    pub(crate) fn invalid_body(error: &serde_json::Error) -> Self {
        Self::no_answer(UNREADABLE, format!("the provider's answer could not be read: {error}"))
    }

    /// Returns the error of an answer that is too long. The call may have had its effect.
    pub(crate) fn too_large(max_bytes: usize) -> Self {
        Self::no_answer(UNREADABLE, format!("the provider's answer has more than {max_bytes} bytes"))
    }

    pub(crate) fn is_unreadable(&self) -> bool {
        self.code == UNREADABLE
    }

    /// Returns the error of an answer that contradicts the order. No retry resolves it.
    pub(crate) fn ledger_mismatch(message: impl Into<String>) -> Self {
        Self { retryable: false, ..Self::no_answer(LEDGER_MISMATCH, message) }
    }

    /// Converts the error into a failure for Temporal and the workflow. Its retry delay is at most `longest`.
    pub(crate) fn into_failure(self, attempt: u32, longest: Duration) -> ApplicationFailure {
        let (code, retryable) = (self.code.clone(), self.retryable);
        let retry_after = self.retry_after.map(|asked| asked.min(longest));
        let retry_after_ms = retry_after.and_then(|wait| u64::try_from(wait.as_millis()).ok());
        ApplicationFailure::builder(self)
            .type_name(code)
            .non_retryable(!retryable)
            .maybe_next_retry_delay(retry_after)
            .details(AttemptDetails { attempt, retry_after_ms })
            .build()
    }

    /// Returns the error of an invalid call that was not sent.
    pub(crate) fn not_sent(code: &str, message: impl Into<String>) -> Self {
        Self { retryable: false, ..Self::no_answer(code, message) }
    }

    /// Returns the error of a read from Temporal. A retry is safe.
    pub(crate) fn temporal(error: &dyn std::error::Error) -> Self {
        Self::no_answer("temporal_unavailable", format!("Temporal could not be read: {error}"))
    }

    fn no_answer(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            retryable: true,
            retry_after: None,
            resource: None,
        }
    }

    /// Returns the member `resource` of the answer.
    pub(crate) fn resource<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(self.resource.as_ref()?).ok()
    }
}

impl From<SourceError> for CallError {
    /// Converts the error of a source. A call to a source has no effect, so a retry is safe.
    fn from(error: SourceError) -> Self {
        let code = match error.fault {
            SourceFault::Unreachable => "source_unreachable",
            SourceFault::Timeout => "source_timeout",
            SourceFault::RateLimited { .. } => "source_rate_limited",
            SourceFault::Status { .. } => "source_failed",
            SourceFault::WrongShape(_) | SourceFault::TooLarge(_) => "source_unreadable",
        };
        let (retryable, retry_after) = (error.retryable(), error.retry_after());
        Self { retryable, retry_after, ..Self::no_answer(code, error.to_string()) }
    }
}

impl From<reqwest::Error> for CallError {
    /// Describes a missing or incomplete answer. The call may have had its effect.
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_timeout() {
            Self::no_answer("provider_timeout", "the provider did not answer in time")
        } else if error.is_connect() {
            Self::no_answer("provider_unreachable", "the provider cannot be reached")
        } else {
            Self::no_answer("provider_connection_lost", format!("the provider's answer was lost: {error}"))
        }
    }
}

/// Reads seconds only, because the provider never sends a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use workflows::policies::RETRY_AFTER_MAXIMUM;

    #[test]
    fn the_providers_own_code_and_message_are_kept() {
        let body = br#"{"error":"insufficient_funds","message":"declined","retryable":false}"#;
        let error = CallError::from_answer(402, None, body);
        assert_eq!((error.code.as_str(), error.to_string().as_str()), ("insufficient_funds", "declined"));
        let failure = error.into_failure(1, RETRY_AFTER_MAXIMUM);
        assert_eq!(failure.type_name(), Some("insufficient_funds"));
        assert!(failure.is_non_retryable());
    }

    #[test]
    fn an_invalid_code_and_a_long_message_are_not_stored() {
        for code in ["", "<b>", "a code", &"x".repeat(65)] {
            let body = serde_json::json!({"error": code, "message": "m", "retryable": false}).to_string();
            let error = CallError::from_answer(422, None, body.as_bytes());
            assert_eq!((error.code.as_str(), error.retryable), ("http_422", false), "{code:?}");
        }
        let body = serde_json::json!({"error": "e", "message": "é".repeat(10_000), "retryable": true});
        let error = CallError::from_answer(500, None, body.to_string().as_bytes());
        assert_eq!((error.code.as_str(), error.message.chars().count()), ("e", MAX_MESSAGE_CHARS));
    }

    #[test]
    fn the_status_decides_on_an_answer_without_a_problem_document() {
        for (status, retryable) in [(500, true), (504, true), (429, true), (404, false), (400, false)] {
            let error = CallError::from_answer(status, None, b"<html>");
            assert_eq!(
                (error.code.as_str(), error.retryable),
                (format!("http_{status}").as_str(), retryable)
            );
        }
    }

    #[test]
    fn an_invalid_answer_is_not_retried_and_a_rate_limit_is_retried_after_its_delay() {
        let nonsense = SourceError { fault: SourceFault::WrongShape("no JSON".to_owned()), attempts: 1 };
        let error = CallError::from(nonsense);
        assert_eq!((error.code.as_str(), error.retryable), ("source_unreadable", false));
        let retry_after = Some(Duration::from_secs(2));
        let busy = SourceError { fault: SourceFault::RateLimited { retry_after }, attempts: 1 };
        let error = CallError::from(busy);
        assert_eq!((error.code.as_str(), error.retryable), ("source_rate_limited", true));
        assert_eq!(error.into_failure(1, RETRY_AFTER_MAXIMUM).next_retry_delay(), retry_after);
    }

    #[test]
    fn the_requested_wait_becomes_the_next_retry_delay() {
        let delay = |asked: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, asked.parse().unwrap());
            let error = CallError::from_answer(429, retry_after(&headers), b"");
            error.into_failure(2, RETRY_AFTER_MAXIMUM).next_retry_delay().map(|delay| delay.as_secs())
        };
        assert_eq!((delay("0"), delay("7"), delay("60")), (Some(0), Some(7), Some(60)));
        assert_eq!(delay("86400"), Some(60), "the maximum is a minute");
        assert_eq!(delay("18446744073709551615"), Some(60));
        assert_eq!((delay("99999999999999999999"), delay("-1"), delay("soon")), (None, None, None));
    }
}
