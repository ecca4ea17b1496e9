//! The outer layer of Stripe's API: it writes every error in Stripe's form, and adds Stripe's headers.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
    },
    middleware::{self, Next},
    response::Response,
};
use serde_json::{Map, Value, json};
use service_kit::problem;

use super::problems::{MEMBER, error_type, public_code, should_retry, status_of};

/// The version of the API for a client that names none.
const DEFAULT_VERSION: HeaderValue = HeaderValue::from_static("2025-03-31.basil");
const VERSION: HeaderName = HeaderName::from_static("stripe-version");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("stripe-should-retry");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Adds the layer to the router of a run.
pub fn layer(router: Router) -> Router {
    router.layer(middleware::from_fn(answer))
}

/// Returns true for the paths of Stripe's API, also in a run.
fn is_stripe(path: &str) -> bool {
    let in_run = path.strip_prefix("/runs/").and_then(|rest| rest.split_once('/'));
    let path = in_run.map_or(path.trim_start_matches('/'), |(_, rest)| rest);
    path == "v1" || path.starts_with("v1/")
}

async fn answer(mut request: Request, next: Next) -> Response {
    if !is_stripe(request.uri().path()) {
        return next.run(request).await;
    }
    let (version, key) =
        (request.headers().get(VERSION).cloned(), request.headers().get(IDEMPOTENCY_KEY).cloned());
    // An error must be readable here.
    request.headers_mut().remove(ACCEPT_ENCODING);
    let mut response = next.run(request).await;
    if response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == problem::CONTENT) {
        response = error(response).await;
    }
    let headers = response.headers_mut();
    headers.insert(VERSION, version.unwrap_or(DEFAULT_VERSION));
    if let Some(key) = key {
        headers.insert(IDEMPOTENCY_KEY, key);
    }
    if let Some(id) = request_id(headers) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

fn request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let correlation = headers.get(CORRELATION_ID)?.to_str().ok()?;
    HeaderValue::try_from(format!("req_{}", correlation.replace('-', ""))).ok()
}

/// Writes a problem document as Stripe's error.
async fn error(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    // The provider's own errors are small and in memory.
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let code = document["error"].as_str().unwrap_or_default();
    parts.status = status_of(code, parts.status);
    if let Some(retry) = should_retry(code, parts.status) {
        parts.headers.insert(SHOULD_RETRY, HeaderValue::from_static(if retry { "true" } else { "false" }));
    }
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.remove(CONTENT_LENGTH);
    let body = json!({ "error": error_object(code, parts.status, &document) });
    Response::from_parts(parts, Body::from(body.to_string()))
}

fn error_object(code: &str, status: StatusCode, document: &Value) -> Value {
    let mut error = Map::new();
    error.insert("message".to_owned(), document["detail"].clone());
    error.insert("type".to_owned(), error_type(code, status).into());
    if let Some(code) = public_code(code) {
        error.insert("code".to_owned(), code.into());
        let url = format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"));
        error.insert("doc_url".to_owned(), url.into());
    }
    for (name, value) in document[MEMBER].as_object().into_iter().flatten() {
        error.insert(name.clone(), value.clone());
    }
    Value::Object(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_known_by_its_path_in_each_run() {
        for path in ["/v1/charges", "/v1", "/runs/a/v1/charges"] {
            assert!(is_stripe(path), "{path}");
        }
        for path in ["/v10/charges", "/runs/v1", "/payment/v1/1", "/runs/v1/ledger"] {
            assert!(!is_stripe(path), "{path}");
        }
    }
}
