//! The operations on payments, and their commands.

use crate::shared::{
    ids::{CustomerId, OrderId},
    money::{Amount, Money},
    operation::Operation,
    protocol::Target,
};

pub const CONTEXT: &str = "payment";
pub const AUTHORIZE: Operation = Operation::new("payment.authorize");
pub const CAPTURE: Operation = Operation::new("payment.capture");
pub const RELEASE: Operation = Operation::new("payment.release");
pub const REFUND: Operation = Operation::new("payment.refund");
pub const CHARGE: Operation = Operation::new("payment.charge");

#[derive(Debug, Clone)]
pub struct Authorize {
    pub money: Money,
    pub order_id: Option<OrderId>,
    pub customer_id: Option<CustomerId>,
}

#[derive(Debug, Clone)]
pub struct Capture {
    pub auth_id: String,
}

#[derive(Debug, Clone)]
pub struct Release {
    pub target: Target,
}

#[derive(Debug, Clone)]
pub struct RefundPayment {
    pub target: Target,
    /// The remaining amount, if it is none.
    pub amount: Option<Amount>,
    pub reason: Option<String>,
}

/// Authorizes and captures in one call. It has no card, because nothing stores one.
#[derive(Debug, Clone)]
pub struct ChargeCard {
    pub money: Money,
    pub description: Option<String>,
    pub order_id: Option<OrderId>,
}
