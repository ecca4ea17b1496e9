//! Shipping activities.

use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;

use super::{CallContext, UndoInput, UndoOutput};

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
    /// Heartbeats its progress in percent.
    #[activity(name = "createShippingLabel")]
    pub fn create_shipping_label(input: CreateLabel) -> Label {
        unimplemented!()
    }

    /// Creates a label for the way back. Heartbeats its progress in percent.
    #[activity(name = "createReturnLabel")]
    pub fn create_return_label(input: CreateLabel) -> Label {
        unimplemented!()
    }

    #[activity(name = "cancelShippingLabel")]
    pub fn cancel_shipping_label(input: UndoInput) -> UndoOutput {
        unimplemented!()
    }
}

pub use shipping_activities::{CancelShippingLabel, CreateReturnLabel, CreateShippingLabel};

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_address_without_state_and_zip_and_an_older_one_with_both_are_read() {
        let hong_kong = json!({"street": "1 Queen's Road", "city": "Hong Kong", "country": "HK"});
        let address: Address = serde_json::from_value(hong_kong.clone()).unwrap();
        assert_eq!((&address.state, &address.zip), (&None, &None));
        assert_eq!(serde_json::to_value(&address).unwrap(), hong_kong, "an absent member is not written");

        let london =
            json!({"street": "1 Row", "city": "London", "state": "LDN", "zip": "W1", "country": "GB"});
        let address: Address = serde_json::from_value(london.clone()).unwrap();
        assert_eq!((address.state.as_deref(), address.zip.as_deref()), (Some("LDN"), Some("W1")));
        assert_eq!(serde_json::to_value(&address).unwrap(), london);
    }
}
