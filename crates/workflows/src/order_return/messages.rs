//! The messages of the return workflow. Histories outlive the REST bodies, so both have separate types.

use serde::{Deserialize, Serialize};

use super::state::Return;
use crate::{
    activities::{inventory::StockLine, shipping::Address},
    policies::Timing,
    saga::Saga,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReturnInput {
    pub return_id: String,
    pub order_id: String,
    /// The first run of the order's workflow. The idempotency keys of its calls have it.
    pub order_first_run_id: String,
    /// The goods that come back. No SKU is there twice.
    pub lines: Vec<StockLine>,
    /// True if nothing of the order is left with the customer afterwards.
    pub is_whole: bool,
    /// The refund in minor units.
    pub amount: u64,
    pub currency: String,
    /// The place of the goods.
    pub address: Address,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub correlation_id: String,
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
    pub order_return: Return,
    pub saga: Saga,
    pub round: u32,
}
