//! Handles the requests that read any workflow, or wait for it.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use service_kit::{openapi::Fails, problem::Problem};

use super::{
    Workflows,
    dto::{HistoryBody, HistoryQuery, ListQuery, WorkflowBody, WorkflowProgressBody, WorkflowsBody},
    problems::{invalid_query, not_found, problem},
};
use crate::{
    batch::BatchBody,
    fields::{given, limit, page},
    gateway::{GatewayError, Kind, WorkflowId},
    order::{LONGEST_WAIT, ProgressBody, ResultQuery, StateBody, WaitFor, list_problem},
    order_return::ReturnBody,
    payment::PaymentBody,
    reconciliation::ReportBody,
    subscription::SubscriptionBody,
    user_context::{ContextProgressBody, UserContextBody},
    waiting::Place,
};

const MAX_LIMIT: u16 = 1000;

/// Returns the workflow's state.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{workflowId}/status",
    tag = "workflows",
    params(("workflowId" = String, Path, example = "payment-order-1001")),
    responses((status = 200, body = WorkflowBody), Fails<404>)
)]
pub(super) async fn workflow_status(
    State(workflows): State<Workflows>,
    Path(id): Path<String>,
) -> Result<Json<WorkflowBody>, Problem> {
    let id = workflow(&id)?;
    workflows.state(&id).await.map(Json).map_err(|error| problem(id.as_str(), error))
}

/// Returns the progress of the workflow.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{workflowId}/progress",
    tag = "workflows",
    params(("workflowId" = String, Path, example = "payment-order-1001")),
    responses((status = 200, body = WorkflowProgressBody), Fails<404>)
)]
pub(super) async fn workflow_progress(
    State(workflows): State<Workflows>,
    Path(id): Path<String>,
) -> Result<Json<WorkflowProgressBody>, Problem> {
    let id = workflow(&id)?;
    workflows.progress(&id).await.map(Json).map_err(|error| problem(id.as_str(), error))
}

/// Waits for the workflow's end; for a payment's charge, unless `wait=close`.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{workflowId}/result",
    tag = "workflows",
    params(("workflowId" = String, Path, example = "payment-order-1001"), ResultQuery),
    responses(
        (status = 200, description = "The final state, or that of a payment which is charged; `success` says whether it came to what was wanted.", body = WorkflowBody),
        (status = 202, description = "It still runs; the current state, without `success`.", body = WorkflowBody),
        Fails<404>, Fails<503>,
    )
)]
pub(super) async fn workflow_result(
    State(workflows): State<Workflows>,
    Path(id): Path<String>,
    Query(query): Query<ResultQuery>,
    place: Place,
) -> Result<(StatusCode, Json<WorkflowBody>), Problem> {
    let id = workflow(&id)?;
    let wait_for = query.wait_for()?;
    let at_most = Duration::from_secs(query.timeout).min(LONGEST_WAIT);
    let awaited = place.unless_stopping(workflows.wait(&id, at_most, wait_for)).await;
    let answer = match awaited.unwrap_or(Ok(None)) {
        Ok(Some(body)) => Ok((StatusCode::OK, Json(body))),
        Ok(None) => workflows.now(&id).await.map(|body| (StatusCode::ACCEPTED, Json(body))),
        Err(error) => Err(error),
    };
    answer.map_err(|error| problem(id.as_str(), error))
}

/// Returns the events of the workflow's last run.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{workflowId}/history",
    tag = "workflows",
    params(("workflowId" = String, Path, example = "payment-order-1001"), HistoryQuery),
    responses((status = 200, body = HistoryBody), Fails<404>)
)]
pub(super) async fn history(
    State(workflows): State<Workflows>,
    Path(id): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<HistoryBody>, Problem> {
    let id = workflow(&id)?;
    let limit = given(query.limit.as_deref()).map_or(Ok(MAX_LIMIT), |text| {
        text.parse()
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .ok_or_else(|| invalid_query("limit", format_args!("must be a number from 1 to {MAX_LIMIT}")))
    })?;
    let page = page(query.page_token.as_deref())?;
    let page = workflows.history.history(&id, limit, page).await;
    page.map(|page| Json(HistoryBody::new(&id, page))).map_err(|error| problem(id.as_str(), error))
}

/// Lists the workflows of a kind: those that run, then those that ended, the last first.
#[utoipa::path(
    get,
    path = "/api/v1/workflows",
    tag = "workflows",
    params(ListQuery),
    responses((status = 200, body = WorkflowsBody))
)]
pub(super) async fn list_workflows(
    State(workflows): State<Workflows>,
    Query(query): Query<ListQuery>,
) -> Result<Json<WorkflowsBody>, Problem> {
    let named = given(query.kind.as_deref());
    let kind = Kind::ALL.into_iter().find(|kind| named == Some(kind.plural())).ok_or_else(|| {
        invalid_query("kind", format_args!("must be one of {}", Kind::ALL.map(Kind::plural).join(", ")))
    })?;
    let (limit, page) = (limit(query.limit.as_deref())?, page(query.page_token.as_deref())?);
    let page = workflows.history.list(kind, limit, page).await.map_err(list_problem)?;
    Ok(Json(WorkflowsBody::new(page)))
}

pub(super) fn workflow(id: &str) -> Result<WorkflowId, Problem> {
    WorkflowId::parse(id).ok_or_else(|| not_found(id))
}

impl Workflows {
    async fn state(&self, id: &WorkflowId) -> Result<WorkflowBody, GatewayError> {
        Ok(match id.kind() {
            Kind::Order => WorkflowBody::Order(StateBody::new(id, self.orders.look(id).await?)),
            Kind::Payment => {
                WorkflowBody::Payment(PaymentBody::new(id, self.payments.gateway.state(id).await?))
            }
            Kind::UserContext => WorkflowBody::UserContext(UserContextBody::new(
                id,
                self.user_contexts.gateway.state(id).await?,
            )),
            Kind::Subscription => {
                let seen = self.subscriptions.gateway.state(id).await?;
                WorkflowBody::Subscription(Box::new(SubscriptionBody::new(id, seen)))
            }
            Kind::Reconciliation => {
                let seen = self.reconciliations.gateway.state(id).await?;
                WorkflowBody::Reconciliation(Box::new(ReportBody::new(id, seen)))
            }
            Kind::Batch => {
                let seen = self.batches.gateway.state(id).await?;
                WorkflowBody::Batch(Box::new(BatchBody::new(id, seen)))
            }
            Kind::Return => {
                let seen = self.returns.gateway.state(id).await?;
                WorkflowBody::Return(Box::new(ReturnBody::new(id, seen)))
            }
        })
    }

    /// Returns the state of a workflow whose result is not available yet.
    async fn now(&self, id: &WorkflowId) -> Result<WorkflowBody, GatewayError> {
        Ok(match id.kind() {
            Kind::Order => WorkflowBody::Order(StateBody::of_now(id, self.orders.look(id).await?)),
            Kind::Payment => {
                WorkflowBody::Payment(PaymentBody::of_now(id, self.payments.gateway.state(id).await?))
            }
            Kind::UserContext => WorkflowBody::UserContext(UserContextBody::of_now(
                id,
                self.user_contexts.gateway.state(id).await?,
            )),
            Kind::Subscription => {
                let seen = self.subscriptions.gateway.state(id).await?;
                WorkflowBody::Subscription(Box::new(SubscriptionBody::of_now(id, seen)))
            }
            Kind::Reconciliation => {
                let seen = self.reconciliations.gateway.state(id).await?;
                WorkflowBody::Reconciliation(Box::new(ReportBody::of_now(id, seen)))
            }
            Kind::Batch => {
                let seen = self.batches.gateway.state(id).await?;
                WorkflowBody::Batch(Box::new(BatchBody::of_now(id, seen)))
            }
            Kind::Return => {
                let seen = self.returns.gateway.state(id).await?;
                WorkflowBody::Return(Box::new(ReturnBody::of_now(id, seen)))
            }
        })
    }

    async fn progress(&self, id: &WorkflowId) -> Result<WorkflowProgressBody, GatewayError> {
        Ok(match id.kind() {
            Kind::Order => {
                let progress = self.orders.look(id).await?.state.progress;
                WorkflowProgressBody::Order(ProgressBody::new(id, progress))
            }
            Kind::Payment => {
                let seen = self.payments.gateway.state(id).await?;
                WorkflowProgressBody::Payment(Box::new(PaymentBody::new(id, seen)))
            }
            Kind::UserContext => {
                let seen = self.user_contexts.gateway.state(id).await?;
                WorkflowProgressBody::UserContext(ContextProgressBody::new(id, &seen))
            }
            Kind::Subscription => {
                let seen = self.subscriptions.gateway.state(id).await?;
                WorkflowProgressBody::Subscription(Box::new(SubscriptionBody::new(id, seen)))
            }
            Kind::Reconciliation => {
                let seen = self.reconciliations.gateway.state(id).await?;
                WorkflowProgressBody::Reconciliation(Box::new(ReportBody::new(id, seen)))
            }
            Kind::Batch => {
                let seen = self.batches.gateway.state(id).await?;
                WorkflowProgressBody::Batch(Box::new(BatchBody::new(id, seen)))
            }
            Kind::Return => {
                let seen = self.returns.gateway.state(id).await?;
                WorkflowProgressBody::Return(Box::new(ReturnBody::new(id, seen)))
            }
        })
    }

    /// Returns the result; `None` if it is not available in time.
    async fn wait(
        &self,
        id: &WorkflowId,
        at_most: Duration,
        wait_for: WaitFor,
    ) -> Result<Option<WorkflowBody>, GatewayError> {
        Ok(match id.kind() {
            Kind::Order => {
                let awaited = self.orders.wait(id, at_most).await?;
                awaited.map(|seen| WorkflowBody::Order(StateBody::of_result(id, seen)))
            }
            Kind::Payment => {
                let awaited = match wait_for {
                    WaitFor::Answer => self.payments.charged(id, at_most).await?,
                    WaitFor::Close => self.payments.gateway.wait(id, at_most).await?,
                };
                awaited.map(|seen| WorkflowBody::Payment(PaymentBody::of_result(id, seen)))
            }
            Kind::UserContext => {
                let awaited = self.user_contexts.gateway.wait(id, at_most).await?;
                awaited.map(|seen| WorkflowBody::UserContext(UserContextBody::of_result(id, seen)))
            }
            Kind::Subscription => {
                let awaited = self.subscriptions.gateway.wait(id, at_most).await?;
                awaited
                    .map(|seen| WorkflowBody::Subscription(Box::new(SubscriptionBody::of_result(id, seen))))
            }
            Kind::Reconciliation => {
                let awaited = self.reconciliations.gateway.wait(id, at_most).await?;
                awaited.map(|seen| WorkflowBody::Reconciliation(Box::new(ReportBody::of_result(id, seen))))
            }
            Kind::Batch => {
                let awaited = self.batches.gateway.wait(id, at_most).await?;
                awaited.map(|seen| WorkflowBody::Batch(Box::new(BatchBody::of_result(id, seen))))
            }
            Kind::Return => {
                let awaited = self.returns.gateway.wait(id, at_most).await?;
                awaited.map(|seen| WorkflowBody::Return(Box::new(ReturnBody::of_result(id, seen))))
            }
        })
    }
}
