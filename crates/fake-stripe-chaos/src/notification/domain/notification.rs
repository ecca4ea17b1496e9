//! A notification. After it is sent, it never changes.

use std::str::FromStr;

use crate::shared::{
    clock::Timestamp,
    ids::{OrderId, id},
};

id! { NotificationId, "ntf_" }

/// The channel of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    Email,
    Sms,
    Push,
}

impl Channel {
    pub const ALL: [Self; 3] = [Self::Email, Self::Sms, Self::Push];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Push => "push",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of email, sms, push")]
pub struct UnknownChannel;

impl FromStr for Channel {
    type Err = UnknownChannel;

    fn from_str(text: &str) -> Result<Self, UnknownChannel> {
        Self::ALL.into_iter().find(|channel| channel.name() == text).ok_or(UnknownChannel)
    }
}

/// A sent notification. Its text is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub id: NotificationId,
    pub channel: Channel,
    pub recipient: String,
    pub order_id: Option<OrderId>,
    pub sent_at: Timestamp,
}
