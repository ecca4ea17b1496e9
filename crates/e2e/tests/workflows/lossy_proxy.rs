//! A proxy to the provider that loses every answer to a charge.

use std::net::SocketAddr;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::sync::oneshot;

#[derive(Clone)]
struct Proxy {
    provider: String,
    http: reqwest::Client,
}

/// Starts the proxy. Its caller sends the provider's URL when that is known.
pub async fn start() -> (SocketAddr, oneshot::Sender<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (to, provider) = oneshot::channel();
    tokio::spawn(async move {
        let proxy = Proxy { provider: provider.await.unwrap(), http: reqwest::Client::new() };
        axum::serve(listener, Router::new().fallback(forward).with_state(proxy)).await
    });
    (address, to)
}

async fn forward(State(proxy): State<Proxy>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let mut headers = parts.headers;
    headers.remove(header::HOST);
    let url = format!("{}{}", proxy.provider, parts.uri.path_and_query().unwrap());
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let answer = proxy.http.request(parts.method, url).headers(headers).body(body).send().await;
    let Ok(answer) = answer else { return StatusCode::BAD_GATEWAY.into_response() };
    if path == "/payment/charge" {
        return StatusCode::GATEWAY_TIMEOUT.into_response();
    }
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers().iter().filter(|(name, _)| **name != header::TRANSFER_ENCODING) {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.bytes().await.unwrap_or_default())).unwrap()
}
