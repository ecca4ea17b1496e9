//! The order endpoints.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{StatusCode, header::LOCATION},
    response::IntoResponse,
};
use service_kit::{correlation::CorrelationId, json::ValidJson, openapi::Fails, problem::Problem};

use super::{
    Orders,
    dto::{OrderBody, Placed, ProgressBody, ResultQuery, StateBody},
    problems::{not_found, problem},
    request::OrderRequest,
};
use crate::gateway::{Awaited, Kind, WorkflowId};

/// However long a caller wants to wait for a workflow's end.
pub const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// Places an order: starts its workflow, `order-fulfillment-{orderId}`.
#[utoipa::path(
    post,
    path = "/api/v1/order",
    tag = "orders",
    request_body = OrderBody,
    responses(
        (status = 201, description = "The order is on its way.", body = Placed),
        (status = 409, description = "`order_already_exists`: it runs already or has shipped; one that failed may be placed again.",
            body = service_kit::problem::ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn place(
    State(orders): State<Orders>,
    correlation: CorrelationId,
    body: ValidJson<OrderRequest>,
) -> Result<impl IntoResponse, Problem> {
    let input = body.value.into_input(correlation.to_string(), orders.timing);
    let (order_id, requires_approval) = (input.order_id.clone(), input.requires_approval);
    let started = orders
        .gateway
        .start(input, &correlation)
        .await
        .map_err(|error| problem(&WorkflowId::of_order(&order_id), error))?;
    tracing::info!(order_id, run_id = started.run_id, requires_approval, "order placed");
    let location = format!("/api/v1/order/{}/status", started.workflow_id.as_str());
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(Placed::new(started, order_id, requires_approval))))
}

/// The order's state.
#[utoipa::path(
    get,
    path = "/api/v1/order/{workflowId}/status",
    tag = "orders",
    params(("workflowId" = String, Path, example = "order-fulfillment-order-1001")),
    responses((status = 200, body = StateBody), Fails<404>)
)]
pub(super) async fn status(
    State(orders): State<Orders>,
    Path(id): Path<String>,
) -> Result<Json<StateBody>, Problem> {
    let id = order(&id)?;
    let state = orders.state(&id).await?;
    Ok(Json(StateBody::new(&id, state)))
}

/// How far the order is.
#[utoipa::path(
    get,
    path = "/api/v1/order/{workflowId}/progress",
    tag = "orders",
    params(("workflowId" = String, Path, example = "order-fulfillment-order-1001")),
    responses((status = 200, body = ProgressBody), Fails<404>)
)]
pub(super) async fn progress(
    State(orders): State<Orders>,
    Path(id): Path<String>,
) -> Result<Json<ProgressBody>, Problem> {
    let id = order(&id)?;
    let state = orders.state(&id).await?;
    Ok(Json(ProgressBody { success: true, progress: state.progress }))
}

/// Waits for the order's end.
#[utoipa::path(
    get,
    path = "/api/v1/order/{workflowId}/result",
    tag = "orders",
    params(("workflowId" = String, Path, example = "order-fulfillment-order-1001"), ResultQuery),
    responses(
        (status = 200, description = "The final state; `success` says whether it shipped.", body = StateBody),
        (status = 202, description = "It still runs; the current state.", body = StateBody),
        Fails<404>, Fails<503>,
    )
)]
pub(super) async fn result(
    State(orders): State<Orders>,
    Path(id): Path<String>,
    Query(query): Query<ResultQuery>,
) -> Result<(StatusCode, Json<StateBody>), Problem> {
    let id = order(&id)?;
    let at_most = Duration::from_secs(query.timeout).min(LONGEST_WAIT);
    match orders.wait(&id, at_most).await.map_err(|error| problem(&id, error))? {
        Awaited::Ended(state) => Ok((StatusCode::OK, Json(StateBody::of_result(&id, *state)))),
        Awaited::StillRunning => {
            let state = orders.state(&id).await?;
            Ok((StatusCode::ACCEPTED, Json(StateBody::new(&id, state))))
        }
    }
}

pub(super) fn order(id: &str) -> Result<WorkflowId, Problem> {
    WorkflowId::parse(id).filter(|id| id.kind() == Kind::Order).ok_or_else(|| not_found(id))
}
