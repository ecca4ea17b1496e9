//! The messages of the payment workflow. Histories outlive the REST bodies, so both have separate types.

use serde::{Deserialize, Serialize};

use super::state::Payment;
use crate::{policies::Timing, saga::Saga};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentInput {
    /// The payment's name in the provider's ledger: the paid order, or its own name.
    pub order_id: String,
    /// Minor units.
    pub amount: u64,
    pub currency: String,
    /// The provider's token of a card; never a card number.
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub correlation_id: String,
    /// The time in which a successful payment can be cancelled. Milliseconds.
    pub cancel_window_ms: u64,
    #[serde(default)]
    pub timing: Timing,
    /// Set by continue-as-new only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Box<CarriedState>>,
}

/// The state that continue-as-new carries into the next history.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CarriedState {
    pub payment: Payment,
    pub saga: Saga,
    pub round: u32,
}
