//! The ledger: its totals, the history of one order, and the outcomes that observers record.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;
use service_kit::{
    json::{Faults, FromJson, Node, ValidJson},
    openapi::Fails,
    problem::Problem,
    time::from_millis,
};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    domain::{Expired, OpenResources},
    judge::load_facts,
    problems::VerdictError,
};
use crate::shared::{
    clock::Timestamp,
    deps::Deps,
    ids::OrderId,
    ledger::{Entry, MoneyTotals, NewEntry, Posting, Totals},
    orders::{Outcome, RecordedOutcome},
    presentation::problems,
    store::{StoreError, Transaction},
};

pub fn routes(deps: &Arc<Deps>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(get_ledger))
        .routes(routes!(get_order_history))
        .routes(routes!(put_outcome))
        .with_state(Arc::clone(deps))
}

/// Show the sums of all entries.
#[utoipa::path(get, path = "/ledger", tag = "truth", responses((status = 200, description = "The sums.", body = LedgerResponse)))]
async fn get_ledger(State(deps): State<Arc<Deps>>) -> Result<Json<LedgerResponse>, Problem> {
    let (totals, expired) = totals(&deps).await?;
    Ok(Json(LedgerResponse::new(&totals, &expired)))
}

/// List every effect of one order in its order of time.
#[utoipa::path(
    get, path = "/ledger/orders/{orderId}", tag = "truth", params(("orderId" = String, Path)),
    responses((status = 200, description = "The effects.", body = OrderHistoryResponse), Fails<404>)
)]
async fn get_order_history(
    State(deps): State<Arc<Deps>>,
    Path(order): Path<String>,
) -> Result<Json<OrderHistoryResponse>, Problem> {
    let order = order_id(&order)?;
    let (outcome, entries) = history(&deps, order.clone()).await??;
    Ok(Json(OrderHistoryResponse {
        success: true,
        order_id: order.to_string(),
        outcome: outcome.map(OutcomeView::from),
        entries: entries.iter().map(EntryView::from).collect(),
    }))
}

/// Record how an order ended. This is for an observer, never for the system under test.
#[utoipa::path(
    put, path = "/ledger/orders/{orderId}/outcome", tag = "truth", params(("orderId" = String, Path)),
    request_body = OutcomeRequest, responses((status = 200, description = "The recorded outcome.", body = OutcomeResponse), Fails<409>)
)]
async fn put_outcome(
    State(deps): State<Arc<Deps>>,
    Path(order): Path<String>,
    ValidJson { value, .. }: ValidJson<OutcomeRequest>,
) -> Result<Json<OutcomeResponse>, Problem> {
    let order = order_id(&order)?;
    let recorded = record_outcome(&deps, order.clone(), value.outcome).await??;
    Ok(Json(OutcomeResponse { success: true, order_id: order.to_string(), outcome: recorded.into() }))
}

fn order_id(text: &str) -> Result<OrderId, Problem> {
    text.parse().map_err(|error| problems::invalid_path("orderId", error))
}

/// Returns the sums of all entries, and the part of them that has expired.
async fn totals(deps: &Deps) -> Result<(Totals, Expired), StoreError> {
    let now = deps.clock.now();
    deps.store
        .transact(move |tx| {
            let mut open = OpenResources::default();
            tx.visit_entries(&mut |entry| open.apply(&entry.entry))?;
            Ok((tx.totals()?, open.expired(now)))
        })
        .await
}

/// Returns the outcome and the entries of one order.
async fn history(
    deps: &Deps,
    order: OrderId,
) -> Result<Result<(Option<RecordedOutcome>, Vec<Entry>), VerdictError>, StoreError> {
    deps.store
        .transact(move |tx| {
            if !tx.has_order(&order)? {
                return Ok(Err(VerdictError::UnknownOrder(order.to_string())));
            }
            Ok(Ok((tx.outcome(&order)?, tx.entries_for(Some(&order))?)))
        })
        .await
}

/// Records how an order ended. The reservation of a shipped order is fulfilled and no longer expires. A
/// repeated outcome changes nothing. An order that is paid or did not ship may still ship later, and one that
/// shipped may come back.
async fn record_outcome(
    deps: &Deps,
    order: OrderId,
    outcome: Outcome,
) -> Result<Result<RecordedOutcome, VerdictError>, StoreError> {
    let now = deps.clock.now();
    deps.store
        .transact(move |tx| match tx.outcome(&order)? {
            Some(recorded) if recorded.outcome == outcome => Ok(Ok(recorded)),
            Some(recorded) if !recorded.outcome.can_become(outcome) => Ok(Err(VerdictError::AlreadyShipped)),
            earlier => {
                let shipped_at = earlier.and_then(RecordedOutcome::shipped_at);
                let recorded = RecordedOutcome { outcome, at: shipped_at.unwrap_or(now) };
                tx.set_outcome(&order, recorded)?;
                if outcome.has_shipped() && shipped_at.is_none() {
                    mark_fulfilled(tx, &order, now)?;
                }
                Ok(Ok(recorded))
            }
        })
        .await
}

/// Adds an entry to the ledger for each live reservation of an order that shipped.
fn mark_fulfilled(tx: &mut dyn Transaction, order: &OrderId, now: Timestamp) -> Result<(), StoreError> {
    let facts = load_facts(tx, Some(order.clone()), now)?;
    for reservation in facts.reserved_stock() {
        tx.append(NewEntry {
            at: now,
            operation: None,
            order: Some(order.clone()),
            key: None,
            resource: Some(reservation.to_owned()),
            posting: Posting::Fulfilled,
        })?;
    }
    Ok(())
}

/// Returns a sum as a JSON number, as near as it fits.
pub fn number(sum: i128) -> i64 {
    i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX })
}

/// The ledger's totals.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerResponse {
    #[schema(example = true)]
    success: bool,
    /// By currency.
    #[schema(example = json!({"usd": {"held": 0, "expired": 0, "captured": 5998, "refunded": 0, "released": 0}}))]
    totals: BTreeMap<&'static str, MoneyTotalsView>,
    reservations: ReservationTotals,
    labels: LabelTotals,
    notifications: NotificationTotals,
}

/// In minor units. `held` counts the current authorizations, each other member all entries of its kind.
#[derive(Debug, Serialize, ToSchema)]
pub struct MoneyTotalsView {
    held: i64,
    expired: i64,
    captured: i64,
    refunded: i64,
    released: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ReservationTotals {
    reserved: i64,
    expired: i64,
    fulfilled: i64,
    released: i64,
    /// Stock of shipped orders that came back as a whole.
    restocked: i64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelTotals {
    generated: i64,
    cancelled: i64,
    /// For the way back, and not cancelled.
    returns: i64,
    returns_cancelled: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct NotificationTotals {
    sent: i64,
}

impl LedgerResponse {
    pub fn new(totals: &Totals, expired: &Expired) -> Self {
        let money = totals.money.iter().map(|(currency, sums)| {
            let MoneyTotals { held, captured, refunded, released } = *sums;
            let expired = expired.held.get(currency).copied().unwrap_or_default();
            let view = MoneyTotalsView {
                held: number(held - expired),
                expired: number(expired),
                captured: number(captured),
                refunded: number(refunded),
                released: number(released),
            };
            (currency.code(), view)
        });
        Self {
            success: true,
            totals: money.collect(),
            reservations: ReservationTotals {
                reserved: number(totals.reserved - expired.reserved),
                expired: number(expired.reserved),
                fulfilled: number(totals.fulfilled),
                released: number(totals.returned),
                restocked: number(totals.restocked),
            },
            labels: LabelTotals {
                generated: number(totals.labels),
                cancelled: number(totals.labels_cancelled),
                returns: number(totals.return_labels),
                returns_cancelled: number(totals.return_labels_cancelled),
            },
            notifications: NotificationTotals { sent: number(totals.notifications) },
        }
    }
}

/// Every effect of one order in its order of time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderHistoryResponse {
    #[schema(example = true)]
    success: bool,
    order_id: String,
    /// The recorded outcome; null if there is none.
    outcome: Option<OutcomeView>,
    entries: Vec<EntryView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeView {
    /// `shipped`, `partly_returned`, `returned`, `paid` (there is nothing to ship) or `not_shipped`.
    #[schema(example = "shipped")]
    outcome: &'static str,
    #[schema(format = DateTime)]
    told_at: String,
}

impl From<RecordedOutcome> for OutcomeView {
    fn from(RecordedOutcome { outcome, at }: RecordedOutcome) -> Self {
        Self { outcome: outcome.name(), told_at: from_millis(at.millis()) }
    }
}

/// One effect.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryView {
    /// The number of the entry in the ledger, from 1.
    sequence: u64,
    #[schema(format = DateTime)]
    at: String,
    /// `held`, `captured`, `released`, `refunded`, `reserved`, `fulfilled`, `returned`, `restocked_in_part`,
    /// `restocked`, `labelled`, `label_cancelled`, `return_labelled`, `return_label_cancelled`, `notified` or
    /// `tombstoned`.
    #[schema(example = "captured")]
    effect: &'static str,
    /// The operation that caused it; absent for a recorded outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "payment.capture")]
    operation: Option<&'static str>,
    /// The id of the changed resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    /// Minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'static str>,
    /// When it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// The idempotency key of the request, or the key that has the tombstone.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl From<&Entry> for EntryView {
    fn from(Entry { sequence, entry }: &Entry) -> Self {
        let money = entry.posting.money();
        let until = match entry.posting {
            Posting::Held { until, .. } | Posting::Reserved { until } => Some(until),
            _ => None,
        };
        Self {
            sequence: *sequence,
            at: from_millis(entry.at.millis()),
            effect: entry.posting.name(),
            operation: entry.operation.map(crate::shared::operation::Operation::name),
            resource: entry.resource.clone(),
            amount: money.map(|money| money.amount.minor_units()),
            currency: money.map(|money| money.currency.code()),
            expires_at: until.map(|until| from_millis(until.millis())),
            key: entry.key.as_ref().map(ToString::to_string),
        }
    }
}

#[derive(Debug, ToSchema)]
pub struct OutcomeRequest {
    /// `shipped`, `partly_returned`, `returned`, `paid` (there is nothing to ship) or `not_shipped`.
    #[schema(value_type = String, pattern = "^(shipped|partly_returned|returned|paid|not_shipped)$", example = "shipped")]
    pub outcome: Outcome,
}

impl FromJson for OutcomeRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["outcome"], faults)?;
        let outcome = object.required_with("outcome", faults, Node::parse);
        Some(Self { outcome: outcome? })
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeResponse {
    #[schema(example = true)]
    success: bool,
    order_id: String,
    #[serde(flatten)]
    outcome: OutcomeView,
}
