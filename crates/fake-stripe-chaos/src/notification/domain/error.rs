//! The errors of a notification.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotificationError {
    #[error("there is no notification {0}")]
    NotFound(String),
}

impl NotificationError {
    /// Returns the public code of the error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "notification_not_found",
        }
    }
}
