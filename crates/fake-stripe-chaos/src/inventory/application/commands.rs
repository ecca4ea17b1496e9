//! The operations on inventory, and their commands.

use crate::{
    inventory::domain::Item,
    shared::{ids::OrderId, operation::Operation, protocol::Target},
};

pub const CONTEXT: &str = "inventory";
pub const RESERVE: Operation = Operation::new("inventory.reserve");
pub const RELEASE: Operation = Operation::new("inventory.release");

/// Takes back stock that an order shipped.
pub const RESTOCK: Operation = Operation::new("inventory.restock");

#[derive(Debug, Clone)]
pub struct Reserve {
    pub items: Vec<Item>,
    pub order_id: Option<OrderId>,
}

#[derive(Debug, Clone)]
pub struct Release {
    pub target: Target,
}

#[derive(Debug, Clone)]
pub struct Restock {
    pub target: Target,
    /// Everything that has not come back yet, if it is none.
    pub items: Option<Vec<Item>>,
}
