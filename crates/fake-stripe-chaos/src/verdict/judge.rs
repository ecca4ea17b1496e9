//! The verdict over HTTP: loads the facts of the orders, page by page, and judges them.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use service_kit::{openapi::Fails, problem::Problem};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    domain::{Contradiction, OrderFacts, Verdict},
    problems::VerdictError,
};
use crate::shared::{
    clock::Timestamp,
    deps::Deps,
    ids::OrderId,
    ledger::Totals,
    presentation::{Params, problems},
    store::{Store, StoreError, Transaction},
};

/// The number of orders that are judged in one transaction.
const PAGE: usize = 200;

pub fn routes(deps: &Arc<Deps>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(get_verdict)).with_state(Arc::clone(deps))
}

/// Compare the ledger with the recorded outcomes.
#[utoipa::path(
    get, path = "/verdict", tag = "truth", params(VerdictParams),
    responses((status = 200, description = "The verdict, good or bad.", body = VerdictResponse), Fails<404>)
)]
async fn get_verdict(
    State(deps): State<Arc<Deps>>,
    Params(params): Params<VerdictParams>,
) -> Result<Json<VerdictResponse>, Problem> {
    let VerdictQuery { order_id, is_final } = params.try_into()?;
    let verdict = match order_id {
        Some(order) => judge_order(&deps, order, is_final).await??,
        None => judge_all(&deps.store, deps.clock.now(), is_final).await?,
    };
    Ok(Json(verdict.into()))
}

/// Judges one order. An order without any request or outcome is unknown.
async fn judge_order(
    deps: &Deps,
    order: OrderId,
    is_final: bool,
) -> Result<Result<Verdict, VerdictError>, StoreError> {
    let now = deps.clock.now();
    deps.store
        .transact(move |tx| {
            if !tx.has_order(&order)? {
                return Ok(Err(VerdictError::UnknownOrder(order.to_string())));
            }
            let mut verdict = Verdict::default();
            verdict.judge(&load_facts(tx, Some(order), now)?, is_final);
            Ok(Ok(verdict))
        })
        .await
}

/// Judges every order and the ledger as a whole. Other requests run between the pages.
///
/// # Errors
/// Fails if the store fails.
pub async fn judge_all(
    store: &Arc<dyn Store>,
    now: Timestamp,
    is_final: bool,
) -> Result<Verdict, StoreError> {
    let mut orders = store.transact(|tx| tx.orders()).await?.into_iter();
    let mut verdict = Verdict::default();
    loop {
        let page: Vec<_> = orders.by_ref().take(PAGE).collect();
        if page.is_empty() {
            break;
        }
        let judge = move |tx: &mut dyn Transaction| {
            for order in page {
                verdict.judge(&load_facts(tx, Some(order), now)?, is_final);
            }
            Ok(verdict)
        };
        verdict = store.transact(judge).await?;
    }
    let judge = move |tx: &mut dyn Transaction| {
        verdict.judge(&load_facts(tx, None, now)?, is_final);
        let mut sum = Totals::default();
        tx.visit_entries(&mut |entry| sum.post(&entry.entry.posting))?;
        verdict.judge_totals(&tx.totals()?, &sum);
        Ok(verdict)
    };
    store.transact(judge).await
}

/// Loads the facts of one order, or, without an order, of the entries that belong to none.
pub fn load_facts(
    tx: &dyn Transaction,
    order: Option<OrderId>,
    now: Timestamp,
) -> Result<OrderFacts, StoreError> {
    let entries = tx.entries_for(order.as_ref())?;
    let mut tombstones = BTreeMap::new();
    for key in entries.iter().filter_map(|entry| entry.entry.key.as_ref()) {
        if let Some(sequence) = tx.tombstone(key)? {
            tombstones.insert(key.clone(), sequence);
        }
    }
    let outcome = order.as_ref().map(|order| tx.outcome(order)).transpose()?.flatten();
    Ok(OrderFacts { order, outcome, entries, tombstones, now })
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VerdictParams {
    /// Judge only this order.
    order_id: Option<String>,
    /// All orders have ended: an order without an outcome is a contradiction.
    r#final: Option<String>,
}

/// A parsed query.
struct VerdictQuery {
    order_id: Option<OrderId>,
    is_final: bool,
}

impl TryFrom<VerdictParams> for VerdictQuery {
    type Error = Problem;

    fn try_from(params: VerdictParams) -> Result<Self, Problem> {
        let order_id = params
            .order_id
            .map(|text| text.parse().map_err(|error| problems::invalid_query("orderId", error)))
            .transpose()?;
        let is_final = match params.r#final.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(problems::invalid_query("final", "must be `true` or `false`")),
        };
        Ok(Self { order_id, is_final })
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerdictResponse {
    #[schema(example = true)]
    success: bool,
    #[schema(example = 3)]
    orders: usize,
    #[schema(example = 2)]
    shipped: usize,
    /// Orders that shipped, and came back as a whole or in part.
    #[schema(example = 0)]
    returned: usize,
    /// Orders that are paid, with nothing to ship.
    #[schema(example = 0)]
    paid: usize,
    #[schema(example = 1)]
    not_shipped: usize,
    #[schema(example = 0)]
    open: usize,
    contradictions: Vec<ContradictionView>,
}

/// A rule that the ledger breaks.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContradictionView {
    /// Null if the contradiction concerns the whole ledger, or entries without an order.
    order_id: Option<String>,
    #[schema(example = "not_shipped_leaves_no_hold")]
    rule: &'static str,
    #[schema(example = "auth_0197a5c0f3d27e0f8b1c2d3e4f506172 holds 5998")]
    detail: String,
}

impl From<Contradiction> for ContradictionView {
    fn from(Contradiction { order, rule, detail }: Contradiction) -> Self {
        Self { order_id: order.as_ref().map(ToString::to_string), rule, detail }
    }
}

impl From<Verdict> for VerdictResponse {
    fn from(verdict: Verdict) -> Self {
        Self {
            success: true,
            orders: verdict.orders(),
            shipped: verdict.shipped,
            returned: verdict.returned,
            paid: verdict.paid,
            not_shipped: verdict.not_shipped,
            open: verdict.open,
            contradictions: verdict.contradictions.into_iter().map(ContradictionView::from).collect(),
        }
    }
}
