//! Looking at any workflow, and waiting for it.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use service_kit::{openapi::Fails, problem::Problem};

use super::{
    Workflows,
    dto::{HistoryBody, HistoryQuery, WorkflowBody, WorkflowProgressBody},
    problems::{invalid_query, not_found, problem},
};
use crate::{
    fields::{given, page},
    gateway::{Awaited, GatewayError, Kind, WorkflowId},
    order::{LONGEST_WAIT, ProgressBody, ResultQuery, StateBody},
    payment::PaymentBody,
    user_context::UserContextBody,
};

const MAX_LIMIT: u16 = 1000;

/// The workflow's state.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{workflowId}/status",
    tag = "workflows",
    params(("workflowId" = String, Path, example = "payment-order-1001")),
    responses((status = 200, body = WorkflowBody), Fails<404>)
)]
pub(super) async fn status(
    State(workflows): State<Workflows>,
    Path(id): Path<String>,
) -> Result<Json<WorkflowBody>, Problem> {
    let id = workflow(&id)?;
    workflows.state(&id).await.map(Json).map_err(|error| problem(id.as_str(), error))
}

/// How far the workflow is.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{workflowId}/progress",
    tag = "workflows",
    params(("workflowId" = String, Path, example = "payment-order-1001")),
    responses((status = 200, body = WorkflowProgressBody), Fails<404>)
)]
pub(super) async fn progress(
    State(workflows): State<Workflows>,
    Path(id): Path<String>,
) -> Result<Json<WorkflowProgressBody>, Problem> {
    let id = workflow(&id)?;
    workflows.progress(&id).await.map(Json).map_err(|error| problem(id.as_str(), error))
}

/// Waits for the workflow's end.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{workflowId}/result",
    tag = "workflows",
    params(("workflowId" = String, Path, example = "payment-order-1001"), ResultQuery),
    responses(
        (status = 200, description = "The final state; `success` says whether it came to what was wanted.", body = WorkflowBody),
        (status = 202, description = "It still runs; the current state.", body = WorkflowBody),
        Fails<404>, Fails<503>,
    )
)]
pub(super) async fn result(
    State(workflows): State<Workflows>,
    Path(id): Path<String>,
    Query(query): Query<ResultQuery>,
) -> Result<(StatusCode, Json<WorkflowBody>), Problem> {
    let id = workflow(&id)?;
    let at_most = Duration::from_secs(query.timeout).min(LONGEST_WAIT);
    let answer = match workflows.wait(&id, at_most).await {
        Ok(Awaited::Ended(body)) => Ok((StatusCode::OK, Json(*body))),
        Ok(Awaited::StillRunning) => {
            workflows.state(&id).await.map(|body| (StatusCode::ACCEPTED, Json(body)))
        }
        Err(error) => Err(error),
    };
    answer.map_err(|error| problem(id.as_str(), error))
}

/// What happened in the workflow's last run.
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
        })
    }

    async fn progress(&self, id: &WorkflowId) -> Result<WorkflowProgressBody, GatewayError> {
        Ok(match id.kind() {
            Kind::Order => {
                let progress = self.orders.look(id).await?.progress;
                WorkflowProgressBody::Order(ProgressBody { success: true, progress })
            }
            Kind::Payment => {
                let state = self.payments.gateway.state(id).await?;
                WorkflowProgressBody::Payment(Box::new(PaymentBody::new(id, state)))
            }
            Kind::UserContext => {
                let state = self.user_contexts.gateway.state(id).await?;
                WorkflowProgressBody::UserContext(state.progress().into())
            }
        })
    }

    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited<WorkflowBody>, GatewayError> {
        Ok(match id.kind() {
            Kind::Order => self
                .orders
                .wait(id, at_most)
                .await?
                .map(|state| WorkflowBody::Order(StateBody::of_result(id, state))),
            Kind::Payment => self
                .payments
                .gateway
                .wait(id, at_most)
                .await?
                .map(|state| WorkflowBody::Payment(PaymentBody::of_result(id, state))),
            Kind::UserContext => self
                .user_contexts
                .gateway
                .wait(id, at_most)
                .await?
                .map(|state| WorkflowBody::UserContext(UserContextBody::of_result(id, state))),
        })
    }
}
