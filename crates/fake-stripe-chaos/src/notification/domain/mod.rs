//! The notification.

mod error;
mod notification;

pub use error::NotificationError;
pub use notification::{Channel, Notification, NotificationId};
