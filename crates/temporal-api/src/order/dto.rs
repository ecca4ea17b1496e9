//! The bodies of the order endpoints. Histories outlive them, so they are types of their own.

use std::{collections::BTreeMap, time::SystemTime};

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use workflows::{
    failure::StateError,
    order_fulfillment::progress::{CompletedStep, Decision, OrderState, OrderStatus, StepStatus},
    saga::{CompensationRecord, CompensationStatus},
};

use super::request::dollars;
use crate::gateway::{ListedOrder, Started, WorkflowId};

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
    /// The sum of the items, to the cent, in US dollars.
    #[schema(example = 59.98, minimum = 0.01, maximum = 999_999.99)]
    total_amount: f64,
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
    /// For one, in US dollars, with at most 2 decimals.
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
    #[schema(example = "IL", min_length = 1, max_length = 200)]
    state: String,
    #[schema(example = "62701", min_length = 1, max_length = 200)]
    zip: String,
    #[schema(example = "US", min_length = 1, max_length = 200)]
    country: String,
}

/// An order that was accepted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    success: bool,
    #[schema(example = "order-fulfillment-order-1001")]
    workflow_id: String,
    run_id: String,
    order_id: String,
    /// `pending_approval` where approval is asked for, else `processing`.
    #[schema(example = "processing")]
    status: &'static str,
}

impl Placed {
    pub fn new(started: Started, order_id: String, requires_approval: bool) -> Self {
        let status = if requires_approval { OrderStatus::PendingApproval } else { OrderStatus::Processing };
        Self {
            success: true,
            workflow_id: started.workflow_id.as_str().to_owned(),
            run_id: started.run_id,
            order_id,
            status: status.name(),
        }
    }
}

/// The state of an order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StateBody {
    /// That the state could be had; in a result, whether the order shipped.
    success: bool,
    workflow_id: String,
    order_id: String,
    /// `pending_approval`, `approved`, `processing`, `shipped`, `rejected`, `cancelled`, `failed`,
    /// `compensating` or `compensation_failed`; the last two are not final.
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
    pub fn new(id: &WorkflowId, state: OrderState) -> Self {
        Self {
            success: true,
            workflow_id: id.as_str().to_owned(),
            order_id: state.order_id,
            status: state.status.name(),
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
    pub fn of_result(id: &WorkflowId, state: OrderState) -> Self {
        let shipped = state.status == OrderStatus::Shipped;
        Self { success: shipped, ..Self::new(id, state) }
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
pub struct ProgressBody {
    pub success: bool,
    /// 0 to 100.
    #[schema(minimum = 0, maximum = 100)]
    pub progress: u8,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ResultQuery {
    /// Seconds to wait for the end, at most 300.
    #[param(default = 60, minimum = 0)]
    #[serde(default = "default_timeout")]
    pub timeout: u64,
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
    /// As in the order's state; null where the namespace has no search attributes and it still runs.
    #[schema(example = "shipped")]
    status: Option<&'static str>,
    customer_id: Option<String>,
    /// US dollars.
    #[schema(value_type = Option<f64>, example = 59.98)]
    total_amount: Option<serde_json::Number>,
    #[schema(format = "date-time")]
    started_at: Option<String>,
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
        Self {
            order_id: order.order_id,
            workflow_id: order.workflow_id,
            run_id: order.run_id,
            status: order.status.map(OrderStatus::name),
            customer_id: order.customer_id,
            total_amount: order.amount.and_then(dollars),
            started_at: order.started_at.map(time),
            closed_at: order.closed_at.map(time),
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
    /// US dollars.
    #[param(example = "10.50")]
    pub min_total: Option<String>,
    /// US dollars.
    pub max_total: Option<String>,
    /// 1 to 100; 20 when absent.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    pub limit: Option<String>,
    /// `nextPageToken` of the page before.
    pub page_token: Option<String>,
}
