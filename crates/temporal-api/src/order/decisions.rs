//! Sends decisions to a running order. The order itself decides, and the first decision wins. The
//! checks here report at once a decision that certainly changes nothing.

use axum::{
    Json,
    extract::{Path, State},
};
use service_kit::{
    json::{OptionalJson, ValidJson},
    openapi::Fails,
    problem::Problem,
};
use workflows::{
    order_fulfillment::state::{Decision, OrderState, OrderStatus},
    saga::{Compensation, CompensationStatus, Reason, Resolution},
};

use super::{
    Orders,
    dto::{Accepted, ReasonBody, ResolutionBody},
    handlers::order,
    problems::{OrderCode, problem},
    request::ResolutionRequest,
};
use crate::{
    fields::{ReasonRequest, reason},
    gateway::{GatewayError, OrderSignal, WorkflowId},
};

/// Approves an order that waits for it, or will.
#[utoipa::path(
    post,
    path = "/api/v1/order/{workflowId}/approve",
    tag = "orders",
    params(("workflowId" = String, Path, example = "order-fulfillment-order-1001")),
    responses((status = 200, body = Accepted), Fails<404>, Fails<409>)
)]
pub(super) async fn approve(
    State(orders): State<Orders>,
    Path(id): Path<String>,
) -> Result<Json<Accepted>, Problem> {
    orders.decide(&id, OrderSignal::Approve, Decision::Approved, "the order is approved").await
}

/// Rejects an order that waits for approval, or will.
#[utoipa::path(
    post,
    path = "/api/v1/order/{workflowId}/reject",
    tag = "orders",
    params(("workflowId" = String, Path, example = "order-fulfillment-order-1001")),
    request_body(content = Option<ReasonBody>),
    responses((status = 200, body = Accepted), Fails<404>, Fails<409>)
)]
pub(super) async fn reject(
    State(orders): State<Orders>,
    Path(id): Path<String>,
    OptionalJson(body): OptionalJson<ReasonRequest>,
) -> Result<Json<Accepted>, Problem> {
    let signal = OrderSignal::Reject(reason(body));
    orders.decide(&id, signal, Decision::Rejected, "the order is rejected").await
}

/// Cancels an order; works until its shipping label exists.
#[utoipa::path(
    post,
    path = "/api/v1/order/{workflowId}/cancel",
    tag = "orders",
    params(("workflowId" = String, Path, example = "order-fulfillment-order-1001")),
    request_body(content = Option<ReasonBody>),
    responses((status = 200, body = Accepted), Fails<404>, Fails<409>)
)]
pub(super) async fn cancel(
    State(orders): State<Orders>,
    Path(id): Path<String>,
    OptionalJson(body): OptionalJson<ReasonRequest>,
) -> Result<Json<Accepted>, Problem> {
    orders.cancel(&order(&id)?, reason(body)).await
}

/// Tries undos again at once: the one that waits for its next attempt, or those that failed.
#[utoipa::path(
    post,
    path = "/api/v1/order/{workflowId}/retry-compensation",
    tag = "orders",
    params(("workflowId" = String, Path, example = "order-fulfillment-order-1001")),
    responses((status = 200, body = Accepted), Fails<404>, Fails<409>)
)]
pub(super) async fn retry_compensation(
    State(orders): State<Orders>,
    Path(id): Path<String>,
) -> Result<Json<Accepted>, Problem> {
    let id = order(&id)?;
    let state = orders.state(&id).await?;
    if !waits(&state) {
        return Err(nothing_to_compensate("no undo of this order is waiting"));
    }
    orders.tell(&id, OrderSignal::RetryCompensation).await?;
    Ok(accepted(&id, "what waited to be undone is tried again"))
}

/// Records that somebody undid a step by hand; who and how stays in the order's history.
#[utoipa::path(
    post,
    path = "/api/v1/order/{workflowId}/resolve-compensation",
    tag = "orders",
    params(("workflowId" = String, Path, example = "order-fulfillment-order-1001")),
    request_body = ResolutionBody,
    responses((status = 200, body = Accepted), Fails<404>, Fails<409>)
)]
pub(super) async fn resolve_compensation(
    State(orders): State<Orders>,
    Path(id): Path<String>,
    body: ValidJson<ResolutionRequest>,
) -> Result<Json<Accepted>, Problem> {
    let id = order(&id)?;
    let ResolutionRequest { compensation, note, actor } = body.value;
    let state = orders.state(&id).await?;
    if let Some(refusal) = cannot_resolve(&state, compensation) {
        return Err(refusal);
    }
    let resolution = Resolution { step: compensation.name().to_owned(), note, actor };
    orders.tell(&id, OrderSignal::ResolveCompensation(resolution)).await?;
    // The undo may have succeeded in between. Then the order recorded nothing.
    let state = orders.state(&id).await?;
    if status_of(&state, compensation) == Some(CompensationStatus::Resolved) {
        return Ok(accepted(&id, "the step is taken as undone"));
    }
    Err(cannot_resolve(&state, compensation).unwrap_or_else(|| closed(&state)))
}

/// Reports whether an undo waits for its next attempt, or for its next round.
fn waits(state: &OrderState) -> bool {
    match state.status {
        OrderStatus::CompensationFailed => true,
        OrderStatus::Compensating => {
            state.compensations.iter().any(|record| record.status == CompensationStatus::Waiting)
        }
        _ => false,
    }
}

fn status_of(state: &OrderState, compensation: Compensation) -> Option<CompensationStatus> {
    state.compensations.iter().find(|record| record.name == compensation).map(|record| record.status)
}

fn cannot_resolve(state: &OrderState, compensation: Compensation) -> Option<Problem> {
    let name = compensation.name();
    let detail = match status_of(state, compensation) {
        Some(status) if status.is_resolvable() && !state.status.is_final() => return None,
        Some(CompensationStatus::Completed | CompensationStatus::NothingToUndo) => {
            format!("{name} is done already")
        }
        Some(CompensationStatus::Resolved) => format!("{name} was resolved before"),
        _ => format!("{name} has not begun"),
    };
    Some(nothing_to_compensate(&detail))
}

impl Orders {
    /// Sends a signal. An order that ended in between is closed, not unknown.
    async fn tell(&self, id: &WorkflowId, signal: OrderSignal) -> Result<(), Problem> {
        match self.gateway.signal(id, signal).await {
            Ok(()) => Ok(()),
            Err(GatewayError::NotFound) => Err(closed(&self.state(id).await?)),
            Err(error) => Err(problem(id, error)),
        }
    }

    /// Cancels an order, unless it is too late.
    pub async fn cancel(&self, id: &WorkflowId, reason: Reason) -> Result<Json<Accepted>, Problem> {
        if let Some(refusal) = cannot_cancel(&self.state(id).await?) {
            return Err(refusal);
        }
        self.tell(id, OrderSignal::Cancel(reason)).await?;
        // The order may have its label by now. Then it ships, and the answer must say so.
        let state = self.state(id).await?;
        if state.cancelled {
            return Ok(accepted(id, "the order is being cancelled"));
        }
        Err(cannot_cancel(&state).unwrap_or_else(|| closed(&state)))
    }

    /// Approves or rejects an order, and checks which decision counted.
    async fn decide(
        &self,
        id: &str,
        signal: OrderSignal,
        decision: Decision,
        message: &'static str,
    ) -> Result<Json<Accepted>, Problem> {
        let id = order(id)?;
        if let Some(refusal) = cannot_decide(&self.state(&id).await?) {
            return Err(refusal);
        }
        self.tell(&id, signal).await?;
        let state = self.state(&id).await?;
        if state.decision == Some(decision) {
            return Ok(accepted(&id, message));
        }
        Err(cannot_decide(&state).unwrap_or_else(|| closed(&state)))
    }
}

fn cannot_decide(state: &OrderState) -> Option<Problem> {
    if !state.requires_approval {
        return Some(Problem::new(
            OrderCode::ApprovalNotRequired,
            "the order was placed without requiresApproval",
        ));
    }
    if state.cancelled && !state.status.is_final() {
        return Some(cancelling());
    }
    if let Some(decision) = state.decision {
        let detail = match decision {
            Decision::Approved => "the order was approved before",
            Decision::Rejected => "the order was rejected before",
            Decision::TimedOut => "nobody decided in time",
        };
        return Some(Problem::new(OrderCode::AlreadyDecided, detail));
    }
    is_over(state).then(|| closed(state))
}

fn cannot_cancel(state: &OrderState) -> Option<Problem> {
    if state.label_id.is_some() {
        return Some(Problem::new(
            OrderCode::OrderAlreadyShipped,
            "the order has its shipping label and ships",
        ));
    }
    if state.cancelled && !state.status.is_final() {
        return Some(cancelling());
    }
    is_over(state).then(|| closed(state))
}

/// Reports whether the order has ended, or certainly ends without shipping.
fn is_over(state: &OrderState) -> bool {
    state.status.is_final() || state.error.is_some()
}

fn cancelling() -> Problem {
    Problem::new(OrderCode::OrderAlreadyCancelling, "the order is being cancelled")
}

fn closed(state: &OrderState) -> Problem {
    let why = state.error.as_ref().map(|error| format!(": {}", error.message)).unwrap_or_default();
    Problem::new(OrderCode::OrderAlreadyClosed, format!("the order is {}{why}", state.status.name()))
}

fn nothing_to_compensate(detail: &str) -> Problem {
    Problem::new(OrderCode::NothingToCompensate, detail)
}

fn accepted(id: &WorkflowId, message: &'static str) -> Json<Accepted> {
    tracing::info!(workflow_id = id.as_str(), message, "order signalled");
    Json(Accepted { success: true, message, workflow_id: id.as_str().to_owned() })
}
