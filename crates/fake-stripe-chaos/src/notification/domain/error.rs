//! Why something can't be done about a notification.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotificationError {
    #[error("there is no notification {0}")]
    NotFound(String),
}

impl NotificationError {
    /// The word for it that callers and operators see.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "notification_not_found",
        }
    }
}
