//! The messages of the order workflow. Histories outlive the REST bodies, so both have separate types.

use serde::{Deserialize, Serialize};

use super::state::{Order, OrderState};
use crate::{
    activities::shipping::Address,
    policies::Timing,
    saga::{Reason, Saga},
};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderInput {
    pub order_id: String,
    pub customer_id: String,
    pub customer_email: String,
    pub items: Vec<Item>,
    /// Minor units.
    pub amount: u64,
    pub currency: String,
    pub shipping_address: Address,
    pub requires_approval: bool,
    pub correlation_id: String,
    /// True if the namespace has our search attributes. If not, the workflow writes none.
    pub search_attributes: bool,
    #[serde(default)]
    pub timing: Timing,
    /// Set by continue-as-new only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Box<CarriedState>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    pub sku: String,
    pub quantity: u32,
    /// Minor units.
    pub price: u64,
}

/// Update `decide`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "decision")]
pub enum Decide {
    Approve {
        /// The person who decided, if the API knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        actor: Option<String>,
    },
    Reject(Reason),
}

/// The answer of update `decide`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// False if another decision came first.
    pub counted: bool,
    /// The state after the update.
    pub state: OrderState,
}

/// The answer of update `changeShippingAddress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressChange {
    /// False if the order had this address before.
    pub changed: bool,
}

/// The state that continue-as-new carries into the next history.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CarriedState {
    pub order: Order,
    pub saga: Saga,
    pub round: u32,
}

/// `getProgress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// 0 to 100.
    pub progress: u8,
}
