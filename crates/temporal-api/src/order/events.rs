//! Streams an order's states as they change, as server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::{Stream, StreamExt, stream};
use service_kit::{
    auth::{Caller, roles::READERS},
    openapi::{Fails, ServerSentEvent},
    problem::Problem,
};
use workflows::order_fulfillment::state::OrderState;

use super::{Orders, dto::StateBody, handlers::order};
use crate::{
    gateway::{GatewayError, Observed, WorkflowId},
    waiting::Place,
};

/// Separates two reads of a running order.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Streams the order's state after each change, then the final state.
#[utoipa::path(
    get,
    path = "/api/v1/order/{workflowId}/events",
    tag = "orders",
    params(
        ("workflowId" = String, Path, example = "order-fulfillment-order-1001"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event seen; older states of the same run are left out. An id of another run leaves out none."),
    ),
    responses(
        (status = 200, description = "Events `state`, each with a `StateBody`; their ids are `<runId>:<version>`.",
            content_type = "text/event-stream", body = ServerSentEvent),
        (status = 204, description = "The event of `Last-Event-ID` was the last one."),
        Fails<404>, Fails<503>,
    )
)]
pub(super) async fn events(
    State(orders): State<Orders>,
    Path(id): Path<String>,
    headers: HeaderMap,
    caller: Caller,
    place: Place,
) -> Result<Response, Problem> {
    let id = order(&id)?;
    orders.check_owner(&caller, READERS, &id).await?;
    let first = orders.observed(&id).await?;
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(Seen::read);
    if is_final(&first) && seen.as_ref().is_some_and(|seen| seen.is(&first)) {
        // After this answer, an `EventSource` does not connect again.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(10));
    let stopping = place.stopping();
    // The drop of the stream frees the place.
    let states = states(orders, id, first, seen).take_until(stopping).map(move |event| {
        let _place = &place;
        event
    });
    Ok(Sse::new(states).keep_alive(keep_alive).into_response())
}

/// Identifies the last event that a client saw.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    /// Holds `None` for ids in an older form.
    run_id: Option<String>,
    version: u64,
}

impl Seen {
    fn read(id: &str) -> Option<Self> {
        match id.rsplit_once(':') {
            Some((run_id, version)) => {
                Some(Self { run_id: Some(run_id.to_owned()), version: version.parse().ok()? })
            }
            None => Some(Self { run_id: None, version: id.parse().ok()? }),
        }
    }

    fn of(observed: &Observed<OrderState>) -> Self {
        Self { run_id: Some(observed.run.first_run_id.clone()), version: observed.state.version }
    }

    /// Reports whether it is exactly this event.
    fn is(&self, observed: &Observed<OrderState>) -> bool {
        *self == Self::of(observed)
    }

    /// Reports whether a state of the same run is this one or an older one.
    fn covers(&self, observed: &Observed<OrderState>) -> bool {
        let same = self.run_id.as_ref().is_none_or(|run_id| *run_id == observed.run.first_run_id);
        same && observed.state.version <= self.version
    }
}

/// Reports whether no other state follows.
fn is_final(observed: &Observed<OrderState>) -> bool {
    observed.is_closed() || observed.state.status.is_final()
}

enum Next {
    /// Sends a state to the client if it is new.
    Look(Box<Observed<OrderState>>),
    Wait,
    End,
}

#[expect(clippy::disallowed_methods, reason = "waits between two polls of an order")]
fn states(
    orders: Orders,
    id: WorkflowId,
    first: Observed<OrderState>,
    seen: Option<Seen>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold((Next::Look(Box::new(first)), seen), move |(mut next, mut seen)| {
        let (orders, id) = (orders.clone(), id.clone());
        async move {
            loop {
                next = match next {
                    Next::End => return None,
                    Next::Wait => {
                        tokio::time::sleep(POLL_INTERVAL).await;
                        match orders.look(&id).await {
                            Ok(observed) => Next::Look(Box::new(observed)),
                            // Its retention is over, so nothing follows.
                            Err(GatewayError::NotFound) => Next::End,
                            // A temporary absence of a worker or the server ends no stream.
                            Err(_) => Next::Wait,
                        }
                    }
                    Next::Look(observed) => {
                        let is_final = is_final(&observed);
                        let after = if is_final { Next::End } else { Next::Wait };
                        if !is_final && seen.as_ref().is_some_and(|seen| seen.covers(&observed)) {
                            after
                        } else {
                            seen = Some(Seen::of(&observed));
                            return event(&id, *observed).map(|event| (Ok(event), (after, seen)));
                        }
                    }
                };
            }
        }
    })
}

fn event(id: &WorkflowId, observed: Observed<OrderState>) -> Option<Event> {
    let event_id = format!("{}:{}", observed.run.first_run_id, observed.state.version);
    Event::default().event("state").id(event_id).json_data(StateBody::new(id, observed)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_is_a_run_and_a_version_or_an_older_clients_version() {
        let of = |run_id: Option<&str>, version| Seen { run_id: run_id.map(str::to_owned), version };
        assert_eq!(Seen::read("run-1:7"), Some(of(Some("run-1"), 7)));
        assert_eq!(Seen::read("7"), Some(of(None, 7)));
        for strange in ["", "run-1", "run-1:", ":", "run-1:-7", "-7", "7.5"] {
            assert_eq!(Seen::read(strange), None, "{strange}");
        }
    }
}
