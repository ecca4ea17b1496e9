//! Sends decisions and changes to a running order. The order itself decides, and the first decision wins. An
//! update answers whether it counted; for a signal, the checks here find out.

use axum::{
    Json,
    extract::{Path, State},
};
use service_kit::{
    auth::{Caller, roles::OPERATORS},
    json::{OptionalJson, ValidJson},
    openapi::Fails,
    problem::{Fault, Problem},
};
use workflows::{
    order_fulfillment::{
        messages::{AddressChange, Decide, Decided},
        state::{Decision, OrderState, OrderStatus},
    },
    saga::{Compensation, CompensationStatus, Reason, Resolution},
};

use super::{
    Orders,
    address::Destination,
    dto::{Accepted, AddressBody, ReasonBody, ResolutionBody},
    handlers::order,
    problems::{OrderCode, problem},
    request::ResolutionRequest,
};
use crate::{
    fields::{ReasonRequest, reason},
    gateway::{GatewayError, OrderSignal, WorkflowId},
    idempotency::{Claim, Fingerprint, IdempotencyKey},
};

/// Approves an order that waits for it, or will.
#[utoipa::path(
    post,
    path = "/api/v1/order/{workflowId}/approve",
    tag = "orders",
    params(
        ("workflowId" = String, Path, example = "order-fulfillment-order-1001"),
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this request, 1 to 255 visible ASCII characters."),
    ),
    responses((status = 200, body = Accepted), Fails<404>, Fails<409>)
)]
pub(super) async fn approve(
    State(orders): State<Orders>,
    Path(id): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    caller: Caller,
) -> Result<Json<Accepted>, Problem> {
    let id = order(&id)?;
    let claim = Claim { key, fingerprint: Fingerprint::of("approve", &()) };
    let approve = Decide::Approve { actor: caller.subject().map(str::to_owned) };
    match orders.gateway.decide(&id, approve, &claim).await {
        Err(GatewayError::Refused(_)) => orders.decide_by_signal(&id, OrderSignal::Approve).await?,
        decided => orders.check_decided(&id, decided).await?,
    }
    Ok(accepted(&id, "the order is approved"))
}

/// Rejects an order that waits for approval, or will.
#[utoipa::path(
    post,
    path = "/api/v1/order/{workflowId}/reject",
    tag = "orders",
    params(
        ("workflowId" = String, Path, example = "order-fulfillment-order-1001"),
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this request, 1 to 255 visible ASCII characters."),
    ),
    request_body(content = Option<ReasonBody>),
    responses((status = 200, body = Accepted), Fails<404>, Fails<409>)
)]
pub(super) async fn reject(
    State(orders): State<Orders>,
    Path(id): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    caller: Caller,
    OptionalJson(body): OptionalJson<ReasonRequest>,
) -> Result<Json<Accepted>, Problem> {
    let id = order(&id)?;
    let given = reason(body, &caller);
    let claim = Claim { key, fingerprint: Fingerprint::of("reject", &given.reason) };
    let reject = Decide::Reject(given.clone());
    match orders.gateway.decide(&id, reject, &claim).await {
        Err(GatewayError::Refused(_)) => orders.decide_by_signal(&id, OrderSignal::Reject(given)).await?,
        decided => orders.check_decided(&id, decided).await?,
    }
    Ok(accepted(&id, "the order is rejected"))
}

/// Changes the destination of an order; works until its shipping label is asked for.
#[utoipa::path(
    put,
    path = "/api/v1/order/{workflowId}/shipping-address",
    tag = "orders",
    params(
        ("workflowId" = String, Path, example = "order-fulfillment-order-1001"),
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this request, 1 to 255 visible ASCII characters."),
    ),
    request_body = AddressBody,
    responses(
        (status = 200, description = "The order ships to this address.", body = Accepted),
        Fails<404>,
        (status = 409, description = "`shipping_label_requested`: the carrier has the old address. `order_already_cancelling` or \
            `order_already_closed`: the order doesn't ship.",
            body = service_kit::problem::ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn change_order_address(
    State(orders): State<Orders>,
    Path(id): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    caller: Caller,
    body: ValidJson<Destination>,
) -> Result<Json<Accepted>, Problem> {
    let id = order(&id)?;
    orders.check_owner(&caller, OPERATORS, &id).await?;
    let Destination(address) = body.value;
    let claim = Claim { key, fingerprint: Fingerprint::of("shipping-address", &address) };
    match orders.gateway.change_address(&id, address, &claim).await {
        Ok(AddressChange { changed: true }) => Ok(accepted(&id, "the order ships to the new address")),
        Ok(AddressChange { changed: false }) => Ok(accepted(&id, "the order ships to this address already")),
        Err(GatewayError::Refused(_) | GatewayError::NotFound) => {
            let state = orders.state(&id).await?;
            Err(cannot_change_address(&state).unwrap_or_else(|| closed(&state)))
        }
        Err(error) => Err(problem(&id, error)),
    }
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
pub(super) async fn cancel_order(
    State(orders): State<Orders>,
    Path(id): Path<String>,
    caller: Caller,
    OptionalJson(body): OptionalJson<ReasonRequest>,
) -> Result<Json<Accepted>, Problem> {
    let id = order(&id)?;
    orders.check_owner(&caller, OPERATORS, &id).await?;
    orders.cancel(&id, reason(body, &caller)).await
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
    orders.send_signal(&id, OrderSignal::RetryCompensation).await?;
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
    caller: Caller,
    body: ValidJson<ResolutionRequest>,
) -> Result<Json<Accepted>, Problem> {
    let id = order(&id)?;
    let ResolutionRequest { compensation, note, actor } = body.value;
    let actor = author(&caller, actor)?;
    let state = orders.state(&id).await?;
    if let Some(refusal) = cannot_resolve(&state, compensation) {
        return Err(refusal);
    }
    let resolution = Resolution { step: compensation.name().to_owned(), note, actor };
    orders.send_signal(&id, OrderSignal::ResolveCompensation(resolution)).await?;
    // The undo may have succeeded in between. Then the order recorded nothing.
    let state = orders.state(&id).await?;
    if status_of(&state, compensation) == Some(CompensationStatus::Resolved) {
        return Ok(accepted(&id, "the step is taken as undone"));
    }
    Err(cannot_resolve(&state, compensation).unwrap_or_else(|| closed(&state)))
}

/// Returns who resolved a compensation: the caller, if a token names them.
fn author(caller: &Caller, given: Option<String>) -> Result<String, Problem> {
    let fault = |message: &str| {
        Problem::invalid(vec![Fault { pointer: "/actor".to_owned(), message: message.to_owned() }])
    };
    match (caller.subject(), given) {
        (Some(subject), Some(given)) if given != subject => {
            Err(fault("must be the subject of the token, or absent"))
        }
        (Some(subject), _) => Ok(subject.to_owned()),
        (None, Some(given)) => Ok(given),
        (None, None) => Err(fault("is required")),
    }
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
    async fn send_signal(&self, id: &WorkflowId, signal: OrderSignal) -> Result<(), Problem> {
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
        self.send_signal(id, OrderSignal::Cancel(reason)).await?;
        // The order may have its label by now. Then it ships, and the answer must say so.
        let state = self.state(id).await?;
        if state.cancelled {
            return Ok(accepted(id, "the order is being cancelled"));
        }
        Err(cannot_cancel(&state).unwrap_or_else(|| closed(&state)))
    }

    /// Checks whether a decision counted.
    async fn check_decided(
        &self,
        id: &WorkflowId,
        decided: Result<Decided, GatewayError>,
    ) -> Result<(), Problem> {
        let state = match decided {
            Ok(Decided { counted: true, .. }) => return Ok(()),
            Ok(Decided { state, .. }) => state,
            Err(GatewayError::NotFound) => self.state(id).await?,
            Err(error) => return Err(problem(id, error)),
        };
        Err(cannot_decide(&state).unwrap_or_else(|| closed(&state)))
    }

    /// Sends a decision that the workflow refused as an update. It has a reason, or a worker of an older version
    /// doesn't know the update. Such a worker knows the signal.
    async fn decide_by_signal(&self, id: &WorkflowId, signal: OrderSignal) -> Result<(), Problem> {
        if let Some(refusal) = cannot_decide(&self.state(id).await?) {
            return Err(refusal);
        }
        let expected = match signal {
            OrderSignal::Approve => Decision::Approved,
            _ => Decision::Rejected,
        };
        self.send_signal(id, signal).await?;
        let state = self.state(id).await?;
        if state.decision == Some(expected) {
            return Ok(());
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

fn cannot_change_address(state: &OrderState) -> Option<Problem> {
    if state.current_step.has_asked_for_label() && state.error.is_none() {
        let detail = "the shipping label was asked for, so the carrier has the old address";
        return Some(Problem::new(OrderCode::LabelRequested, detail));
    }
    if state.cancelled && !state.status.is_final() {
        return Some(cancelling());
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
