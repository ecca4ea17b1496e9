//! The operations on labels, and their commands.

use crate::{
    shared::{ids::OrderId, operation::Operation, protocol::Target},
    shipping::domain::Carrier,
};

pub const CONTEXT: &str = "shipping";
pub const CREATE_LABEL: Operation = Operation::new("shipping.create-label");
/// A label for the way back, after the order shipped.
pub const CREATE_RETURN_LABEL: Operation = Operation::new("shipping.create-return-label");
pub const CANCEL: Operation = Operation::new("shipping.cancel");

#[derive(Debug, Clone)]
pub struct CreateLabel {
    pub carrier: Carrier,
    pub order_id: Option<OrderId>,
}

#[derive(Debug, Clone)]
pub struct Cancel {
    pub target: Target,
}
