//! Asking for user contexts; what follows is the same for every workflow.

use axum::{extract::State, response::IntoResponse};
use service_kit::{correlation::CorrelationId, json::OptionalJson, problem::Problem};

use super::{UserContexts, dto::StartUserContextBody, request::UserContextRequest};
use crate::{
    gateway::WorkflowId,
    workflow::{StartedBody, problem},
};

/// Asks for location, weather and a cat fact: starts `user-context-{userId, else correlationId}`.
#[utoipa::path(
    post,
    path = "/api/v1/workflows/user-context",
    tag = "workflows",
    request_body(content = Option<StartUserContextBody>),
    responses(
        (status = 202, description = "It is being asked for.", body = StartedBody),
        (status = 409, description = "`workflow_already_exists`: it is being asked for already.",
            body = service_kit::problem::ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn start(
    State(user_contexts): State<UserContexts>,
    correlation: CorrelationId,
    OptionalJson(body): OptionalJson<UserContextRequest>,
) -> Result<impl IntoResponse, Problem> {
    let request = body.unwrap_or_default();
    let correlation = request.correlation.clone().unwrap_or(correlation);
    let id = WorkflowId::of_user_context(&request.reference(&correlation));
    let input = request.into_input(&correlation, user_contexts.timing);
    let started = user_contexts
        .gateway
        .start(&id, input, &correlation)
        .await
        .map_err(|error| problem(id.as_str(), error))?;
    tracing::info!(
        workflow_id = id.as_str(),
        run_id = started.run_id,
        correlation_id = correlation.as_str(),
        "user context started"
    );
    Ok(StartedBody::answer(started, &correlation, "the user context is being asked for"))
}
