//! What goes into and comes out of the payment workflow. Histories outlive the REST bodies, so these are
//! types of their own.

use serde::{Deserialize, Serialize};

use super::state::Payment;
use crate::{policies::Timing, saga::Saga};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentInput {
    /// What the provider's ledger knows the payment by: the order that is paid, or a name of its own.
    pub order_id: String,
    /// Minor units.
    pub amount: u64,
    pub currency: String,
    /// The provider's token of a card; never a card number.
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub correlation_id: String,
    /// How long a payment that succeeded can still be cancelled. Milliseconds.
    pub cancel_window_ms: u64,
    #[serde(default)]
    pub timing: Timing,
    /// Set by continue-as-new alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Box<CarriedState>>,
}

/// What a compensation that outlives one history carries over.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CarriedState {
    pub payment: Payment,
    pub saga: Saga,
    pub round: u32,
}
