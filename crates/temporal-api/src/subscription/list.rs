//! Lists the subscriptions.

use axum::{
    Json,
    extract::{Query, State},
};
use service_kit::problem::Problem;
use workflows::subscription::state::SubscriptionStatus;

use super::{
    Subscriptions,
    dto::{ListQuery, SubscriptionsBody},
};
use crate::{
    fields::{given, limit, page, token},
    gateway::SubscriptionFilter,
    order::list_problem,
    workflow::invalid_query,
};

/// Lists subscriptions: those that run, then those that ended, the last first.
#[utoipa::path(
    get,
    path = "/api/v1/subscriptions",
    tag = "subscriptions",
    params(ListQuery),
    responses((status = 200, body = SubscriptionsBody))
)]
pub(super) async fn list_subscriptions(
    State(subscriptions): State<Subscriptions>,
    Query(query): Query<ListQuery>,
) -> Result<Json<SubscriptionsBody>, Problem> {
    let status = given(query.status.as_deref())
        .map(|name| {
            let all = SubscriptionStatus::ALL.iter().copied();
            all.clone().find(|status| status.name() == name).ok_or_else(|| {
                let names: Vec<_> = all.map(SubscriptionStatus::name).collect();
                invalid_query("status", format_args!("must be one of {}", names.join(", ")))
            })
        })
        .transpose()?;
    let customer = given(query.customer_id.as_deref())
        .map(|text| text.parse().map_err(|why| invalid_query("customerId", why)))
        .transpose()?;
    let filter = SubscriptionFilter { status, customer };
    let limit = limit(query.limit.as_deref())?;
    let page = page(query.page_token.as_deref())?;
    let page = subscriptions.gateway.list(&filter, limit, page).await.map_err(list_problem)?;
    let next = token(&page.next);
    Ok(Json(SubscriptionsBody::new(page.subscriptions, next)))
}
