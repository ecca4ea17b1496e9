//! The bodies of payments. Histories outlive them, so they are types of their own.

use serde::Serialize;
use utoipa::ToSchema;
use workflows::payment::state::PaymentState;

use crate::{
    gateway::{Observed, WorkflowId},
    order::{CompensationBody, ErrorBody, RunBody},
};

/// What `POST /api/v1/workflows/payment` takes. Read by
/// [`PaymentRequest`](super::request::PaymentRequest); this is its documentation.
#[derive(ToSchema)]
#[schema(as = Payment, rename_all = "camelCase")]
#[allow(dead_code, reason = "the schema alone is used")]
pub struct StartPaymentBody {
    /// The order that is paid; names the workflow. 1 to 128 of `A-Z a-z 0-9 . _ -`.
    #[schema(example = "order-1001", min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._-]{1,128}$")]
    order_id: Option<String>,
    /// Minor units.
    #[schema(example = 5998, minimum = 1, maximum = 99_999_999)]
    amount: u64,
    /// ISO 4217, in any case; those that an order takes.
    #[schema(example = "usd")]
    currency: String,
    /// The provider's token of a card; never a card number.
    #[schema(example = "tok_visa", min_length = 1, max_length = 255)]
    source: String,
    #[schema(max_length = 500)]
    description: Option<String>,
    /// Instead of the header's; names the workflow where there is no order.
    #[schema(min_length = 1, max_length = 128)]
    correlation_id: Option<String>,
}

/// The state of a payment.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PaymentState)]
pub struct PaymentBody {
    /// That the state could be had; in a result, whether the card is charged. Absent from the 202 of a result,
    /// which doesn't know it yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<bool>,
    workflow_id: String,
    #[serde(flatten)]
    run: RunBody,
    order_id: String,
    /// `pending`, `processing`, `succeeded`, `failed` (nothing was ever charged), `compensated` (the money
    /// is given back), `compensating` or `compensation_failed`, which are not final; `terminated` or `timed_out`
    /// where it was ended from outside.
    #[schema(example = "succeeded")]
    status: &'static str,
    /// Of the charge: those that are known of, at least 1 once it is asked for.
    attempts: u32,
    /// Minor units.
    #[schema(example = 5998)]
    amount: u64,
    #[schema(example = "usd")]
    currency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    charged_at: Option<String>,
    /// Whether a cancellation still counts.
    cancellable: bool,
    /// Whether somebody cancelled it in time.
    cancelled: bool,
    compensations: Vec<CompensationBody>,
    /// Why the payment doesn't stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
    /// Grows with every change.
    version: u64,
}

impl PaymentBody {
    pub fn new(id: &WorkflowId, observed: Observed<PaymentState>) -> Self {
        let status = observed.status(|state| state.status.name());
        let Observed { run, state, .. } = observed;
        Self {
            success: Some(true),
            workflow_id: id.as_str().to_owned(),
            run: run.into(),
            order_id: state.order_id,
            status,
            attempts: state.attempts,
            amount: state.amount,
            currency: state.currency,
            charge_id: state.charge_id,
            auth_id: state.auth_id,
            charged_at: state.charged_at,
            cancellable: state.cancellable,
            cancelled: state.cancelled,
            compensations: state.compensations.into_iter().map(Into::into).collect(),
            error: state.error.map(Into::into),
            version: state.version,
        }
    }

    /// The result: `success` says whether the card is charged.
    pub fn of_result(id: &WorkflowId, observed: Observed<PaymentState>) -> Self {
        Self { success: Some(observed.succeeded()), ..Self::new(id, observed) }
    }

    /// The state of a payment whose result isn't there yet.
    pub fn of_now(id: &WorkflowId, observed: Observed<PaymentState>) -> Self {
        Self { success: None, ..Self::new(id, observed) }
    }
}
