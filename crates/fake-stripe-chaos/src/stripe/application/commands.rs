//! The operations of Stripe's API, and their commands.

use std::collections::BTreeMap;

use crate::{
    shared::{ids::OrderId, money::Amount, operation::Operation},
    stripe::domain::{Attributes, CancellationReason, Fields, Kind, Method, RefundId},
};

pub const CONTEXT: &str = "stripe";
pub const CREATE_INTENT: Operation = Operation::new("stripe.payment_intents.create");
pub const UPDATE_INTENT: Operation = Operation::new("stripe.payment_intents.update");
pub const CONFIRM_INTENT: Operation = Operation::new("stripe.payment_intents.confirm");
pub const CAPTURE_INTENT: Operation = Operation::new("stripe.payment_intents.capture");
pub const CANCEL_INTENT: Operation = Operation::new("stripe.payment_intents.cancel");
pub const CREATE_REFUND: Operation = Operation::new("stripe.refunds.create");
pub const UPDATE_REFUND: Operation = Operation::new("stripe.refunds.update");
pub const CREATE_CUSTOMER: Operation = Operation::new("stripe.customers.create");
pub const UPDATE_CUSTOMER: Operation = Operation::new("stripe.customers.update");
pub const DELETE_CUSTOMER: Operation = Operation::new("stripe.customers.delete");
pub const CREATE_METHOD: Operation = Operation::new("stripe.payment_methods.create");
pub const UPDATE_METHOD: Operation = Operation::new("stripe.payment_methods.update");
pub const ATTACH_METHOD: Operation = Operation::new("stripe.payment_methods.attach");
pub const DETACH_METHOD: Operation = Operation::new("stripe.payment_methods.detach");
pub const CREATE_ENDPOINT: Operation = Operation::new("stripe.webhook_endpoints.create");
pub const UPDATE_ENDPOINT: Operation = Operation::new("stripe.webhook_endpoints.update");
pub const DELETE_ENDPOINT: Operation = Operation::new("stripe.webhook_endpoints.delete");
/// The delivery of an event to a webhook endpoint.
pub const DELIVER_WEBHOOK: Operation = Operation::new("stripe.webhooks.deliver");

#[derive(Debug, Clone)]
pub struct CreateIntent {
    pub attributes: Attributes,
    pub confirm: bool,
    pub order: Option<OrderId>,
}

pub struct ConfirmIntent {
    pub intent: String,
    pub method: Option<Method>,
    /// The attributes that change before the charge.
    pub change: Option<ChangeAttributes>,
}

#[derive(Debug, Clone)]
pub struct CaptureIntent {
    pub intent: String,
    /// All of it, if it is none.
    pub amount: Option<Amount>,
}

#[derive(Debug, Clone)]
pub struct CancelIntent {
    pub intent: String,
    pub reason: Option<CancellationReason>,
}

#[derive(Debug, Clone)]
pub struct CreateRefund {
    pub intent: String,
    /// The charge that the caller means, if they named it.
    pub charge: Option<String>,
    /// The remaining amount, if it is none.
    pub amount: Option<Amount>,
    pub reason: Option<String>,
    pub metadata: BTreeMap<String, String>,
}

pub struct UpdateRefund {
    pub intent: String,
    pub refund: RefundId,
    /// Changes the metadata that the refund has by then.
    pub metadata: ChangeMetadata,
}

/// A change of metadata, from the current ones.
pub type ChangeMetadata = Box<dyn FnOnce(BTreeMap<String, String>) -> BTreeMap<String, String> + Send>;

/// A change of an intent's attributes, from its current ones.
pub type ChangeAttributes = Box<dyn FnOnce(&Attributes) -> Attributes + Send>;

#[derive(Debug, Clone)]
pub struct CreateDocument {
    pub kind: Kind,
    pub fields: Fields,
    pub order: Option<OrderId>,
}
