//! Breaks answers on the connection. It is the last layer, so it breaks the final answer.

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

/// Returns the connection of a request, if it has one.
pub fn connection_of(request: &Request) -> Option<Connection> {
    request.extensions().get::<ConnectInfo<Connection>>().map(|info| info.0.clone())
}

/// Applies the wire fault of a decision to its answer.
pub async fn apply_wire_fault(mut response: Response, connection: Option<Connection>) -> Response {
    match response.extensions_mut().remove::<WireFault>() {
        None => response,
        Some(WireFault::ConnectionReset) => reset(response, connection.as_ref()),
        Some(WireFault::TruncatedBody) => truncated(response).await,
        Some(WireFault::MalformedJson) => malformed(response).await,
    }
}

/// Resets the connection before the answer. A router without a server has no connection, so there the body fails.
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

/// Sends half of the body with the length of the whole.
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
        // The server flushes the first half only while it waits for more.
        sent = true;
        context.waker().wake_by_ref();
        Poll::Pending
    });
    Response::from_parts(parts, Body::from_stream(body))
}

/// Replaces the last brace by a bracket: the same length, but not JSON.
async fn malformed(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let mut bytes = collect_body(body).await.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last = b']';
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// Collects a body. The provider's answers are small and in memory, so this needs no limit and cannot fail.
async fn collect_body(body: Body) -> Bytes {
    to_bytes(body, usize::MAX).await.unwrap_or_default()
}
