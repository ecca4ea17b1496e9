//! The failures that a page shows: a refusal of a service, or a service that can't be reached.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use service_kit::problem::Problem;

/// Explains why a page or an action failed.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    pub status: u16,
    pub title: String,
    pub detail: String,
    /// The machine code, if the service gave one.
    pub code: Option<String>,
    /// The validation errors, each with the pointer of its field.
    pub errors: Vec<Value>,
    pub retryable: bool,
}

impl Failure {
    /// Reads a problem document.
    pub fn refused(status: StatusCode, problem: &Value) -> Self {
        let text = |name: &str| problem.get(name).and_then(Value::as_str).map(str::to_owned);
        let title =
            text("title").unwrap_or_else(|| status.canonical_reason().unwrap_or("Refused").to_owned());
        Self {
            status: status.as_u16(),
            detail: text("detail").filter(|detail| !detail.is_empty()).unwrap_or_else(|| title.clone()),
            title,
            code: text("error"),
            errors: problem.get("errors").and_then(Value::as_array).cloned().unwrap_or_default(),
            retryable: problem.get("retryable").and_then(Value::as_bool).unwrap_or(false),
        }
    }

    pub fn unreachable(base: &str, error: &dyn std::fmt::Display) -> Self {
        tracing::warn!(service = base, %error, "the console can't reach a service");
        let mut failure =
            Self::new(StatusCode::BAD_GATEWAY, "A service doesn't answer", format!("{base}: {error}"));
        failure.retryable = true;
        failure
    }

    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "the console failed");
        let detail = "The console failed; its log has the cause.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The console failed", detail.to_owned())
    }

    pub fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Sign in first", "This page needs a token.".to_owned())
    }

    pub fn cross_site() -> Self {
        let detail = "A page of another site sent this request. Open the console, and do it there.";
        Self::new(StatusCode::FORBIDDEN, "Another site sent this request", detail.to_owned())
    }

    pub fn too_long() -> Self {
        let detail = "The token is longer than 4000 bytes, and browsers keep no cookie of that size.";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "The token is too long", detail.to_owned())
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is nothing here", detail.into())
    }

    pub fn not_configured(variable: &str) -> Self {
        let detail = format!("Set {variable} where temporal-api starts, and this page works.");
        Self::new(StatusCode::NOT_FOUND, "This page needs another service", detail)
    }

    fn new(status: StatusCode, title: &str, detail: String) -> Self {
        Self {
            status: status.as_u16(),
            title: title.to_owned(),
            detail,
            code: None,
            errors: Vec::new(),
            retryable: false,
        }
    }

    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let status = problem.status();
        Self::refused(status, &serde_json::to_value(problem.body("", "")).unwrap_or_default())
    }
}
