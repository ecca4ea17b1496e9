//! Stops any workflow by the signal of its own kind, so that it undoes its steps. The workflow decides.
//! The checks here report at once a cancellation that certainly changes nothing.

use axum::{
    Json,
    extract::{Path, State},
};
use service_kit::{auth::Caller, json::OptionalJson, openapi::Fails, problem::Problem};
use workflows::{
    order_batch::state::{BatchState, BatchStatus},
    order_return::state::{ReturnState, ReturnStatus, ReturnStep},
    payment::state::{PaymentState, PaymentStatus},
    reconciliation::report::{ReconciliationStatus, Report},
    saga::Reason,
    subscription::state::{SubscriptionState, SubscriptionStatus},
    user_context::state::{UserContextState, UserContextStatus},
};

use super::{
    Workflows,
    handlers::workflow,
    problems::{WorkflowCode, problem},
};
use crate::{
    fields::{ReasonRequest, reason},
    gateway::{Flow, FlowGateway, GatewayError, Kind, Observed, WorkflowId},
    order::{Accepted, ReasonBody},
};

/// Cancels the workflow: an order until its label exists, a payment until its window closes, a user context
/// until it has ended.
#[utoipa::path(
    post,
    path = "/api/v1/workflows/{workflowId}/cancel",
    tag = "workflows",
    params(("workflowId" = String, Path, example = "payment-order-1001")),
    request_body(content = Option<ReasonBody>),
    responses((status = 200, body = Accepted), Fails<404>, Fails<409>)
)]
pub(super) async fn cancel_workflow(
    State(workflows): State<Workflows>,
    Path(id): Path<String>,
    caller: Caller,
    OptionalJson(body): OptionalJson<ReasonRequest>,
) -> Result<Json<Accepted>, Problem> {
    let (id, reason) = (workflow(&id)?, reason(body, &caller));
    match id.kind() {
        Kind::Order => workflows.orders.cancel(&id, reason).await,
        Kind::Payment => stop(&*workflows.payments.gateway, &id, reason).await,
        Kind::UserContext => stop(&*workflows.user_contexts.gateway, &id, reason).await,
        Kind::Subscription => stop(&*workflows.subscriptions.gateway, &id, reason).await,
        Kind::Batch => stop(&*workflows.batches.gateway, &id, reason).await,
        Kind::Return => stop(&*workflows.returns.gateway, &id, reason).await,
        Kind::Reconciliation => stop(&*workflows.reconciliations.gateway, &id, reason).await,
    }
}

/// Describes a state that says whether a cancellation counts.
trait Stoppable {
    /// Reports whether somebody cancelled it in time.
    fn is_cancelled(&self) -> bool;
    /// Returns the reason if a cancellation changes nothing; `None` while it counts.
    fn refusal(&self) -> Option<Problem>;
}

impl Stoppable for PaymentState {
    fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    fn refusal(&self) -> Option<Problem> {
        let ends = matches!(self.status, PaymentStatus::Compensated | PaymentStatus::Failed);
        match self {
            _ if self.cancelled && !ends => Some(cancelling()),
            _ if self.cancellable => None,
            _ => Some(closed(&format!("the payment is {}", self.status.name()))),
        }
    }
}

impl Stoppable for SubscriptionState {
    fn is_cancelled(&self) -> bool {
        self.cancelling || self.status == SubscriptionStatus::Cancelled
    }

    fn refusal(&self) -> Option<Problem> {
        match self.status {
            _ if self.cancelling && !self.status.is_final() => Some(cancelling()),
            ended if ended.is_final() => Some(closed(&format!("the subscription is {}", ended.name()))),
            _ => None,
        }
    }
}

impl Stoppable for BatchState {
    fn is_cancelled(&self) -> bool {
        matches!(self.status, BatchStatus::Cancelling | BatchStatus::Cancelled)
    }

    fn refusal(&self) -> Option<Problem> {
        match self.status {
            BatchStatus::Cancelling => Some(cancelling()),
            ended if ended.is_final() => Some(closed(&format!("the batch is {}", ended.name()))),
            _ => None,
        }
    }
}

impl Stoppable for ReturnState {
    fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    fn refusal(&self) -> Option<Problem> {
        match self.step {
            _ if matches!(self.status, ReturnStatus::Cancelled | ReturnStatus::Failed) => {
                Some(closed(&format!("the return is {}", self.status.name())))
            }
            _ if self.cancelled => Some(cancelling()),
            ReturnStep::CreatingReturnLabel if self.status == ReturnStatus::Processing => None,
            step => Some(closed(&format!("the return can't be cancelled any more, it is {}", step.name()))),
        }
    }
}

impl Stoppable for Report {
    fn is_cancelled(&self) -> bool {
        self.cancelling
    }

    fn refusal(&self) -> Option<Problem> {
        match self.status {
            ReconciliationStatus::Running => self.cancelling.then(cancelling),
            ended => Some(closed(&format!("the reconciliation is {}", ended.name()))),
        }
    }
}

impl Stoppable for UserContextState {
    fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    fn refusal(&self) -> Option<Problem> {
        match self.status {
            UserContextStatus::Running => self.cancelled.then(cancelling),
            ended => Some(closed(&format!("the user context is {}", ended.name()))),
        }
    }
}

async fn stop<F: Flow<State: Stoppable>>(
    gateway: &dyn FlowGateway<F>,
    id: &WorkflowId,
    reason: Reason,
) -> Result<Json<Accepted>, Problem> {
    let to_problem = |error| problem(id.as_str(), error);
    if let Some(refusal) = refusal(&gateway.state(id).await.map_err(to_problem)?) {
        return Err(refusal);
    }
    match gateway.cancel(id, reason).await {
        // A workflow that ended in between is closed, not unknown.
        Ok(()) | Err(GatewayError::NotFound) => {}
        Err(error) => return Err(to_problem(error)),
    }
    let seen = gateway.state(id).await.map_err(to_problem)?;
    if seen.outside.is_none() && seen.state.is_cancelled() {
        tracing::info!(workflow_id = id.as_str(), "workflow cancelled");
        let workflow_id = id.as_str().to_owned();
        return Ok(Json(Accepted { success: true, message: "the workflow is being cancelled", workflow_id }));
    }
    Err(refusal(&seen).unwrap_or_else(|| closed("the workflow has ended")))
}

/// Returns the reason if a cancellation changes nothing; `None` while it counts.
fn refusal<S: Stoppable>(seen: &Observed<S>) -> Option<Problem> {
    match seen.outside {
        Some(outside) => Some(closed(&format!("the workflow is {}", outside.name()))),
        None => seen.state.refusal(),
    }
}

fn cancelling() -> Problem {
    Problem::new(WorkflowCode::AlreadyCancelling, "the workflow is being cancelled")
}

fn closed(detail: &str) -> Problem {
    Problem::new(WorkflowCode::AlreadyClosed, detail)
}
