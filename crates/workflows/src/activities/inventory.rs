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

pub struct InventoryActivities;

#[activity_definitions]
impl InventoryActivities {
    #[activity(name = "reserveInventory")]
    pub fn reserve_inventory(input: Reserve) -> Reserved {
        unimplemented!()
    }

    #[activity(name = "releaseInventory")]
    pub fn release_inventory(input: UndoInput) -> UndoOutput {
        unimplemented!()
    }
}

pub use inventory_activities::{ReleaseInventory, ReserveInventory};
