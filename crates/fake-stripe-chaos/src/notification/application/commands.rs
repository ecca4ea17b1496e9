//! The operation on notifications and what it is told.

use crate::{
    notification::domain::Channel,
    shared::{ids::OrderId, operation::Operation},
};

pub const CONTEXT: &str = "notification";
pub const SEND: Operation = Operation::new("notification.send");

/// Without what the message says: nothing here ever reads it.
#[derive(Debug, Clone)]
pub struct Send {
    pub channel: Channel,
    pub recipient: String,
    pub order_id: Option<OrderId>,
}
