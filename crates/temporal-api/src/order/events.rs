//! An order's states as they change, as server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::{
        IntoResponse, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::{Stream, stream};
use service_kit::{
    openapi::{Fails, ServerSentEvent},
    problem::Problem,
};
use workflows::order_fulfillment::progress::OrderState;

use super::{Orders, dto::StateBody, handlers::order};
use crate::gateway::WorkflowId;

/// Between two looks at a running order.
const LOOK: Duration = Duration::from_millis(500);

/// The order's state, each time it changes, then its final one.
#[utoipa::path(
    get,
    path = "/api/v1/order/{workflowId}/events",
    tag = "orders",
    params(
        ("workflowId" = String, Path, example = "order-fulfillment-order-1001"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The last version seen; older states are left out."),
    ),
    responses((status = 200, description = "Events `state`, each with a `StateBody`; their ids are the state's versions.",
        content_type = "text/event-stream", body = ServerSentEvent), Fails<404>, Fails<503>)
)]
pub(super) async fn events(
    State(orders): State<Orders>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let id = order(&id)?;
    let first = orders.state(&id).await?;
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(10));
    Ok(Sse::new(states(orders, id, first, seen)).keep_alive(keep_alive))
}

enum Next {
    /// A state to look at.
    Look(Box<OrderState>),
    Wait,
    End,
}

#[expect(clippy::disallowed_methods, reason = "waits between two polls of an order")]
fn states(
    orders: Orders,
    id: WorkflowId,
    first: OrderState,
    seen: Option<u64>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold((Next::Look(Box::new(first)), seen), move |(mut next, mut seen)| {
        let (orders, id) = (orders.clone(), id.clone());
        async move {
            loop {
                next = match next {
                    Next::End => return None,
                    Next::Wait => {
                        tokio::time::sleep(LOOK).await;
                        // A worker or server that is away for a while ends no stream.
                        orders
                            .gateway
                            .state(&id)
                            .await
                            .map_or(Next::Wait, |state| Next::Look(Box::new(state)))
                    }
                    Next::Look(state) => {
                        let is_final = state.status.is_final();
                        let after = if is_final { Next::End } else { Next::Wait };
                        if !is_final && seen.is_some_and(|seen| state.version <= seen) {
                            after
                        } else {
                            seen = Some(state.version);
                            return event(&id, *state).map(|event| (Ok(event), (after, seen)));
                        }
                    }
                };
            }
        }
    })
}

fn event(id: &WorkflowId, state: OrderState) -> Option<Event> {
    let version = state.version.to_string();
    Event::default().event("state").id(version).json_data(StateBody::new(id, state)).ok()
}
