//! Defines the bodies of payments. Histories outlive the bodies, so they have types of their own.

use serde::Serialize;
use utoipa::ToSchema;
use workflows::payment::state::PaymentState;

use crate::{
    gateway::{Observed, WorkflowId},
    order::{CompensationBody, ErrorBody, RunBody},
};

/// Documents the body of `POST /api/v1/workflows/payment`.
/// [`PaymentRequest`](super::request::PaymentRequest) reads it.
#[derive(ToSchema)]
#[schema(as = Payment, rename_all = "camelCase")]
#[allow(dead_code, reason = "the schema alone is used")]
pub struct StartPaymentBody {
    /// Is the id of the paid order, and names the workflow. It has 1 to 128 of `A-Z a-z 0-9 . _ -`.
    #[schema(example = "order-1001", min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._-]{1,128}$")]
    order_id: Option<String>,
    /// Holds the amount in minor units.
    #[schema(example = 5998, minimum = 1, maximum = 99_999_999)]
    amount: u64,
    /// Is an ISO 4217 code, in any case. It accepts the currencies of an order.
    #[schema(example = "usd")]
    currency: String,
    /// Is the provider's token of a card, never a card number.
    #[schema(example = "tok_visa", min_length = 1, max_length = 255)]
    source: String,
    #[schema(max_length = 500)]
    description: Option<String>,
    /// Replaces the correlation id of the header. It names the workflow if there is no order.
    #[schema(min_length = 1, max_length = 128)]
    correlation_id: Option<String>,
}

/// Describes the state of a payment.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PaymentState)]
pub struct PaymentBody {
    /// Says that the state is available; in a result, whether the card is charged. It is absent from
    /// the 202 of a result, which does not know it yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<bool>,
    workflow_id: String,
    #[serde(flatten)]
    run: RunBody,
    order_id: String,
    /// Is `pending`, `processing`, `succeeded`, `failed` (nothing was ever charged) or `compensated`
    /// (the money is refunded). `compensating` and `compensation_failed` are not final. After an end
    /// from outside it is `terminated` or `timed_out`.
    #[schema(example = "succeeded")]
    status: &'static str,
    /// Counts the known attempts of the charge. It is at least 1 after the first request.
    attempts: u32,
    /// Holds the amount in minor units.
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
    /// Says whether a cancellation still counts.
    cancellable: bool,
    /// Says whether somebody cancelled it in time.
    cancelled: bool,
    compensations: Vec<CompensationBody>,
    /// Gives the reason if the payment does not stay.
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

    /// Builds the result: `success` says whether the card is charged.
    pub fn of_result(id: &WorkflowId, observed: Observed<PaymentState>) -> Self {
        Self { success: Some(observed.succeeded()), ..Self::new(id, observed) }
    }

    /// Builds the state of a payment whose result is not available yet.
    pub fn of_now(id: &WorkflowId, observed: Observed<PaymentState>) -> Self {
        Self { success: None, ..Self::new(id, observed) }
    }
}
