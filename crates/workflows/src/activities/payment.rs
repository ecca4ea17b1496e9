//! Payment activities.

use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;

use super::{CallContext, UndoInput, UndoOutput};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authorize {
    pub call: CallContext,
    pub customer_id: String,
    /// Minor units.
    pub amount: u64,
    pub currency: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authorized {
    pub auth_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capture {
    pub call: CallContext,
    pub auth_id: String,
    /// Minor units. Another captured amount is a mismatch.
    pub amount: u64,
    pub currency: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Charge {
    pub call: CallContext,
    /// Minor units. Another charged amount is a mismatch.
    pub amount: u64,
    pub currency: String,
    /// The provider's token of a card; never a card number.
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Charged {
    pub charge_id: String,
    pub auth_id: String,
    /// The attempt that got the answer, counted from 1.
    pub attempt: u32,
}

/// Refunds a part of a captured payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundPart {
    pub call: CallContext,
    /// The idempotency key of the call that captured the payment.
    pub capture_key: String,
    /// Minor units.
    pub amount: u64,
    pub currency: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refunded {
    /// `None` if the payment was refunded in whole before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_id: Option<String>,
}

pub struct PaymentActivities;

#[activity_definitions]
impl PaymentActivities {
    #[activity(name = "authorizePayment")]
    pub fn authorize_payment(input: Authorize) -> Authorized {
        unimplemented!()
    }

    #[activity(name = "capturePayment")]
    pub fn capture_payment(input: Capture) {
        unimplemented!()
    }

    /// Authorizes and captures in one call.
    #[activity(name = "processPaymentActivity")]
    pub fn charge_payment(input: Charge) -> Charged {
        unimplemented!()
    }

    #[activity(name = "releasePayment")]
    pub fn release_payment(input: UndoInput) -> UndoOutput {
        unimplemented!()
    }

    #[activity(name = "refundReturn")]
    pub fn refund_return(input: RefundPart) -> Refunded {
        unimplemented!()
    }

    #[activity(name = "refundPayment")]
    pub fn refund_payment(input: UndoInput) -> UndoOutput {
        unimplemented!()
    }
}

pub use payment_activities::{
    AuthorizePayment, CapturePayment, ChargePayment, RefundPayment, RefundReturn, ReleasePayment,
};
