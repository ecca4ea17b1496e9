//! Errors as RFC 9457 problem documents: the closed lists of codes, and their common body.

use std::time::Duration;

use axum::{
    body::Body,
    http::{
        HeaderValue, StatusCode,
        header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
        response,
    },
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{correlation::CorrelationId, telemetry};

pub const CONTENT: &str = "application/problem+json";
/// The path of each service's list of codes. The `type` of a problem points into it.
pub const CATALOGUE_PATH: &str = "/api/docs/errors";

/// The fixed properties of one error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeInfo {
    pub code: &'static str,
    pub status: u16,
    pub title: &'static str,
    /// True when the same request can succeed later without a change.
    pub retryable: bool,
}

/// A closed list of error codes, declared by [`error_codes!`](crate::error_codes).
pub trait ErrorCode: Copy {
    fn info(self) -> CodeInfo;
}

/// Declares a closed list of error codes: an enum with `ALL`. Each variant has a code, an HTTP status, a title,
/// and `final` or `retryable`.
#[macro_export]
macro_rules! error_codes {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$variant_meta:meta])* $variant:ident = $code:literal, $status:literal, $title:literal, $end:ident;)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $name { $($(#[$variant_meta])* $variant),+ }

        impl $name {
            /// All codes of this list, for the catalogue and the documentation test.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
        }

        impl $crate::problem::ErrorCode for $name {
            fn info(self) -> $crate::problem::CodeInfo {
                match self {
                    $(Self::$variant => $crate::problem::CodeInfo {
                        code: $code,
                        status: $status,
                        title: $title,
                        retryable: $crate::error_codes!(@retryable $end),
                    }),+
                }
            }
        }
    };
    (@retryable final) => { false };
    (@retryable retryable) => { true };
}

error_codes! {
    /// The error codes of every HTTP service of the suite.
    pub enum HttpCode {
        BadRequest = "bad_request", 400, "The request could not be understood", final;
        MalformedJson = "malformed_json", 400, "The body is not JSON", final;
        NotFound = "not_found", 404, "There is nothing here", final;
        MethodNotAllowed = "method_not_allowed", 405, "The path does not know this method", final;
        RequestBodyTimeout = "request_body_timeout", 408, "The body came too slowly", retryable;
        PayloadTooLarge = "payload_too_large", 413, "The body is too large", final;
        UnsupportedMediaType = "unsupported_media_type", 415, "The body must be application/json", final;
        UnsupportedEncoding = "unsupported_encoding", 415, "The body's encoding is not known", final;
        ValidationFailed = "validation_failed", 422, "The body does not fit", final;
        Internal = "internal", 500, "The service failed", retryable;
        NotReady = "not_ready", 503, "The service is not ready", retryable;
        RequestTimeout = "request_timeout", 503, "The request took too long", retryable;
    }
}

impl HttpCode {
    /// Returns the code for an error status without a problem.
    fn for_status(status: StatusCode) -> Self {
        match status.as_u16() {
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            408 => Self::RequestBodyTimeout,
            413 => Self::PayloadTooLarge,
            415 => Self::UnsupportedMediaType,
            422 => Self::ValidationFailed,
            400..=499 => Self::BadRequest,
            503 => Self::NotReady,
            _ => Self::Internal,
        }
    }
}

/// One fault of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// JSON pointer (RFC 6901) into the body; empty for the body itself.
    #[schema(example = "/items/0/price")]
    pub pointer: String,
    #[schema(example = "is required")]
    pub message: String,
}

/// An error for the caller. The outer layer of the service writes its body, and adds `instance` and
/// `correlationId` from the request.
#[derive(Debug, Clone)]
pub struct Problem(Box<ProblemParts>);

#[derive(Debug, Clone)]
struct ProblemParts {
    info: CodeInfo,
    detail: String,
    errors: Vec<Fault>,
    retry_after: Option<Duration>,
    challenge: Option<String>,
    extensions: Map<String, Value>,
}

impl Problem {
    #[must_use]
    pub fn new(code: impl ErrorCode, detail: impl Into<String>) -> Self {
        Self(Box::new(ProblemParts {
            info: code.info(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            challenge: None,
            extensions: Map::new(),
        }))
    }

    /// Makes a 422 with all validation errors of the body.
    #[must_use]
    pub fn invalid(errors: Vec<Fault>) -> Self {
        let detail = match errors.as_slice() {
            [only] if only.pointer.is_empty() => format!("the body {}", only.message),
            [only] => format!("{} {}", only.pointer, only.message),
            many => format!("{} validation errors in the body, see errors", many.len()),
        };
        let mut problem = Self::new(HttpCode::ValidationFailed, detail);
        problem.0.errors = errors;
        problem
    }

    /// Makes a 500. Logs the cause here, once, and hides it from the caller.
    #[must_use]
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = telemetry::error_chain(cause), "request failed with an internal error");
        Self::new(HttpCode::Internal, "The service failed; its log has the cause under this correlation id.")
    }

    /// Adds the header `Retry-After`, rounded up to whole seconds.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// Adds the header `WWW-Authenticate`, for 401.
    #[must_use]
    pub fn challenge(mut self, challenge: impl Into<String>) -> Self {
        self.0.challenge = Some(challenge.into());
        self
    }

    /// Adds another member to the body.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.0.extensions.insert(name.to_owned(), value);
        self
    }

    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.info.code
    }

    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.info.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Returns the validation errors of the body, for 422.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.0.errors
    }

    /// Makes a problem from an error response of a library.
    pub(crate) fn from_library_response(status: StatusCode, text: &str) -> Self {
        let code = HttpCode::for_status(status);
        let detail =
            if status.is_client_error() && !text.trim().is_empty() { text.trim() } else { code.info().title };
        let mut problem = Self::new(code, detail);
        problem.0.info.status = status.as_u16();
        problem
    }

    /// Returns the body for one request.
    #[must_use]
    pub fn body(self, instance: &str, correlation_id: &str) -> ProblemBody {
        let status = self.status();
        let ProblemParts { info, detail, errors, extensions, .. } = *self.0;
        ProblemBody {
            r#type: format!("{CATALOGUE_PATH}#{}", info.code),
            title: info.title.to_owned(),
            status: status.as_u16(),
            detail: detail.clone(),
            instance: instance.to_owned(),
            success: false,
            error: info.code.to_owned(),
            message: detail,
            retryable: info.retryable,
            correlation_id: correlation_id.to_owned(),
            errors,
            extensions,
        }
    }

    pub(crate) fn into_problem_response(mut self, instance: &str, correlation: &CorrelationId) -> Response {
        let (status, retry_after) = (self.status(), self.0.retry_after);
        let challenge = self.0.challenge.take();
        let body = self.body(instance, correlation.as_str());
        let mut response =
            (status, Body::from(serde_json::to_vec(&body).unwrap_or_default())).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT));
        if let Some(challenge) = challenge.and_then(|challenge| challenge.try_into().ok()) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(after) = retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Turns any error response into a problem document, and keeps every other response.
pub(crate) async fn to_problem_document(
    mut response: Response,
    instance: &str,
    correlation: &CorrelationId,
) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return keep_headers_and_extensions(
            problem.into_problem_response(instance, correlation),
            response.into_parts().0,
        );
    }
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let kind = response.headers().get(CONTENT_TYPE);
    // A page for people explains its error itself. No library answers with one.
    let is_page = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !is_error || is_page || response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == CONTENT) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let problem =
        if status == StatusCode::UNSUPPORTED_MEDIA_TYPE && parts.headers.contains_key(ACCEPT_ENCODING) {
            // The decompression layer reports an unknown encoding this way.
            Problem::new(
                HttpCode::UnsupportedEncoding,
                "send the body with Content-Encoding: gzip, or without one",
            )
        } else {
            let text = axum::body::to_bytes(body, 4096).await.unwrap_or_default();
            Problem::from_library_response(status, &String::from_utf8_lossy(&text))
        };
    keep_headers_and_extensions(problem.into_problem_response(instance, correlation), parts)
}

/// Copies the extensions and the headers of the old response, such as `Allow` and chaos decisions. Leaves out the
/// headers of the old body.
fn keep_headers_and_extensions(mut response: Response, old: response::Parts) -> Response {
    *response.extensions_mut() = old.extensions;
    let headers = response.headers_mut();
    let mut last = None;
    for (name, value) in old.headers {
        last = name.or(last);
        if let Some(name) = &last
            && name != CONTENT_TYPE
            && name != CONTENT_LENGTH
        {
            headers.append(name.clone(), value);
        }
    }
    response
}

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemBody {
    /// A relative reference to the code's entry in this service's catalogue.
    #[schema(example = "/api/docs/errors#not_found")]
    pub r#type: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// The path of the request.
    pub instance: String,
    /// Always false.
    pub success: bool,
    /// The machine code, in `snake_case`.
    #[schema(example = "not_found")]
    pub error: String,
    /// The same text as `detail`.
    pub message: String,
    /// Says whether the same request can succeed later without being changed.
    pub retryable: bool,
    pub correlation_id: String,
    /// Every fault of the body, for 422.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    #[serde(flatten)]
    #[schema(ignore)]
    pub extensions: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_detail_has_a_single_error_or_the_number_of_errors() {
        let fault = |pointer: &str| Fault { pointer: pointer.to_owned(), message: "is required".to_owned() };
        assert_eq!(Problem::invalid(vec![fault("/amount")]).0.detail, "/amount is required");
        assert_eq!(
            Problem::invalid(vec![fault("/a"), fault("/b")]).0.detail,
            "2 validation errors in the body, see errors"
        );
    }

    #[test]
    fn every_code_is_unique() {
        let mut codes: Vec<_> = HttpCode::ALL.iter().map(|code| code.info().code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), HttpCode::ALL.len());
    }
}
