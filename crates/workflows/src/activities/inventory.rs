//! Inventory activities.

use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;

use super::{CallContext, UndoInput, UndoOutput};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reserve {
    pub call: CallContext,
    pub lines: Vec<StockLine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StockLine {
    pub sku: String,
    pub quantity: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reserved {
    pub reservation_id: String,
}

/// Takes back stock of a shipped order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restock {
    pub call: CallContext,
    /// The idempotency key of the call that reserved the stock.
    pub reserve_key: String,
    pub lines: Vec<StockLine>,
}

pub struct InventoryActivities;

#[activity_definitions]
impl InventoryActivities {
    #[activity(name = "reserveInventory")]
    pub fn reserve_inventory(input: Reserve) -> Reserved {
        unimplemented!()
    }

    #[activity(name = "restockInventory")]
    pub fn restock_inventory(input: Restock) {
        unimplemented!()
    }

    #[activity(name = "releaseInventory")]
    pub fn release_inventory(input: UndoInput) -> UndoOutput {
        unimplemented!()
    }
}

pub use inventory_activities::{ReleaseInventory, ReserveInventory, RestockInventory};
