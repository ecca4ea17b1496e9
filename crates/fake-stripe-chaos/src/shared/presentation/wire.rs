//! Answers that break on their way to the caller. It comes last, so that what breaks is what would have been
//! sent.

use std::{convert::Infallible, io, task::Poll};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, Request},
    http::{HeaderValue, header::CONTENT_LENGTH},
    response::Response,
};
use futures::stream;
use service_kit::connection::Connection;

use crate::shared::chaos::WireFault;

/// The connection that a request came by, if it came by one.
pub fn connection_of(request: &Request) -> Option<Connection> {
    request.extensions().get::<ConnectInfo<Connection>>().map(|info| info.0.clone())
}

/// Breaks an answer that a decision wants to break.
pub async fn apply_wire_fault(mut response: Response, connection: Option<Connection>) -> Response {
    match response.extensions_mut().remove::<WireFault>() {
        None => response,
        Some(WireFault::ConnectionReset) => reset(response, connection.as_ref()),
        Some(WireFault::TruncatedBody) => truncated(response).await,
        Some(WireFault::MalformedJson) => malformed(response).await,
    }
}

/// With a connection, nothing of this answer is ever written. Without one, where the router is called
/// without a server, a body that fails stands for it.
fn reset(response: Response, connection: Option<&Connection>) -> Response {
    match connection {
        Some(connection) => {
            connection.reset();
            response.map(|_| Body::empty())
        }
        None => response.map(|_| {
            let error = io::Error::from(io::ErrorKind::ConnectionReset);
            Body::from_stream(stream::once(std::future::ready(Err::<Bytes, _>(error))))
        }),
    }
}

/// Half of the body, declared whole.
async fn truncated(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = collect_body(body).await;
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let mut half = Some(whole.slice(..whole.len() / 2));
    let mut sent = false;
    let body = stream::poll_fn(move |context| {
        if let Some(half) = half.take() {
            return Poll::Ready(Some(Ok::<_, Infallible>(half)));
        }
        if sent {
            return Poll::Ready(None);
        }
        // The server writes out what it has while it waits for more, and only then learns that this is all.
        sent = true;
        context.waker().wake_by_ref();
        Poll::Pending
    });
    Response::from_parts(parts, Body::from_stream(body))
}

/// The body with its last brace turned into a bracket: as long as it was, and no JSON.
async fn malformed(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let mut bytes = collect_body(body).await.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last = b']';
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// The provider's own answers are small and in memory, so nothing bounds or fails this.
async fn collect_body(body: Body) -> Bytes {
    to_bytes(body, usize::MAX).await.unwrap_or_default()
}
