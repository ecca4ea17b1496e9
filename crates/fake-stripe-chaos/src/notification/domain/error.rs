//! The errors of a notification.

/// The name that `strum` gives an error is its public code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
pub enum NotificationError {
    #[error("there is no notification {0}")]
    #[strum(serialize = "notification_not_found")]
    NotFound(String),
}
