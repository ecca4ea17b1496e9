//! Names that the API, the worker and the Temporal UI share: workflow ids, the task queue, idempotency keys,
//! memo fields and headers.

/// The task queue, unless configured otherwise.
pub const DEFAULT_TASK_QUEUE: &str = "founder-tasks";

/// The memo and the start header that hold the correlation id.
pub const CORRELATION_FIELD: &str = "correlationId";

/// The memo fields that lists show beside the search attributes.
pub const ORDER_ID_MEMO: &str = "orderId";
pub const CUSTOMER_ID_MEMO: &str = "customerId";
/// Minor units.
pub const AMOUNT_MEMO: &str = "amount";
pub const CURRENCY_MEMO: &str = "currency";
/// The memo field with the digest of the request that started the workflow.
pub const REQUEST_MEMO: &str = "request";
/// The memo field with the error of an order that didn't ship. Its workflow writes it.
pub const ERROR_MEMO: &str = "error";

const ORDER_PREFIX: &str = "order-fulfillment-";
const PAYMENT_PREFIX: &str = "payment-";
const USER_CONTEXT_PREFIX: &str = "user-context-";
const SUBSCRIPTION_PREFIX: &str = "subscription-";
const BATCH_PREFIX: &str = "order-batch-";
const RETURN_PREFIX: &str = "return-";

/// Returns the id of a queue's reconciliation: of its schedule, and of a run that a caller triggered. The id of a
/// scheduled run has the time behind it.
#[must_use]
pub fn reconciliation_id(task_queue: &str) -> String {
    format!("reconciliation-{task_queue}")
}

/// Returns the id of the order whose workflow has this id.
#[must_use]
pub fn order_of_workflow(workflow_id: &str) -> Option<&str> {
    workflow_id.strip_prefix(ORDER_PREFIX).or_else(|| workflow_id.strip_prefix(PAYMENT_PREFIX))
}

/// Returns the workflow id of an order. An order has one running workflow at most.
#[must_use]
pub fn order_workflow_id(order_id: &str) -> String {
    format!("{ORDER_PREFIX}{order_id}")
}

/// Returns the workflow id of a payment. A reference, for example an order's id, has one running payment at
/// most.
#[must_use]
pub fn payment_workflow_id(reference: &str) -> String {
    format!("{PAYMENT_PREFIX}{reference}")
}

/// Returns the workflow id of a user context.
#[must_use]
pub fn user_context_workflow_id(user: &str) -> String {
    format!("{USER_CONTEXT_PREFIX}{user}")
}

/// Returns the workflow id of a subscription.
#[must_use]
pub fn subscription_workflow_id(subscription_id: &str) -> String {
    format!("{SUBSCRIPTION_PREFIX}{subscription_id}")
}

/// Returns the workflow id of a batch.
#[must_use]
pub fn batch_workflow_id(batch_id: &str) -> String {
    format!("{BATCH_PREFIX}{batch_id}")
}

/// Returns the workflow id of a return.
#[must_use]
pub fn return_workflow_id(return_id: &str) -> String {
    format!("{RETURN_PREFIX}{return_id}")
}

/// Returns true if a return has this workflow id.
#[must_use]
pub fn is_return(workflow_id: &str) -> bool {
    workflow_id.starts_with(RETURN_PREFIX)
}

/// Returns the id of an order's return, counted from 1.
#[must_use]
pub fn return_id(order_id: &str, number: u32) -> String {
    format!("{order_id}-{number}")
}

/// Returns the workflow id of a chunk of a batch.
#[must_use]
pub fn batch_chunk_workflow_id(batch_id: &str, index: u32) -> String {
    format!("batch-chunk-{batch_id}-{index}")
}

/// Returns the id of a subscription's order for a period.
#[must_use]
pub fn subscribed_order_id(subscription_id: &str, period: u32) -> String {
    format!("{subscription_id}-{period}")
}

/// A call of a workflow to another system. Its name is the activity's id and part of the idempotency key, so
/// it never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Call {
    AuthorizePayment,
    ReserveInventory,
    CapturePayment,
    CreateShippingLabel,
    SendNotification,
    ReleasePayment,
    RefundPayment,
    ReleaseInventory,
    CancelShippingLabel,
    CreateReturnLabel,
    CancelReturnLabel,
    RestockInventory,
    RefundReturn,
    /// Authorizes and captures in one call.
    ChargePayment,
    GetLocation,
    GetWeather,
    GetCatFact,
}

impl Call {
    /// Returns the serialized name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

/// Returns the idempotency key of a call. Because of the first run's id, it is the same in every attempt,
/// after a reset and after continue-as-new. A failed order that is placed again has a new key.
#[must_use]
pub fn idempotency_key(workflow_id: &str, first_run_id: &str, call: Call) -> String {
    format!("{workflow_id}/{first_run_id}/{}", call.name())
}

/// Returns the workflow id and the first run's id in an idempotency key of ours. `None` for a key of another form.
#[must_use]
pub fn caller_of_key(key: &str) -> Option<(&str, &str)> {
    let (caller, _) = key.rsplit_once('/')?;
    caller.rsplit_once('/').filter(|(workflow_id, run_id)| !workflow_id.is_empty() && !run_id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_caller() {
        let key = idempotency_key("order-fulfillment-42", "run-1", Call::CapturePayment);
        assert_eq!(caller_of_key(&key), Some(("order-fulfillment-42", "run-1")));
        for foreign in ["", "shop-7", "a/b", "//x", "/run/call"] {
            assert_eq!(caller_of_key(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_key_names_workflow_first_run_and_call() {
        assert_eq!(
            idempotency_key(&order_workflow_id("42"), "run-1", Call::CapturePayment),
            "order-fulfillment-42/run-1/capture_payment"
        );
    }
}
