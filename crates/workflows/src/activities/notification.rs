//! Notification activities.

use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;

use super::CallContext;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notify {
    pub call: CallContext,
    /// An e-mail address.
    pub recipient: String,
    pub subject: String,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notified {
    pub notification_id: String,
}

pub struct NotificationActivities;

#[activity_definitions]
impl NotificationActivities {
    #[activity(name = "sendNotification")]
    pub fn send_notification(input: Notify) -> Notified {
        unimplemented!()
    }
}

pub use notification_activities::SendNotification;
