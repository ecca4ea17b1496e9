//! Handles the requests to the order endpoints.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::IntoResponse,
};
use service_kit::{
    auth::{Caller, roles::READERS},
    correlation::CorrelationId,
    json::ValidJson,
    openapi::Fails,
    problem::Problem,
};

use super::{
    Orders,
    dto::{OrderBody, Placed, ProgressBody, ResultQuery, StateBody},
    problems::{not_found, problem},
    request::OrderRequest,
};
use crate::{
    gateway::{Awaited, Begun, Kind, WorkflowId},
    idempotency::{Claim, IdempotencyKey},
    waiting::Place,
};

/// Limits a caller's wait for the end of a workflow.
pub const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// Places an order: starts its workflow, `order-fulfillment-{orderId}`.
#[utoipa::path(
    post,
    path = "/api/v1/order",
    tag = "orders",
    params(("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this request, 1 to 255 visible ASCII characters. Sent again with the same body it gets the first answer again, marked by `Idempotent-Replayed: true`.")),
    request_body = OrderBody,
    responses(
        (status = 201, description = "The order is on its way.", body = Placed,
            headers(("Idempotent-Replayed" = String, description = "`true` where this is the first answer again."))),
        (status = 200, description = "The same order was placed before and runs; `alreadyPlaced` is true.", body = Placed),
        (status = 409, description = "`order_already_exists`: it runs already or has shipped; one that failed may be placed again. \
            `idempotency_key_reused`: the key came with another body before.",
            body = service_kit::problem::ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn place(
    State(orders): State<Orders>,
    correlation: CorrelationId,
    IdempotencyKey(key): IdempotencyKey,
    caller: Caller,
    body: ValidJson<OrderRequest>,
) -> Result<impl IntoResponse, Problem> {
    body.value.check_customer(&caller)?;
    let claim = Claim { key, fingerprint: body.value.fingerprint() };
    let input = body.value.into_input(correlation.to_string(), orders.timing);
    let (order_id, requires_approval) = (input.order_id.clone(), input.requires_approval);
    let begun = orders
        .gateway
        .start(input, &claim, &correlation)
        .await
        .map_err(|error| problem(&WorkflowId::of_order(&order_id), error))?;
    if let Begun::Started(started) = &begun {
        tracing::info!(order_id, run_id = started.run_id, requires_approval, "order placed");
    }
    Ok(Placed::answer(begun, order_id, requires_approval))
}

/// Returns the order's state.
#[utoipa::path(
    get,
    path = "/api/v1/order/{workflowId}/status",
    tag = "orders",
    params(("workflowId" = String, Path, example = "order-fulfillment-order-1001")),
    responses((status = 200, body = StateBody), Fails<404>)
)]
pub(super) async fn order_status(
    State(orders): State<Orders>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<StateBody>, Problem> {
    let id = order(&id)?;
    orders.check_owner(&caller, READERS, &id).await?;
    let state = orders.observed(&id).await?;
    Ok(Json(StateBody::new(&id, state)))
}

/// Returns the progress of the order.
#[utoipa::path(
    get,
    path = "/api/v1/order/{workflowId}/progress",
    tag = "orders",
    params(("workflowId" = String, Path, example = "order-fulfillment-order-1001")),
    responses((status = 200, body = ProgressBody), Fails<404>)
)]
pub(super) async fn order_progress(
    State(orders): State<Orders>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<ProgressBody>, Problem> {
    let id = order(&id)?;
    orders.check_owner(&caller, READERS, &id).await?;
    let state = orders.observed(&id).await?.state;
    Ok(Json(ProgressBody::new(&id, state.progress)))
}

/// Waits for the order's end.
#[utoipa::path(
    get,
    path = "/api/v1/order/{workflowId}/result",
    tag = "orders",
    params(("workflowId" = String, Path, example = "order-fulfillment-order-1001"), ResultQuery),
    responses(
        (status = 200, description = "The final state; `success` says whether it shipped.", body = StateBody),
        (status = 202, description = "It still runs; the current state, without `success`.", body = StateBody),
        Fails<404>, Fails<503>,
    )
)]
pub(super) async fn order_result(
    State(orders): State<Orders>,
    Path(id): Path<String>,
    caller: Caller,
    Query(query): Query<ResultQuery>,
    place: Place,
) -> Result<(StatusCode, Json<StateBody>), Problem> {
    let id = order(&id)?;
    orders.check_owner(&caller, READERS, &id).await?;
    query.wait_for()?;
    let at_most = Duration::from_secs(query.timeout).min(LONGEST_WAIT);
    let awaited = place.unless_stopping(orders.wait(&id, at_most)).await;
    match awaited.unwrap_or(Ok(Awaited::StillRunning)).map_err(|error| problem(&id, error))? {
        Awaited::Ended(state) => Ok((StatusCode::OK, Json(StateBody::of_result(&id, *state)))),
        Awaited::StillRunning => {
            let state = orders.observed(&id).await?;
            Ok((StatusCode::ACCEPTED, Json(StateBody::of_now(&id, state))))
        }
    }
}

/// Returns the workflow id of an order in a path.
///
/// # Errors
/// Fails if no order can have this id.
pub fn order(id: &str) -> Result<WorkflowId, Problem> {
    WorkflowId::parse(id).filter(|id| id.kind() == Kind::Order).ok_or_else(|| not_found(id))
}
