//! Defines the bodies of the order endpoints. Histories outlive the bodies, so they have types of their
//! own.

use std::{collections::BTreeMap, time::SystemTime};

use axum::{
    Json,
    http::{StatusCode, header::LOCATION},
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};
use service_kit::problem::Problem;
use utoipa::{IntoParams, ToSchema};
use workflows::{
    failure::StateError,
    order_fulfillment::state::{CompletedStep, Decision, OrderState, OrderStatus, StepStatus},
    saga::{CompensationRecord, CompensationStatus},
};

use crate::{
    fields::given,
    gateway::{Begun, ListedOrder, Observed, Run, Shown, WorkflowId},
    idempotency::Answered,
    money::Currency,
    workflow::invalid_query,
};

/// Documents the body of `POST /api/v1/order`. [`OrderRequest`](super::request::OrderRequest) reads it.
#[derive(ToSchema)]
#[schema(as = Order, rename_all = "camelCase")]
#[allow(dead_code, reason = "the schema alone is used")]
pub struct OrderBody {
    /// 1 to 128 of `A-Z a-z 0-9 . _ -`.
    #[schema(example = "order-1001", min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._-]{1,128}$")]
    order_id: String,
    #[schema(example = "customer-7", min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._-]{1,128}$")]
    customer_id: String,
    #[schema(example = "ada@example.com", format = "email")]
    customer_email: String,
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<ItemBody>,
    /// The sum of the items, to the cent, in the order's currency; at most 99 999 999 minor units.
    #[schema(example = 59.98, minimum = 0.01, maximum = 99_999_999)]
    total_amount: f64,
    /// ISO 4217, in any case: `usd`, `eur`, `gbp`, `mxn`, `cad`, `aud`, `nzd`, `chf`, `sek`, `nok`, `dkk`,
    /// `pln`, `czk`, `brl`, `inr`, `sgd`, `hkd`; `jpy` and `krw`, which have no decimals.
    #[schema(default = "usd", example = "usd")]
    currency: Option<String>,
    shipping_address: AddressBody,
    /// Requires the approval of a manager before the order is paid and sent.
    #[schema(default = false)]
    requires_approval: Option<bool>,
}

#[derive(ToSchema)]
#[schema(as = Item, rename_all = "camelCase")]
#[allow(dead_code, reason = "the schema alone is used")]
pub struct ItemBody {
    #[schema(example = "book", min_length = 1, max_length = 200)]
    sku: String,
    #[schema(example = 2, minimum = 1, maximum = 1_000_000)]
    quantity: u32,
    /// For one, in the order's currency, with at most the decimals that it has.
    #[schema(example = 29.99, minimum = 0.01)]
    price: f64,
}

#[derive(ToSchema)]
#[schema(as = Address, rename_all = "camelCase")]
#[allow(dead_code, reason = "the schema alone is used")]
pub struct AddressBody {
    #[schema(example = "1 Main Street", min_length = 1, max_length = 200)]
    street: String,
    #[schema(example = "Springfield", min_length = 1, max_length = 200)]
    city: String,
    /// Is required in countries with states in their addresses: US, CA, AU, IN, BR and MX.
    #[schema(example = "IL", min_length = 1, max_length = 200)]
    state: Option<String>,
    /// Is required in the same countries, and in AT, BE, CH, CZ, DE, DK, ES, FI, FR, GB, IT, JP, KR,
    /// NL, NO, PL, PT and SE.
    #[schema(example = "62701", min_length = 1, max_length = 200)]
    zip: Option<String>,
    #[schema(example = "US", min_length = 1, max_length = 200)]
    country: String,
}

/// Describes an accepted order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the name of the member")]
pub struct Placed {
    /// Confirms that the order was taken. Its result says whether it ships.
    success: bool,
    #[schema(example = "order-fulfillment-order-1001")]
    workflow_id: String,
    run_id: String,
    order_id: String,
    /// Is `pending_approval` if the order requires approval, else `processing`. For an order that was
    /// placed before, it is the current status.
    #[schema(example = "processing")]
    status: &'static str,
    /// Is true if the same order was placed before and runs.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    already_placed: bool,
}

impl Placed {
    /// Answers 201 with the next links, or 200 for an order that was placed before.
    pub fn answer(begun: Begun, order_id: String, requires_approval: bool) -> impl IntoResponse + use<> {
        let first = if requires_approval { OrderStatus::PendingApproval } else { OrderStatus::Processing };
        let (started, code, status, replayed) = match begun {
            Begun::Started(started) => (started, StatusCode::CREATED, first, false),
            Begun::Replayed { started, .. } => (started, StatusCode::CREATED, first, true),
            Begun::Running { started, status } => (started, StatusCode::OK, status.unwrap_or(first), false),
        };
        let location = format!("/api/v1/order/{}/status", started.workflow_id.as_str());
        let body = Self {
            success: true,
            workflow_id: started.workflow_id.as_str().to_owned(),
            run_id: started.run_id,
            order_id,
            status: status.name(),
            already_placed: code == StatusCode::OK,
        };
        Answered { answer: (code, [(LOCATION, location)], Json(body)), replayed }
    }
}

/// Names the run of a workflow.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Run)]
pub struct RunBody {
    run_id: String,
    #[schema(format = "date-time")]
    start_time: Option<String>,
    /// Is absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    close_time: Option<String>,
}

impl From<Run> for RunBody {
    fn from(run: Run) -> Self {
        let time = |at: SystemTime| workflows::time::rfc3339(Some(at));
        Self { run_id: run.run_id, start_time: run.started_at.map(time), close_time: run.closed_at.map(time) }
    }
}

/// Describes the state of an order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StateBody {
    /// Says that the state is available; in a result, whether the order shipped. It is absent from the
    /// 202 of a result, which does not know it yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<bool>,
    workflow_id: String,
    #[serde(flatten)]
    run: RunBody,
    order_id: String,
    /// Is `pending_approval`, `approved`, `processing`, `compensating` or `compensation_failed` while
    /// it runs. Then it is `shipped`, `rejected`, `cancelled` or `failed`. After an end from outside it
    /// is `terminated` or `timed_out`.
    #[schema(example = "shipped")]
    status: &'static str,
    /// Holds a number from 0 to 100. It never decreases, and is 100 only after shipment.
    #[schema(minimum = 0, maximum = 100)]
    progress: u8,
    #[schema(example = "completed")]
    current_step: &'static str,
    completed_steps: Vec<StepBody>,
    /// Lists the steps in the order in which they ran.
    compensations: Vec<CompensationBody>,
    /// Gives the reason if the order did not ship.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reservation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking_number: Option<String>,
    requires_approval: bool,
    /// Is the first decision: `approved`, `rejected` or `timed_out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'static str>,
    /// Is the subject of the token that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<String>,
    /// Says whether somebody cancelled it in time.
    cancelled: bool,
    /// Is the subject of the token that cancelled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_by: Option<String>,
    /// Grows with every change.
    version: u64,
}

impl StateBody {
    pub fn new(id: &WorkflowId, observed: Observed<OrderState>) -> Self {
        let status = observed.status(|state| state.status.name());
        let Observed { run, state, .. } = observed;
        Self {
            success: Some(true),
            workflow_id: id.as_str().to_owned(),
            run: run.into(),
            order_id: state.order_id,
            status,
            progress: state.progress,
            current_step: state.current_step.name(),
            completed_steps: state.completed_steps.into_iter().map(Into::into).collect(),
            compensations: state.compensations.into_iter().map(Into::into).collect(),
            error: state.error.map(Into::into),
            auth_id: state.auth_id,
            reservation_id: state.reservation_id,
            label_id: state.label_id,
            tracking_number: state.tracking_number,
            requires_approval: state.requires_approval,
            decision: state.decision.map(Decision::name),
            decided_by: state.decided_by,
            cancelled: state.cancelled,
            cancelled_by: state.cancelled_by,
            version: state.version,
        }
    }

    /// Builds the final state: `success` says whether the order shipped.
    pub fn of_result(id: &WorkflowId, observed: Observed<OrderState>) -> Self {
        Self { success: Some(observed.succeeded()), ..Self::new(id, observed) }
    }

    /// Builds the state of an order whose result is not available yet.
    pub fn of_now(id: &WorkflowId, observed: Observed<OrderState>) -> Self {
        Self { success: None, ..Self::new(id, observed) }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = CompletedStep)]
pub struct StepBody {
    #[schema(example = "payment_authorization")]
    name: &'static str,
    /// Is `completed`, or `failed` if the order continued without it.
    #[schema(example = "completed")]
    status: &'static str,
    #[schema(format = "date-time")]
    timestamp: String,
    data: BTreeMap<String, String>,
}

impl From<CompletedStep> for StepBody {
    fn from(step: CompletedStep) -> Self {
        let status = match step.status {
            StepStatus::Completed => "completed",
            StepStatus::Failed => "failed",
        };
        Self { name: step.name.name(), status, timestamp: step.timestamp, data: step.data }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Compensation)]
pub struct CompensationBody {
    #[schema(example = "refund_payment")]
    name: &'static str,
    /// `running`, `waiting` (an attempt failed, the next one follows), `completed`, `nothing_to_undo`, `failed`
    /// (it will be tried again in the next round) or `resolved` (by hand).
    #[schema(example = "completed")]
    status: &'static str,
    #[schema(format = "date-time")]
    timestamp: String,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
    /// Names the person who resolved it by hand, and the method.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl From<CompensationRecord> for CompensationBody {
    fn from(record: CompensationRecord) -> Self {
        let status = match record.status {
            CompensationStatus::Running => "running",
            CompensationStatus::Waiting => "waiting",
            CompensationStatus::Completed => "completed",
            CompensationStatus::NothingToUndo => "nothing_to_undo",
            CompensationStatus::Failed => "failed",
            CompensationStatus::Resolved => "resolved",
        };
        Self {
            name: record.name.name(),
            status,
            timestamp: record.timestamp,
            attempts: record.attempts,
            error: record.error.map(Into::into),
            note: record.note,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = OrderError)]
pub struct ErrorBody {
    #[schema(example = "PAYMENT_DECLINED")]
    code: String,
    message: String,
}

impl From<StateError> for ErrorBody {
    fn from(error: StateError) -> Self {
        Self { code: error.code, message: error.message }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgressBody {
    success: bool,
    workflow_id: String,
    /// Holds a number from 0 to 100.
    #[schema(minimum = 0, maximum = 100)]
    progress: u8,
}

impl ProgressBody {
    pub fn new(id: &WorkflowId, progress: u8) -> Self {
        Self { success: true, workflow_id: id.as_str().to_owned(), progress }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ResultQuery {
    /// Limits the wait for the end, in seconds; at most 300.
    #[param(default = 60, minimum = 0)]
    #[serde(default = "default_timeout")]
    pub timeout: u64,
    /// Selects the event: `close` waits for the end of the workflow. Without it, the result of a
    /// payment is available after the charge. For any other workflow it makes no difference.
    #[param(value_type = Option<String>, example = "close")]
    pub wait: Option<String>,
}

/// Names the event that a result waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// Waits until the caller's question has an answer: for a payment, until it is charged.
    Answer,
    Close,
}

impl ResultQuery {
    pub fn wait_for(&self) -> Result<WaitFor, Problem> {
        match given(self.wait.as_deref()) {
            None => Ok(WaitFor::Answer),
            Some("close") => Ok(WaitFor::Close),
            Some(_) => Err(invalid_query("wait", "must be close")),
        }
    }
}

fn default_timeout() -> u64 {
    60
}

/// Answers that the request is accepted and in progress.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    pub success: bool,
    pub message: &'static str,
    pub workflow_id: String,
}

#[derive(ToSchema)]
#[schema(as = Reason)]
#[allow(dead_code, reason = "the schema alone is used")]
pub struct ReasonBody {
    #[schema(example = "the customer changed their mind", max_length = 200)]
    reason: Option<String>,
}

#[derive(ToSchema)]
#[schema(as = Resolution)]
#[allow(dead_code, reason = "the schema alone is used")]
pub struct ResolutionBody {
    /// `cancel_shipping`, `refund_payment`, `release_inventory` or `release_payment`.
    #[schema(example = "refund_payment")]
    step: String,
    #[schema(example = "refunded in the provider's dashboard", max_length = 200)]
    note: String,
    /// Is required without authentication. With it, it is the subject of the token.
    #[schema(example = "ops@night-shift", max_length = 200)]
    actor: Option<String>,
}

/// Holds one page of orders.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrdersBody {
    success: bool,
    orders: Vec<ListedBody>,
    /// Is the `pageToken` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

impl OrdersBody {
    pub fn new(orders: Vec<ListedOrder>, next_page_token: Option<String>) -> Self {
        Self { success: true, orders: orders.into_iter().map(Into::into).collect(), next_page_token }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ListedOrder)]
pub struct ListedBody {
    order_id: String,
    workflow_id: String,
    run_id: String,
    /// Is the status as in the order's state, also `terminated` and `timed_out`. It is null if the
    /// namespace has no search attributes and the order still runs.
    #[schema(example = "shipped")]
    status: Option<&'static str>,
    customer_id: Option<String>,
    /// Holds the amount in the order's currency.
    #[schema(value_type = Option<f64>, example = 59.98)]
    total_amount: Option<serde_json::Number>,
    #[schema(example = "usd")]
    currency: String,
    #[schema(format = "date-time")]
    start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    close_time: Option<String>,
    /// Repeats `startTime` under its older name.
    #[schema(format = "date-time")]
    started_at: Option<String>,
    /// Repeats `closeTime` under its older name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    closed_at: Option<String>,
    /// Gives the reason if the order did not ship.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
}

impl From<ListedOrder> for ListedBody {
    fn from(order: ListedOrder) -> Self {
        let time = |at: SystemTime| workflows::time::rfc3339(Some(at));
        let (start_time, close_time) = (order.started_at.map(time), order.closed_at.map(time));
        let currency = order.currency.and_then(|code| code.parse().ok()).unwrap_or(Currency::USD);
        Self {
            order_id: order.order_id,
            workflow_id: order.workflow_id,
            run_id: order.run_id,
            status: order.status.map(Shown::name),
            customer_id: order.customer_id,
            total_amount: order.amount.and_then(|amount| currency.number(amount)),
            currency: currency.code().to_owned(),
            started_at: start_time.clone(),
            closed_at: close_time.clone(),
            start_time,
            close_time,
            error: order.error.map(Into::into),
        }
    }
}

/// Counts orders.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = OrderCounts)]
pub struct CountsBody {
    success: bool,
    /// Counts also the orders without a status of ours, such as those that are older than the search attributes.
    total: i64,
    /// Status → number of orders.
    #[schema(example = json!({"processing": 3, "shipped": 120}))]
    statuses: BTreeMap<&'static str, i64>,
}

impl CountsBody {
    pub fn new(total: i64, counts: impl Iterator<Item = (&'static str, i64)>) -> Self {
        Self { success: true, total, statuses: counts.collect() }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct CountQuery {
    pub customer_id: Option<String>,
    /// Is the lowest amount, in the currency of each order.
    #[param(example = "10.50")]
    pub min_total: Option<String>,
    /// Is the highest amount, in the currency of each order.
    pub max_total: Option<String>,
    /// Is the earliest start, by RFC 3339.
    #[param(example = "2026-05-01T12:00:00Z")]
    pub started_after: Option<String>,
    /// Is the latest start, by RFC 3339.
    pub started_before: Option<String>,
}

impl From<CountQuery> for ListQuery {
    fn from(query: CountQuery) -> Self {
        let CountQuery { customer_id, min_total, max_total, started_after, started_before } = query;
        Self { customer_id, min_total, max_total, started_after, started_before, ..Self::default() }
    }
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Selects an order status, for example `shipped`.
    pub status: Option<String>,
    pub customer_id: Option<String>,
    /// Is the lowest amount, in the currency of each order.
    #[param(example = "10.50")]
    pub min_total: Option<String>,
    /// Is the highest amount, in the currency of each order.
    pub max_total: Option<String>,
    /// Is the earliest start, by RFC 3339.
    #[param(example = "2026-05-01T12:00:00Z")]
    pub started_after: Option<String>,
    /// Is the latest start, by RFC 3339.
    pub started_before: Option<String>,
    /// Limits the orders on a page: 1 to 100; 20 if absent.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    pub limit: Option<String>,
    /// Is the `nextPageToken` of the previous page.
    pub page_token: Option<String>,
}
