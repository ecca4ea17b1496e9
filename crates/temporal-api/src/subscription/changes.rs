//! Changes a running subscription by updates. The workflow decides, and its state shows why it refused.

use axum::{
    Json,
    extract::{Path, Request, State},
};
use service_kit::{
    json::{self, ValidJson},
    openapi::Fails,
    problem::Problem,
};
use workflows::subscription::state::{Change, SubscriptionState};

use super::{
    Subscriptions,
    dto::{IntervalBody, ItemsBody, SubscriptionBody},
    handlers::subscription,
    problems::{closed, problem, refused},
    request::{IntervalRequest, changed_items},
};
use crate::{
    gateway::{GatewayError, Observed, SubscriptionUpdate},
    idempotency::{Claim, Fingerprint, IdempotencyKey, KeyDigest},
    money::Currency,
    order::{AddressBody, Destination},
    workflow::changed_meanwhile,
};

/// Places no order until it is resumed.
#[utoipa::path(
    post,
    path = "/api/v1/subscriptions/{subscriptionId}/pause",
    tag = "subscriptions",
    params(
        ("subscriptionId" = String, Path, example = "coffee-7"),
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this request, 1 to 255 visible ASCII characters."),
    ),
    responses((status = 200, description = "The state after the change.", body = SubscriptionBody), Fails<404>, Fails<409>)
)]
pub(super) async fn pause_subscription(
    State(subscriptions): State<Subscriptions>,
    Path(name): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Json<SubscriptionBody>, Problem> {
    subscriptions.change(&name, SubscriptionUpdate::Pause, key).await
}

/// Places orders again. A subscription that is past due tries the order that failed at once.
#[utoipa::path(
    post,
    path = "/api/v1/subscriptions/{subscriptionId}/resume",
    tag = "subscriptions",
    params(
        ("subscriptionId" = String, Path, example = "coffee-7"),
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this request, 1 to 255 visible ASCII characters."),
    ),
    responses((status = 200, description = "The state after the change.", body = SubscriptionBody), Fails<404>, Fails<409>)
)]
pub(super) async fn resume_subscription(
    State(subscriptions): State<Subscriptions>,
    Path(name): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Json<SubscriptionBody>, Problem> {
    subscriptions.change(&name, SubscriptionUpdate::Resume, key).await
}

/// Skips the next order; of a subscription that is past due, the one that failed.
#[utoipa::path(
    post,
    path = "/api/v1/subscriptions/{subscriptionId}/skip-next",
    tag = "subscriptions",
    params(
        ("subscriptionId" = String, Path, example = "coffee-7"),
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this request, 1 to 255 visible ASCII characters."),
    ),
    responses((status = 200, description = "The state after the change.", body = SubscriptionBody), Fails<404>, Fails<409>)
)]
pub(super) async fn skip_next(
    State(subscriptions): State<Subscriptions>,
    Path(name): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Json<SubscriptionBody>, Problem> {
    subscriptions.change(&name, SubscriptionUpdate::SkipNext, key).await
}

/// Ends the subscription after the running order.
#[utoipa::path(
    post,
    path = "/api/v1/subscriptions/{subscriptionId}/cancel",
    tag = "subscriptions",
    params(
        ("subscriptionId" = String, Path, example = "coffee-7"),
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this request, 1 to 255 visible ASCII characters."),
    ),
    responses((status = 200, description = "The state after the change.", body = SubscriptionBody), Fails<404>, Fails<409>)
)]
pub(super) async fn cancel_subscription(
    State(subscriptions): State<Subscriptions>,
    Path(name): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Json<SubscriptionBody>, Problem> {
    subscriptions.change(&name, SubscriptionUpdate::Cancel, key).await
}

/// Changes the destination of the orders after the running one.
#[utoipa::path(
    put,
    path = "/api/v1/subscriptions/{subscriptionId}/shipping-address",
    tag = "subscriptions",
    params(
        ("subscriptionId" = String, Path, example = "coffee-7"),
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this request, 1 to 255 visible ASCII characters."),
    ),
    request_body = AddressBody,
    responses((status = 200, description = "The state after the change.", body = SubscriptionBody), Fails<404>, Fails<409>)
)]
pub(super) async fn change_subscription_address(
    State(subscriptions): State<Subscriptions>,
    Path(name): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    body: ValidJson<Destination>,
) -> Result<Json<SubscriptionBody>, Problem> {
    subscriptions.change(&name, SubscriptionUpdate::ShippingAddress(body.value.0), key).await
}

/// Changes the time between two orders. The new interval starts now.
#[utoipa::path(
    put,
    path = "/api/v1/subscriptions/{subscriptionId}/interval",
    tag = "subscriptions",
    params(
        ("subscriptionId" = String, Path, example = "coffee-7"),
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this request, 1 to 255 visible ASCII characters."),
    ),
    request_body = IntervalBody,
    responses((status = 200, description = "The state after the change.", body = SubscriptionBody), Fails<404>, Fails<409>)
)]
pub(super) async fn change_interval(
    State(subscriptions): State<Subscriptions>,
    Path(name): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    body: ValidJson<IntervalRequest>,
) -> Result<Json<SubscriptionBody>, Problem> {
    subscriptions.change(&name, SubscriptionUpdate::Interval(body.value.0), key).await
}

/// Changes the content of the orders after the running one.
#[utoipa::path(
    put,
    path = "/api/v1/subscriptions/{subscriptionId}/items",
    tag = "subscriptions",
    params(
        ("subscriptionId" = String, Path, example = "coffee-7"),
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this request, 1 to 255 visible ASCII characters."),
    ),
    request_body = ItemsBody,
    responses((status = 200, description = "The state after the change.", body = SubscriptionBody), Fails<404>, Fails<409>)
)]
pub(super) async fn change_items(
    State(subscriptions): State<Subscriptions>,
    Path(name): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    request: Request,
) -> Result<Json<SubscriptionBody>, Problem> {
    json::require_json(&request)?;
    let body = json::body(request, &()).await?;
    let id = subscription(&name)?;
    let state = subscriptions.gateway.state(&id).await.map_err(|error| problem(&id, error))?.state;
    // The decimals of a price depend on the currency, which never changes.
    let currency: Currency = state.currency.parse().unwrap_or(Currency::USD);
    let terms = json::read_with(&body, |node, faults| changed_items(node, currency, faults))?;
    subscriptions.change(&name, SubscriptionUpdate::Items(terms), key).await
}

impl Subscriptions {
    async fn change(
        &self,
        name: &str,
        update: SubscriptionUpdate,
        key: Option<KeyDigest>,
    ) -> Result<Json<SubscriptionBody>, Problem> {
        let id = subscription(name)?;
        let change = update.change();
        let claim = Claim { key, fingerprint: Fingerprint::of("subscription-update", &update) };
        // A read after the change could fail, and hide that it was made.
        let before = self.gateway.state(&id).await.map_err(|error| problem(&id, error))?;
        match self.gateway.update(&id, update, &claim).await {
            Ok(state) => {
                tracing::info!(workflow_id = id.as_str(), change = ?change, "subscription changed");
                Ok(Json(SubscriptionBody::new(&id, Observed { state, ..before })))
            }
            Err(GatewayError::Refused(_) | GatewayError::NotFound) => {
                let now = self.gateway.state(&id).await.map_err(|error| problem(&id, error))?;
                Err(why_refused(&now, change))
            }
            Err(error) => Err(problem(&id, error)),
        }
    }
}

/// Returns the reason why a subscription refused a change.
fn why_refused(observed: &Observed<SubscriptionState>, change: Change) -> Problem {
    match (observed.outside, observed.state.check(change)) {
        (Some(outside), _) => closed(&format!("the subscription is {}", outside.name())),
        (None, Err(reason)) => refused(reason),
        (None, Ok(())) => changed_meanwhile(),
    }
}
