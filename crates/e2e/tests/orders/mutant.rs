//! A provider seen through somebody else's mistakes: a proxy between worker and provider that changes
//! calls as a wrong worker would make them. With it the ledger must contradict; without, never.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::sync::oneshot;

/// A mistake that sagas make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// Undoes only what it heard of: an undo by key never reaches the provider.
    NoUndoByKey,
    /// Another idempotency key in every attempt.
    KeyPerAttempt,
    /// Takes a timeout for a refusal that needs no undo.
    TimeoutIsFailure,
}

static ATTEMPT: AtomicU64 = AtomicU64::new(0);

#[derive(Clone)]
struct Proxy {
    mistake: Mistake,
    provider: String,
    http: reqwest::Client,
}

/// Starts the proxy; the provider that it stands before is sent to it once its address is known.
pub async fn start(mistake: Mistake) -> (SocketAddr, oneshot::Sender<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (to, provider) = oneshot::channel();
    tokio::spawn(async move {
        let proxy = Proxy { mistake, provider: provider.await.unwrap(), http: reqwest::Client::new() };
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
    headers.remove(header::HOST);
    if proxy.mistake == Mistake::KeyPerAttempt
        && let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok())
    {
        let key = format!("{key}/{}", ATTEMPT.fetch_add(1, Ordering::Relaxed));
        headers.insert("idempotency-key", HeaderValue::from_str(&key).unwrap());
    }
    let url = format!("{}{}", proxy.provider, parts.uri.path_and_query().unwrap());
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let answer = proxy.http.request(parts.method, url).headers(headers).body(body).send().await;
    let Ok(answer) = answer else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
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
