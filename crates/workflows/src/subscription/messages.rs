//! The messages of the subscription workflow.

use serde::{Deserialize, Serialize};

use super::{recurrence::Recurrence, state::Subscription};
use crate::{activities::shipping::Address, order_fulfillment::messages::Item, policies::Timing};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionInput {
    pub subscription_id: String,
    pub customer_id: String,
    pub customer_email: String,
    pub shipping_address: Address,
    pub currency: String,
    pub terms: Terms,
    pub recurrence: Recurrence,
    /// The time of the first order, in milliseconds since the Unix epoch. `None` means at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at_ms: Option<i64>,
    /// The number of orders after which the subscription is completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_orders: Option<u32>,
    pub correlation_id: String,
    /// True if the namespace has our search attributes. If not, the workflow writes none.
    pub search_attributes: bool,
    /// Of its orders.
    pub timing: Timing,
    /// The wait before a failed order is placed again; doubles with each attempt.
    pub retry_after_ms: u64,
    /// The number of periods in one history.
    pub periods_per_run: u32,
    /// Set by continue-as-new only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Box<Subscription>>,
}

/// The content of each order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    pub items: Vec<Item>,
    /// Minor units: the sum of the items.
    pub amount: u64,
    /// The amount in major units, for the search attribute only.
    pub total: String,
}
