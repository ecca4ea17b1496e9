//! Sends a user context part by part, as server-sent events.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::{Stream, StreamExt, stream};
use serde::Serialize;
use service_kit::{correlation::CorrelationId, openapi::ServerSentEvent, stopping::Stopping, traces};
use tokio::sync::mpsc;

use super::{
    UserContextApi,
    dto::{PartBody, UserContextBody},
};
use crate::{parts::CollectedParts, strategies::Strategy};

/// Room for all events of one context, so that a slow client never delays the calls to the sources.
const CHANNEL_CAPACITY: usize = 4;
/// The strategy that returns parts as they arrive.
const STREAM_STRATEGY: Strategy = Strategy::Reactive;
/// The name and the id of the last event.
const DONE: &str = "done";
/// The header with the last event id, which an `EventSource` sends when it reconnects.
const LAST_EVENT_ID: &str = "last-event-id";

/// Sends each part as it arrives (events `location`, `weather`, `entertainment`), then `done` with all of them.
#[utoipa::path(
    get,
    path = "/api/v1/user-context/stream",
    tag = "user context",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last received event. After `done` \
        the answer is 204. After any other, every part is sent again.")),
    responses(
        (status = 200, description = "Events `location`, `weather` and `entertainment`, each a `Part`, in the order of \
            their arrival. Then `done`, with the `UserContext` of the strategy `rxjs`, even if all its parts are null. \
            The id of an event is its name.",
            content_type = "text/event-stream", body = ServerSentEvent),
        (status = 204, description = "The client received `done` before. A browser's `EventSource` then stops reconnecting."),
    )
)]
pub(super) async fn stream(
    State(api): State<UserContextApi>,
    correlation: CorrelationId,
    stopping: Stopping,
    headers: HeaderMap,
) -> Response {
    if headers.get(LAST_EVENT_ID).is_some_and(|id| id == DONE) {
        return StatusCode::NO_CONTENT.into_response();
    }
    let (sender, receiver) = mpsc::channel(CHANNEL_CAPACITY);
    // The body is written after the request's scope has ended, so it needs its own task.
    tokio::spawn(traces::in_current_trace(correlation.scope(send_parts(api, stopping, sender))));
    Sse::new(events(receiver)).keep_alive(KeepAlive::new().interval(Duration::from_secs(10))).into_response()
}

fn events(receiver: mpsc::Receiver<Event>) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(receiver, |mut receiver| async move {
        let event = receiver.recv().await?;
        Some((Ok(event), receiver))
    })
}

/// Sends every part and `done`, until the client disconnects or the service stops.
async fn send_parts(api: UserContextApi, stopping: Stopping, sender: mpsc::Sender<Event>) {
    let sending = async {
        let started = Instant::now();
        let (mut context, mut parts) = (CollectedParts::default(), api.parts(STREAM_STRATEGY));
        while let Some(part) = parts.next().await {
            send_event(&sender, part.outcome().name.as_str(), &PartBody::from(&part)).await;
            context.add(part);
        }
        let whole = UserContextBody::new(context, STREAM_STRATEGY, started.elapsed());
        send_event(&sender, DONE, &whole).await;
    };
    tokio::select! {
        () = api.within_deadline(sending) => {}
        () = sender.closed() => tracing::info!("event stream closed by the client"),
        // Without `done` the client reconnects, and another process can answer.
        () = stopping.wait() => tracing::info!("event stream ended early because the service stops"),
    }
}

async fn send_event(sender: &mpsc::Sender<Event>, name: &str, data: &impl Serialize) {
    match Event::default().event(name).id(name).json_data(data) {
        // The send fails only after the client has disconnected, which needs no report.
        Ok(event) => drop(sender.send(event).await),
        Err(error) => tracing::error!(%error, "event serialization failed"),
    }
}
