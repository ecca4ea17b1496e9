//! Handles the requests that create and show a subscription.

use axum::{
    Json,
    extract::{Path, State},
    response::IntoResponse,
};
use service_kit::{correlation::CorrelationId, json::ValidJson, openapi::Fails, problem::Problem};

use super::{
    Subscriptions,
    dto::{CreateSubscriptionBody, CreatedBody, SubscriptionBody},
    problems::{not_found, problem},
    request::SubscriptionRequest,
};
use crate::{
    gateway::{Begun, Kind, WorkflowId},
    idempotency::{Claim, IdempotencyKey},
};

/// Creates a subscription: starts its workflow, `subscription-{subscriptionId}`.
#[utoipa::path(
    post,
    path = "/api/v1/subscriptions",
    tag = "subscriptions",
    params(("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this request, 1 to 255 visible ASCII characters. Sent again with the same body it gets the first answer again, marked by `Idempotent-Replayed: true`.")),
    request_body = CreateSubscriptionBody,
    responses(
        (status = 201, description = "The subscription is active.", body = CreatedBody,
            headers(("Idempotent-Replayed" = String, description = "`true` where this is the first answer again."))),
        (status = 200, description = "The same request created it before, and it runs.", body = CreatedBody),
        Fails<409>,
    )
)]
pub(super) async fn create_subscription(
    State(subscriptions): State<Subscriptions>,
    correlation: CorrelationId,
    IdempotencyKey(key): IdempotencyKey,
    body: ValidJson<SubscriptionRequest>,
) -> Result<impl IntoResponse, Problem> {
    let claim = Claim { key, fingerprint: body.value.fingerprint() };
    let subscription_id = body.value.subscription_id.clone();
    let id = WorkflowId::of_subscription(&subscription_id);
    let input = body.value.into_input(correlation.to_string(), &subscriptions);
    let begun = subscriptions
        .gateway
        .start(&id, input, &claim, &correlation)
        .await
        .map_err(|error| problem(&id, error))?;
    if let Begun::Started(started) = &begun {
        tracing::info!(subscription_id, run_id = started.run_id, "subscription created");
    }
    Ok(CreatedBody::answer(begun, subscription_id))
}

/// Returns the subscription's state.
#[utoipa::path(
    get,
    path = "/api/v1/subscriptions/{subscriptionId}",
    tag = "subscriptions",
    params(("subscriptionId" = String, Path, example = "coffee-7")),
    responses((status = 200, body = SubscriptionBody), Fails<404>)
)]
pub(super) async fn show_subscription(
    State(subscriptions): State<Subscriptions>,
    Path(name): Path<String>,
) -> Result<Json<SubscriptionBody>, Problem> {
    let id = subscription(&name)?;
    let state = subscriptions.gateway.state(&id).await.map_err(|error| problem(&id, error))?;
    Ok(Json(SubscriptionBody::new(&id, state)))
}

pub(super) fn subscription(name: &str) -> Result<WorkflowId, Problem> {
    WorkflowId::parse(WorkflowId::of_subscription(name).as_str())
        .filter(|id| id.kind() == Kind::Subscription)
        .ok_or_else(|| not_found(name))
}
