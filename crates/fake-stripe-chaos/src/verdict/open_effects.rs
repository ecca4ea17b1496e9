//! The orders over HTTP, page by page, with the effects that they leave open. A reconciliation reads them.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use service_kit::problem::Problem;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{domain::OpenEffect, judge::load_facts};
use crate::shared::{
    deps::Deps,
    ids::OrderId,
    money::Currency,
    orders::RecordedOutcome,
    presentation::{Params, problems},
    store::StoreError,
};

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// The maximum number of open effects of an order in an answer. An order that shipped has three.
const MAX_EFFECTS: usize = 100;

pub fn routes(deps: &Arc<Deps>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list_orders)).with_state(Arc::clone(deps))
}

/// List the orders by their ids, with the effects that they leave open.
#[utoipa::path(
    get, path = "/ledger/orders", tag = "truth", params(OrdersParams),
    responses((status = 200, description = "The orders.", body = OrdersResponse))
)]
async fn list_orders(
    State(deps): State<Arc<Deps>>,
    Params(params): Params<OrdersParams>,
) -> Result<Json<OrdersResponse>, Problem> {
    let OrdersQuery { order, after, limit } = params.try_into()?;
    let (orders, next) = load_page(&deps, order, after, limit).await?;
    Ok(Json(OrdersResponse { success: true, orders, next }))
}

/// Returns a page of orders, and the last id of the page if more follow.
async fn load_page(
    deps: &Deps,
    order: Option<OrderId>,
    after: Option<OrderId>,
    limit: usize,
) -> Result<(Vec<OpenOrder>, Option<String>), StoreError> {
    let now = deps.clock.now();
    deps.store
        .transact(move |tx| {
            let ids = match order {
                Some(order) => {
                    if tx.has_order(&order)? {
                        vec![order]
                    } else {
                        Vec::new()
                    }
                }
                None => tx.orders()?,
            };
            let mut ids = ids
                .into_iter()
                .skip_while(|id| after.as_ref().is_some_and(|after| id.as_str() <= after.as_str()))
                .peekable();
            let mut orders = Vec::new();
            for id in ids.by_ref().take(limit) {
                let facts = load_facts(tx, Some(id.clone()), now)?;
                orders.push(OpenOrder::new(&id, facts.outcome, facts.open_effects()));
            }
            let next = ids.peek().and(orders.last()).map(|last| last.order_id.clone());
            Ok((orders, next))
        })
        .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OrdersParams {
    /// Show only this order; nothing if it is unknown.
    order_id: Option<String>,
    /// Begin after this order: the `next` of the previous page.
    after: Option<String>,
    /// 1 to 1000; the default is 100.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

/// A parsed query.
struct OrdersQuery {
    order: Option<OrderId>,
    after: Option<OrderId>,
    limit: usize,
}

impl TryFrom<OrdersParams> for OrdersQuery {
    type Error = Problem;

    fn try_from(params: OrdersParams) -> Result<Self, Problem> {
        let id = |name: &str, text: Option<String>| {
            text.map(|text| text.parse().map_err(|error| problems::invalid_query(name, error))).transpose()
        };
        let limit = match params.limit.map(|text| text.parse()) {
            None => DEFAULT_LIMIT,
            Some(Ok(limit)) if (1..=MAX_LIMIT).contains(&limit) => limit,
            Some(_) => {
                let why = format!("must be an integer from 1 to {MAX_LIMIT}");
                return Err(problems::invalid_query("limit", why));
            }
        };
        Ok(Self { order: id("orderId", params.order_id)?, after: id("after", params.after)?, limit })
    }
}

/// A page of orders.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrdersResponse {
    #[schema(example = true)]
    success: bool,
    orders: Vec<OpenOrder>,
    /// The `after` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// An order and what it leaves open.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenOrder {
    order_id: String,
    /// The recorded outcome; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "shipped")]
    outcome: Option<&'static str>,
    /// The first hundred.
    open: Vec<OpenEffectView>,
    /// The number of open effects that `open` leaves out.
    open_omitted: usize,
}

impl OpenOrder {
    fn new(id: &OrderId, outcome: Option<RecordedOutcome>, open: Vec<OpenEffect>) -> Self {
        Self {
            order_id: id.to_string(),
            outcome: outcome.map(|recorded| recorded.outcome.name()),
            open_omitted: open.len().saturating_sub(MAX_EFFECTS),
            open: open.into_iter().take(MAX_EFFECTS).map(OpenEffectView::from).collect(),
        }
    }
}

/// An effect that nothing has undone.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenEffectView {
    /// `held`, `captured`, `reserved`, `labelled` or `return_labelled`.
    #[schema(example = "held")]
    effect: &'static str,
    /// The id of the payment, reservation or label.
    resource: String,
    /// The idempotency key of the request that caused it. An undo with this key ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Minor units; of a captured payment without the refunds.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'static str>,
}

impl From<OpenEffect> for OpenEffectView {
    fn from(effect: OpenEffect) -> Self {
        Self {
            effect: effect.kind.name(),
            resource: effect.resource,
            key: effect.key.map(|key| key.to_string()),
            amount: effect.amount.map(super::ledger::number),
            currency: effect.currency.map(Currency::code),
        }
    }
}
