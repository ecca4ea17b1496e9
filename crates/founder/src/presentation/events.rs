//! A user's context part by part, as server-sent events.

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
use service_kit::{correlation::CorrelationId, openapi::ServerSentEvent, stopping::Stopping};
use tokio::sync::mpsc;
use tracing::Instrument;

use super::{
    UserContexts,
    dto::{PartBody, UserContextBody},
};
use crate::{parts::Context, strategies::Strategy};

/// All events of a context: a listener that is slow holds nobody up.
const EVENTS: usize = 4;
/// The one that hands parts on as they arrive.
const STRATEGY: Strategy = Strategy::Reactive;
/// The name and the id of the last event.
const DONE: &str = "done";
/// The header in which an `EventSource` that reconnects sends the id of the last event it has seen.
const LAST_EVENT_ID: &str = "last-event-id";

/// Each part as it arrives (events `location`, `weather`, `entertainment`), then `done` with the whole.
#[utoipa::path(
    get,
    path = "/api/v1/user-context/stream",
    tag = "user context",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event seen. After `done` \
        nothing more comes: 204. After any other, every part is sent anew.")),
    responses(
        (status = 200, description = "Events `location`, `weather` and `entertainment`, each a `Part`, in the order of \
            their arrival; then `done`, which is the `UserContext` that the strategy `rxjs` answers with, also where \
            all of its parts are null. The id of an event is its name.",
            content_type = "text/event-stream", body = ServerSentEvent),
        (status = 204, description = "The stream was seen to its end. A browser's `EventSource` asks no more."),
    )
)]
pub(super) async fn stream(
    State(contexts): State<UserContexts>,
    correlation: CorrelationId,
    stopping: Stopping,
    headers: HeaderMap,
) -> Response {
    if headers.get(LAST_EVENT_ID).is_some_and(|id| id == DONE) {
        return StatusCode::NO_CONTENT.into_response();
    }
    let (sender, receiver) = mpsc::channel(EVENTS);
    // A task of its own, since the body is written after the request's scope has ended.
    tokio::spawn(correlation.scope(tell(contexts, stopping, sender)).in_current_span());
    Sse::new(events(receiver)).keep_alive(KeepAlive::new().interval(Duration::from_secs(10))).into_response()
}

fn events(receiver: mpsc::Receiver<Event>) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(receiver, |mut receiver| async move {
        let event = receiver.recv().await?;
        Some((Ok(event), receiver))
    })
}

/// Sends every part and the end, for as long as somebody listens and the service isn't asked to stop.
async fn tell(contexts: UserContexts, stopping: Stopping, sender: mpsc::Sender<Event>) {
    let telling = async {
        let started = Instant::now();
        let (mut context, mut parts) = (Context::default(), contexts.parts(STRATEGY));
        while let Some(part) = parts.next().await {
            send(&sender, part.ended().name.as_str(), &PartBody::from(&part)).await;
            context.add(part);
        }
        let whole = UserContextBody::new(context, STRATEGY, started.elapsed());
        send(&sender, DONE, &whole).await;
    };
    tokio::select! {
        () = contexts.in_time(telling) => {}
        () = sender.closed() => tracing::info!("nobody listens to the user context any more"),
        // Without `done` the listener reconnects, and another process answers.
        () = stopping.wait() => tracing::info!("a stream of a user context ends early: the service stops"),
    }
}

async fn send(sender: &mpsc::Sender<Event>, name: &str, data: &impl Serialize) {
    match Event::default().event(name).id(name).json_data(data) {
        // Whoever has gone needs no event.
        Ok(event) => drop(sender.send(event).await),
        Err(error) => tracing::error!(%error, "an event can't be written"),
    }
}
