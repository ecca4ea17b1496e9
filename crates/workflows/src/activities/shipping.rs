//! Shipping activities.

use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;

use super::{CallContext, Undo, Undone};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    pub street: String,
    pub city: String,
    /// `None` where the country has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `None` where the country has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zip: Option<String>,
    pub country: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateLabel {
    pub call: CallContext,
    pub address: Address,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Label {
    pub label_id: String,
    pub tracking_number: String,
}

pub struct ShippingActivities;

#[activity_definitions]
impl ShippingActivities {
    /// Heartbeats its progress, a percentage.
    #[activity(name = "createShippingLabel")]
    pub fn create_shipping_label(input: CreateLabel) -> Label {
        unimplemented!()
    }

    #[activity(name = "cancelShippingLabel")]
    pub fn cancel_shipping_label(input: Undo) -> Undone {
        unimplemented!()
    }
}

pub use shipping_activities::{CancelShippingLabel, CreateShippingLabel};
