//! Handles the requests for user contexts. The other endpoints are the same for every workflow.

use axum::{extract::State, response::IntoResponse};
use service_kit::{correlation::CorrelationId, json::OptionalJson, problem::Problem};

use super::{UserContexts, dto::StartUserContextBody, request::UserContextRequest};
use crate::{
    gateway::{Begun, WorkflowId},
    idempotency::{Claim, IdempotencyKey},
    workflow::{StartedBody, problem},
};

/// Asks for location, weather and a cat fact: starts `user-context-{userId, else correlationId}`.
#[utoipa::path(
    post,
    path = "/api/v1/workflows/user-context",
    tag = "workflows",
    params(("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this request, 1 to 255 visible ASCII characters. Sent again with the same body it gets the first answer again, marked by `Idempotent-Replayed: true`. It names the context where the body names neither a user nor a correlation id.")),
    request_body(content = Option<StartUserContextBody>),
    responses(
        (status = 202, description = "It is being asked for.", body = StartedBody,
            headers(("Idempotent-Replayed" = String, description = "`true` where this is the first answer again."))),
        (status = 409, description = "`workflow_already_exists`: it is being asked for already. \
            `idempotency_key_reused`: the key came with another body before.",
            body = service_kit::problem::ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn start_user_context(
    State(user_contexts): State<UserContexts>,
    correlation: CorrelationId,
    IdempotencyKey(key): IdempotencyKey,
    OptionalJson(body): OptionalJson<UserContextRequest>,
) -> Result<impl IntoResponse, Problem> {
    let request = body.unwrap_or_default();
    let claim = Claim { fingerprint: request.fingerprint(), key };
    let id = WorkflowId::of_user_context(&request.reference(&correlation, claim.key.as_ref()));
    let correlation = request.correlation.clone().unwrap_or(correlation);
    let input = request.into_input(&correlation, user_contexts.timing);
    let begun = user_contexts
        .gateway
        .start(&id, input, &claim, &correlation)
        .await
        .map_err(|error| problem(id.as_str(), error))?;
    if let Begun::Started(started) = &begun {
        tracing::info!(
            workflow_id = id.as_str(),
            run_id = started.run_id,
            correlation_id = correlation.as_str(),
            "user context started"
        );
    }
    StartedBody::answer(begun, &correlation, "the user context is being asked for")
}
