//! The bodies of the order endpoints. Histories outlive them, so they are types of their own.

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

/// What `POST /api/v1/order` takes. Read by [`OrderRequest`](super::request::OrderRequest); this is its
/// documentation.
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
    /// Whether a manager must approve it before it is paid and sent.
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
    /// Required where an address has one: in US, CA, AU, IN, BR and MX.
    #[schema(example = "IL", min_length = 1, max_length = 200)]
    state: Option<String>,
    /// Required in the same countries, and in AT, BE, CH, CZ, DE, DK, ES, FI, FR, GB, IT, JP, KR, NL, NO, PL,
    /// PT and SE.
    #[schema(example = "62701", min_length = 1, max_length = 200)]
    zip: Option<String>,
    #[schema(example = "US", min_length = 1, max_length = 200)]
    country: String,
}

/// An order that was accepted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the name of the member")]
pub struct Placed {
    /// That the order was taken; its result says whether it ships.
    success: bool,
    #[schema(example = "order-fulfillment-order-1001")]
    workflow_id: String,
    run_id: String,
    order_id: String,
    /// `pending_approval` where approval is asked for, else `processing`; of one that was placed before, where
    /// it is now.
    #[schema(example = "processing")]
    status: &'static str,
    /// True where the same order was placed before and runs.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    already_placed: bool,
}

impl Placed {
    /// 201 and where to look next; 200 where the order was placed before.
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

/// Which run of a workflow it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Run)]
pub struct RunBody {
    run_id: String,
    #[schema(format = "date-time")]
    start_time: Option<String>,
    /// Absent while it runs.
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

/// The state of an order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StateBody {
    /// That the state could be had; in a result, whether the order shipped. Absent from the 202 of a result,
    /// which doesn't know it yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<bool>,
    workflow_id: String,
    #[serde(flatten)]
    run: RunBody,
    order_id: String,
    /// `pending_approval`, `approved`, `processing`, `compensating` or `compensation_failed` while it runs; then
    /// `shipped`, `rejected`, `cancelled` or `failed`; `terminated` or `timed_out` where it was ended from
    /// outside.
    #[schema(example = "shipped")]
    status: &'static str,
    /// 0 to 100; never goes back, and is 100 only when shipped.
    #[schema(minimum = 0, maximum = 100)]
    progress: u8,
    #[schema(example = "completed")]
    current_step: &'static str,
    completed_steps: Vec<StepBody>,
    /// In the order in which they ran.
    compensations: Vec<CompensationBody>,
    /// Why the order didn't ship.
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
    /// `approved`, `rejected` or `timed_out`, whichever came first.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'static str>,
    /// Whether somebody cancelled it in time.
    cancelled: bool,
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
            cancelled: state.cancelled,
            version: state.version,
        }
    }

    /// The final state: `success` says whether the order shipped.
    pub fn of_result(id: &WorkflowId, observed: Observed<OrderState>) -> Self {
        Self { success: Some(observed.succeeded()), ..Self::new(id, observed) }
    }

    /// The state of an order whose result isn't there yet.
    pub fn of_now(id: &WorkflowId, observed: Observed<OrderState>) -> Self {
        Self { success: None, ..Self::new(id, observed) }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = CompletedStep)]
pub struct StepBody {
    #[schema(example = "payment_authorization")]
    name: &'static str,
    /// `completed`, or `failed` where the order went on without it.
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
    /// Who resolved it by hand, and how.
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
    /// 0 to 100.
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
    /// Seconds to wait for the end, at most 300.
    #[param(default = 60, minimum = 0)]
    #[serde(default = "default_timeout")]
    pub timeout: u64,
    /// `close` waits for the end of the workflow. Without it, a payment's result is there as soon as the charge
    /// is; for any other workflow it is the same.
    #[param(value_type = Option<String>, example = "close")]
    pub wait: Option<String>,
}

/// What a result waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// What the caller wants to know: of a payment, that it is charged.
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

/// What was asked for is on its way.
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
    #[schema(example = "ops@night-shift", max_length = 200)]
    actor: String,
}

/// One page of orders.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrdersBody {
    success: bool,
    orders: Vec<ListedBody>,
    /// Give it as `pageToken` for the next page; absent on the last.
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
    /// As in the order's state, `terminated` and `timed_out` too; null where the namespace has no search attributes and it still runs.
    #[schema(example = "shipped")]
    status: Option<&'static str>,
    customer_id: Option<String>,
    /// In the order's currency.
    #[schema(value_type = Option<f64>, example = 59.98)]
    total_amount: Option<serde_json::Number>,
    #[schema(example = "usd")]
    currency: String,
    #[schema(format = "date-time")]
    start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    close_time: Option<String>,
    /// The same as `startTime`, by its older name.
    #[schema(format = "date-time")]
    started_at: Option<String>,
    /// The same as `closeTime`, by its older name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    closed_at: Option<String>,
    /// Why the order didn't ship.
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

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// An order status, e.g. `shipped`.
    pub status: Option<String>,
    pub customer_id: Option<String>,
    /// In the order's currency, whichever that is.
    #[param(example = "10.50")]
    pub min_total: Option<String>,
    /// In the order's currency, whichever that is.
    pub max_total: Option<String>,
    /// 1 to 100; 20 when absent.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    pub limit: Option<String>,
    /// `nextPageToken` of the page before.
    pub page_token: Option<String>,
}
