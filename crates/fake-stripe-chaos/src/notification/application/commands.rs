//! The operation on notifications, and its command.

use crate::{
    notification::domain::Channel,
    shared::{ids::OrderId, operation::Operation},
};

pub const CONTEXT: &str = "notification";
pub const SEND: Operation = Operation::new("notification.send");

/// It has no subject and no message, because nothing reads them.
#[derive(Debug, Clone)]
pub struct Send {
    pub channel: Channel,
    pub recipient: String,
    pub order_id: Option<OrderId>,
}
