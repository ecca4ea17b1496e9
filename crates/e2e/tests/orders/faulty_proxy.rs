//! A proxy between worker and provider that makes the mistakes of a wrong worker, so that the verdict must find them.
//! It can also send answers that this provider never gives, which an order must handle.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::sync::{Notify, oneshot};

/// A mutation that sagas make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// Undoes only answered calls: an undo by key never reaches the provider.
    NoUndoByKey,
    /// Uses another idempotency key in every attempt.
    KeyPerAttempt,
    /// Treats a timeout as a refusal that needs no undo.
    TimeoutIsFailure,
    /// Sends the answers of [`UNEXPECTED_ANSWERS`] instead of the provider's.
    UnexpectedAnswers,
}

/// An answer for one order at one path, instead of the provider's.
struct UnexpectedAnswer {
    /// The suffix of the order's id.
    order: &'static str,
    path: &'static str,
    status: StatusCode,
    body: &'static str,
    /// The number of calls with this answer. Later calls reach the provider.
    calls: usize,
    retry_after: Option<&'static str>,
    /// The delay of the answer.
    delay: Duration,
}

const fn unexpected_answer(
    order: &'static str,
    path: &'static str,
    status: StatusCode,
    body: &'static str,
) -> UnexpectedAnswer {
    UnexpectedAnswer {
        order,
        path,
        status,
        body,
        calls: usize::MAX,
        retry_after: None,
        delay: Duration::ZERO,
    }
}

const BUSY: &str = r#"{"error":"service_unavailable","message":"come back tomorrow","retryable":true}"#;
const BROKEN: &str = r#"{"error":"internal_error","message":"something broke","retryable":true}"#;
const A_DAY: Option<&str> = Some("86400");

const UNEXPECTED_ANSWERS: [UnexpectedAnswer; 9] = [
    unexpected_answer(
        "payment-expired",
        "/payment/capture",
        StatusCode::CONFLICT,
        r#"{"error":"payment_expired","message":"the authorization has expired","retryable":false}"#,
    ),
    unexpected_answer(
        "ledger-mismatch",
        "/payment/capture",
        StatusCode::CONFLICT,
        r#"{"error":"already_captured","message":"captured before","retryable":false,"resource":{"authId":"auth_of_another","amount":1,"currency":"usd","status":"captured"}}"#,
    ),
    unexpected_answer(
        "internal",
        "/inventory/reserve",
        StatusCode::UNPROCESSABLE_ENTITY,
        r#"{"error":"validation_failed","message":"the body is invalid","retryable":false}"#,
    ),
    UnexpectedAnswer {
        retry_after: A_DAY,
        ..unexpected_answer("busy-capture", "/payment/capture", StatusCode::SERVICE_UNAVAILABLE, BUSY)
    },
    UnexpectedAnswer {
        calls: 1,
        retry_after: A_DAY,
        ..unexpected_answer("undo-restarted", "/payment/release", StatusCode::SERVICE_UNAVAILABLE, BUSY)
    },
    UnexpectedAnswer {
        retry_after: A_DAY,
        ..unexpected_answer(
            "undo-resolved-waiting",
            "/payment/release",
            StatusCode::SERVICE_UNAVAILABLE,
            BUSY,
        )
    },
    UnexpectedAnswer {
        delay: Duration::from_secs(8),
        ..unexpected_answer(
            "undo-resolved-running",
            "/payment/release",
            StatusCode::SERVICE_UNAVAILABLE,
            BUSY,
        )
    },
    UnexpectedAnswer {
        delay: Duration::from_secs(1),
        ..unexpected_answer("undo-asked-early", "/payment/release", StatusCode::INTERNAL_SERVER_ERROR, BROKEN)
    },
    unexpected_answer(
        "undo-refused",
        "/payment/release",
        StatusCode::UNPROCESSABLE_ENTITY,
        r#"{"error":"validation_failed","message":"the body is invalid","retryable":false}"#,
    ),
];

/// The number of calls of each order at each path.
type Answered = Arc<Mutex<HashMap<(String, &'static str), usize>>>;

fn find_unexpected_answer(
    answered: &Answered,
    headers: &HeaderMap,
    path: &str,
) -> Option<&'static UnexpectedAnswer> {
    let order = headers.get("x-order-id")?.to_str().ok()?;
    let unexpected = UNEXPECTED_ANSWERS
        .iter()
        .find(|unexpected| order.ends_with(unexpected.order) && path == unexpected.path)?;
    let mut answered = answered.lock().unwrap();
    let calls = answered.entry((order.to_owned(), unexpected.path)).or_default();
    *calls += 1;
    (*calls <= unexpected.calls).then_some(unexpected)
}

/// The suffix of an order's id whose label answer is delayed until [`SEND_LABEL`].
pub const HELD: &str = "label-held";
/// Signals that a label exists and its answer is delayed.
pub static LABEL_MADE: Notify = Notify::const_new();
pub static SEND_LABEL: Notify = Notify::const_new();

/// The suffix of an order's id whose label progress is unavailable when [`IS_UNSEEN`] is set.
pub const UNSEEN: &str = "label-unseen";
pub static IS_UNSEEN: AtomicBool = AtomicBool::new(false);

fn order_ends_with(headers: &HeaderMap, end: &str) -> bool {
    headers.get("x-order-id").and_then(|order| order.to_str().ok()).is_some_and(|order| order.ends_with(end))
}

static ATTEMPT: AtomicU64 = AtomicU64::new(0);

#[derive(Clone)]
struct Proxy {
    mutation: Mutation,
    provider: String,
    http: reqwest::Client,
    answered: Answered,
}

/// Starts the proxy. Its caller sends the provider's URL when that is known.
pub async fn start(mutation: Mutation) -> (SocketAddr, oneshot::Sender<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (to, provider) = oneshot::channel();
    tokio::spawn(async move {
        let proxy = Proxy {
            mutation,
            provider: provider.await.unwrap(),
            http: reqwest::Client::new(),
            answered: Answered::default(),
        };
        axum::serve(listener, Router::new().fallback(forward).with_state(proxy)).await
    });
    (address, to)
}

fn is_undo(path: &str) -> bool {
    ["/payment/release", "/payment/refund", "/inventory/release", "/shipping/cancel"].contains(&path)
}

async fn forward(State(proxy): State<Proxy>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    if proxy.mutation == Mutation::NoUndoByKey && is_undo(&path) {
        return json(StatusCode::OK, r#"{"success":true,"status":"nothing_to_undo"}"#);
    }
    let mut headers = parts.headers;
    if proxy.mutation == Mutation::UnexpectedAnswers
        && let Some(unexpected) = find_unexpected_answer(&proxy.answered, &headers, &path)
    {
        tokio::time::sleep(unexpected.delay).await;
        let mut response = json(unexpected.status, unexpected.body);
        if let Some(seconds) = unexpected.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        return response;
    }
    headers.remove(header::HOST);
    if proxy.mutation == Mutation::KeyPerAttempt
        && let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok())
    {
        let key = format!("{key}/{}", ATTEMPT.fetch_add(1, Ordering::Relaxed));
        headers.insert("idempotency-key", HeaderValue::from_str(&key).unwrap());
    }
    let is_held = path == "/shipping/create-label" && order_ends_with(&headers, HELD);
    if path.starts_with("/shipping/by-key/")
        && order_ends_with(&headers, UNSEEN)
        && IS_UNSEEN.load(Ordering::Relaxed)
    {
        return json(StatusCode::SERVICE_UNAVAILABLE, BUSY);
    }
    let url = format!("{}{}", proxy.provider, parts.uri.path_and_query().unwrap());
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let answer = proxy.http.request(parts.method, url).headers(headers).body(body).send().await;
    let Ok(answer) = answer else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    if is_held {
        LABEL_MADE.notify_one();
        SEND_LABEL.notified().await;
    }
    if proxy.mutation == Mutation::TimeoutIsFailure
        && answer.status() == StatusCode::GATEWAY_TIMEOUT
        && !is_undo(&path)
    {
        let refusal = r#"{"error":"insufficient_funds","message":"it took too long","retryable":false}"#;
        return json(StatusCode::PAYMENT_REQUIRED, refusal);
    }
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers().iter().filter(|(name, _)| **name != header::TRANSFER_ENCODING) {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.bytes().await.unwrap_or_default())).unwrap()
}

fn json(status: StatusCode, body: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
