//! A notification. After it is sent, it never changes.

use serde::{Deserialize, Serialize};

use crate::shared::{
    clock::Timestamp,
    ids::{OrderId, id},
};

id! { NotificationId, "ntf_" }

/// The channel of a notification.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, Serialize, Deserialize,
)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownChannel, parse_err_fn = unknown_channel)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Email,
    Sms,
    Push,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of email, sms, push")]
pub struct UnknownChannel;

const fn unknown_channel(_: &str) -> UnknownChannel {
    UnknownChannel
}

/// A sent notification. Its text is not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    pub id: NotificationId,
    pub channel: Channel,
    pub recipient: String,
    pub order_id: Option<OrderId>,
    pub sent_at: Timestamp,
}
