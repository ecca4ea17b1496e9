//! A provider seen through somebody else's mistakes: a proxy between worker and provider that changes
//! calls as a wrong worker would make them, after which the ledger must contradict; or that answers what
//! this provider never would, which an order must stand.

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

/// A mistake that sagas make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// Undoes only what it heard of: an undo by key never reaches the provider.
    NoUndoByKey,
    /// Another idempotency key in every attempt.
    KeyPerAttempt,
    /// Takes a timeout for a refusal that needs no undo.
    TimeoutIsFailure,
    /// The provider's own: to the orders of [`STRANGE`] it answers what it has no reason to.
    StrangeAnswers,
}

/// What one order is answered in the provider's stead, at one path.
struct Strange {
    /// The end of the order's id.
    order: &'static str,
    path: &'static str,
    status: StatusCode,
    body: &'static str,
    /// How many calls are answered so; later ones reach the provider.
    calls: usize,
    retry_after: Option<&'static str>,
    /// How long the answer is held back.
    delay: Duration,
}

const fn strange(order: &'static str, path: &'static str, status: StatusCode, body: &'static str) -> Strange {
    Strange { order, path, status, body, calls: usize::MAX, retry_after: None, delay: Duration::ZERO }
}

const BUSY: &str = r#"{"error":"service_unavailable","message":"come back tomorrow","retryable":true}"#;
const BROKEN: &str = r#"{"error":"internal_error","message":"something broke","retryable":true}"#;
const A_DAY: Option<&str> = Some("86400");

const STRANGE: [Strange; 9] = [
    strange(
        "payment-expired",
        "/payment/capture",
        StatusCode::CONFLICT,
        r#"{"error":"payment_expired","message":"the authorization has expired","retryable":false}"#,
    ),
    strange(
        "ledger-mismatch",
        "/payment/capture",
        StatusCode::CONFLICT,
        r#"{"error":"already_captured","message":"captured before","retryable":false,"resource":{"authId":"auth_of_another","amount":1,"currency":"usd","status":"captured"}}"#,
    ),
    strange(
        "internal",
        "/inventory/reserve",
        StatusCode::UNPROCESSABLE_ENTITY,
        r#"{"error":"validation_failed","message":"the body is not as it should be","retryable":false}"#,
    ),
    Strange {
        retry_after: A_DAY,
        ..strange("busy-capture", "/payment/capture", StatusCode::SERVICE_UNAVAILABLE, BUSY)
    },
    Strange {
        calls: 1,
        retry_after: A_DAY,
        ..strange("undo-restarted", "/payment/release", StatusCode::SERVICE_UNAVAILABLE, BUSY)
    },
    Strange {
        retry_after: A_DAY,
        ..strange("undo-resolved-waiting", "/payment/release", StatusCode::SERVICE_UNAVAILABLE, BUSY)
    },
    Strange {
        delay: Duration::from_secs(8),
        ..strange("undo-resolved-running", "/payment/release", StatusCode::SERVICE_UNAVAILABLE, BUSY)
    },
    Strange {
        delay: Duration::from_secs(1),
        ..strange("undo-asked-early", "/payment/release", StatusCode::INTERNAL_SERVER_ERROR, BROKEN)
    },
    strange(
        "undo-refused",
        "/payment/release",
        StatusCode::UNPROCESSABLE_ENTITY,
        r#"{"error":"validation_failed","message":"the body is not as it should be","retryable":false}"#,
    ),
];

/// How many calls of an order were answered at a path.
type Answered = Arc<Mutex<HashMap<(String, &'static str), usize>>>;

fn is_strange(answered: &Answered, headers: &HeaderMap, path: &str) -> Option<&'static Strange> {
    let order = headers.get("x-order-id")?.to_str().ok()?;
    let strange = STRANGE.iter().find(|strange| order.ends_with(strange.order) && path == strange.path)?;
    let mut answered = answered.lock().unwrap();
    let calls = answered.entry((order.to_owned(), strange.path)).or_default();
    *calls += 1;
    (*calls <= strange.calls).then_some(strange)
}

/// The end of the id of an order whose label is made, while its answer is held back until [`GO_ON`].
pub const HELD: &str = "label-held";
/// A label is made, and nobody knows it yet.
pub static MADE: Notify = Notify::const_new();
pub static GO_ON: Notify = Notify::const_new();

/// The end of the id of an order whose label's progress nobody knows, once [`IS_UNSEEN`] is set.
pub const UNSEEN: &str = "label-unseen";
pub static IS_UNSEEN: AtomicBool = AtomicBool::new(false);

fn is_of(headers: &HeaderMap, end: &str) -> bool {
    headers.get("x-order-id").and_then(|order| order.to_str().ok()).is_some_and(|order| order.ends_with(end))
}

static ATTEMPT: AtomicU64 = AtomicU64::new(0);

#[derive(Clone)]
struct Proxy {
    mistake: Mistake,
    provider: String,
    http: reqwest::Client,
    answered: Answered,
}

/// Starts the proxy; the provider that it stands before is sent to it once its address is known.
pub async fn start(mistake: Mistake) -> (SocketAddr, oneshot::Sender<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (to, provider) = oneshot::channel();
    tokio::spawn(async move {
        let proxy = Proxy {
            mistake,
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
    if proxy.mistake == Mistake::NoUndoByKey && is_undo(&path) {
        return json(StatusCode::OK, r#"{"success":true,"status":"nothing_to_undo"}"#);
    }
    let mut headers = parts.headers;
    if proxy.mistake == Mistake::StrangeAnswers
        && let Some(strange) = is_strange(&proxy.answered, &headers, &path)
    {
        tokio::time::sleep(strange.delay).await;
        let mut response = json(strange.status, strange.body);
        if let Some(seconds) = strange.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        return response;
    }
    headers.remove(header::HOST);
    if proxy.mistake == Mistake::KeyPerAttempt
        && let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok())
    {
        let key = format!("{key}/{}", ATTEMPT.fetch_add(1, Ordering::Relaxed));
        headers.insert("idempotency-key", HeaderValue::from_str(&key).unwrap());
    }
    let is_held = path == "/shipping/create-label" && is_of(&headers, HELD);
    if path.starts_with("/shipping/by-key/") && is_of(&headers, UNSEEN) && IS_UNSEEN.load(Ordering::Relaxed) {
        return json(StatusCode::SERVICE_UNAVAILABLE, BUSY);
    }
    let url = format!("{}{}", proxy.provider, parts.uri.path_and_query().unwrap());
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let answer = proxy.http.request(parts.method, url).headers(headers).body(body).send().await;
    let Ok(answer) = answer else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    if is_held {
        MADE.notify_one();
        GO_ON.notified().await;
    }
    if proxy.mistake == Mistake::TimeoutIsFailure
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
