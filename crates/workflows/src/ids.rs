//! Names that the API, the worker and people in the Temporal UI meet: workflow ids, the task queue,
//! idempotency keys, the memo and header that carry the correlation id.

/// Where workers look for work unless configured otherwise.
pub const DEFAULT_TASK_QUEUE: &str = "founder-tasks";

/// The memo and the start header that hold the correlation id.
pub const CORRELATION_FIELD: &str = "correlationId";

/// The memo fields that lists show beside the search attributes.
pub const ORDER_ID_MEMO: &str = "orderId";
pub const CUSTOMER_ID_MEMO: &str = "customerId";
/// Minor units.
pub const AMOUNT_MEMO: &str = "amount";
pub const CURRENCY_MEMO: &str = "currency";
/// The memo that tells the request which started the workflow from another one.
pub const REQUEST_MEMO: &str = "request";
/// Why an order didn't ship; written by its workflow.
pub const ERROR_MEMO: &str = "error";

const ORDER_PREFIX: &str = "order-fulfillment-";
const PAYMENT_PREFIX: &str = "payment-";
const USER_CONTEXT_PREFIX: &str = "user-context-";

/// The workflow id of an order: one order, one workflow at a time.
#[must_use]
pub fn order_workflow_id(order_id: &str) -> String {
    format!("{ORDER_PREFIX}{order_id}")
}

/// The workflow id of a payment: one reference (an order's id, say), one payment at a time.
#[must_use]
pub fn payment_workflow_id(reference: &str) -> String {
    format!("{PAYMENT_PREFIX}{reference}")
}

/// The workflow id of a user's context.
#[must_use]
pub fn user_context_workflow_id(user: &str) -> String {
    format!("{USER_CONTEXT_PREFIX}{user}")
}

/// One call a workflow makes to the world. Its name is its activity's id and part of the idempotency
/// key, so it is never changed once released.
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
    /// Authorizes and captures in one.
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

/// The idempotency key of a call. The first run's id makes it the same in every attempt, after a
/// reset and after continue-as-new, and another one when a failed order is tried again.
#[must_use]
pub fn idempotency_key(workflow_id: &str, first_run_id: &str, call: Call) -> String {
    format!("{workflow_id}/{first_run_id}/{}", call.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_workflow_first_run_and_call() {
        assert_eq!(
            idempotency_key(&order_workflow_id("42"), "run-1", Call::CapturePayment),
            "order-fulfillment-42/run-1/capture_payment"
        );
    }
}
