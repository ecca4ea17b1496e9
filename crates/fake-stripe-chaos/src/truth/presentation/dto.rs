//! The bodies and queries of the truth.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use service_kit::{
    json::{Faults, FromJson, Node},
    problem::Problem,
    time::from_millis,
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    shared::{
        ids::OrderId,
        journal::Line,
        ledger::{Entry, MoneyTotals, Posting, Totals},
        orders::{Outcome, Told},
        presentation::{LineView, limit as lines_asked_for, problems},
    },
    truth::{
        application::{JournalQuery, OrderHistory, VerdictQuery},
        domain::{Contradiction, Expired, Verdict},
    },
};

/// Lines of the journal when none are asked for.
const DEFAULT_LIMIT: usize = 100;

fn number(sum: i128) -> i64 {
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

/// In minor units. `held` is what is held now, the others are all there ever was.
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
}

#[derive(Debug, Serialize, ToSchema)]
pub struct LabelTotals {
    generated: i64,
    cancelled: i64,
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
            },
            labels: LabelTotals {
                generated: number(totals.labels),
                cancelled: number(totals.labels_cancelled),
            },
            notifications: NotificationTotals { sent: number(totals.notifications) },
        }
    }
}

/// All that one order ever caused, in time order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderHistoryResponse {
    #[schema(example = true)]
    success: bool,
    order_id: String,
    /// How it ended, if anybody told.
    outcome: Option<OutcomeView>,
    entries: Vec<EntryView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeView {
    /// `shipped`, `paid` (there is nothing to ship) or `not_shipped`.
    #[schema(example = "shipped")]
    outcome: &'static str,
    #[schema(format = DateTime)]
    told_at: String,
}

impl From<Told> for OutcomeView {
    fn from(Told { outcome, at }: Told) -> Self {
        Self { outcome: outcome.name(), told_at: from_millis(at.millis()) }
    }
}

/// One effect.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryView {
    /// Its place in the whole ledger, from 1.
    sequence: u64,
    #[schema(format = DateTime)]
    at: String,
    /// `held`, `captured`, `released`, `refunded`, `reserved`, `fulfilled`, `returned`, `labelled`,
    /// `label_cancelled`, `notified` or `tombstoned`.
    #[schema(example = "captured")]
    effect: &'static str,
    /// The operation that caused it; none for an outcome that was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "payment.capture")]
    operation: Option<&'static str>,
    /// What it happened to.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    /// Minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'static str>,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// The idempotency key that caused it, or that is buried.
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

impl OrderHistoryResponse {
    pub fn new(order: &OrderId, history: &OrderHistory) -> Self {
        Self {
            success: true,
            order_id: order.to_string(),
            outcome: history.told.map(OutcomeView::from),
            entries: history.entries.iter().map(EntryView::from).collect(),
        }
    }
}

#[derive(Debug, ToSchema)]
pub struct OutcomeRequest {
    /// `shipped`, `paid` (there is nothing to ship) or `not_shipped`.
    #[schema(value_type = String, pattern = "^(shipped|paid|not_shipped)$", example = "shipped")]
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
    told: OutcomeView,
}

impl OutcomeResponse {
    pub fn new(order: &OrderId, told: Told) -> Self {
        Self { success: true, order_id: order.to_string(), told: told.into() }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VerdictParams {
    /// Judge only this order.
    order_id: Option<String>,
    /// Everything is over: an order without an outcome is a contradiction.
    r#final: Option<String>,
}

impl TryFrom<VerdictParams> for VerdictQuery {
    type Error = Problem;

    fn try_from(params: VerdictParams) -> Result<Self, Problem> {
        let order_id = params
            .order_id
            .map(|text| text.parse().map_err(|error| problems::invalid_query("orderId", error)))
            .transpose()?;
        let everything_is_over = match params.r#final.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(problems::invalid_query("final", "must be `true` or `false`")),
        };
        Ok(Self { order_id, everything_is_over })
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
    /// Paid for, and there is nothing to ship.
    #[schema(example = 0)]
    paid: usize,
    #[schema(example = 1)]
    not_shipped: usize,
    #[schema(example = 0)]
    open: usize,
    contradictions: Vec<ContradictionView>,
}

/// Something that may never be.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContradictionView {
    /// Null where it is about the whole ledger, or about what belongs to no order.
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
            paid: verdict.paid,
            not_shipped: verdict.not_shipped,
            open: verdict.open,
            contradictions: verdict.contradictions.into_iter().map(ContradictionView::from).collect(),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JournalParams {
    /// 1 to 10 000; 100 where there is none.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10_000)]
    limit: Option<String>,
    #[param(example = "payment.capture")]
    operation: Option<String>,
    order_id: Option<String>,
    #[param(example = "timeout_after_commit")]
    scenario: Option<String>,
}

impl TryFrom<JournalParams> for JournalQuery {
    type Error = Problem;

    fn try_from(params: JournalParams) -> Result<Self, Problem> {
        let JournalParams { limit, operation, order_id, scenario } = params;
        let limit = lines_asked_for(limit, DEFAULT_LIMIT)?;
        Ok(Self { limit, operation, order_id, scenario })
    }
}

/// The last requests, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct JournalResponse {
    #[schema(example = true)]
    success: bool,
    entries: Vec<LineView>,
}

impl From<Vec<(u64, Arc<Line>)>> for JournalResponse {
    fn from(lines: Vec<(u64, Arc<Line>)>) -> Self {
        Self { success: true, entries: lines.into_iter().map(LineView::from).collect() }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ForgottenResponse {
    #[schema(example = true)]
    success: bool,
    /// How many lines there were.
    forgotten: usize,
}

impl ForgottenResponse {
    pub const fn new(forgotten: usize) -> Self {
        Self { success: true, forgotten }
    }
}
