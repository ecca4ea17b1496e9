//! Why something can't be done to a label.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShippingError {
    #[error("there is no label {0}")]
    NotFound(String),
    #[error("the carrier can't deliver to this address")]
    AddressRejected,
    #[error("the label is already cancelled")]
    AlreadyCancelled,
}

impl ShippingError {
    /// The word for it that callers and operators see.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "label_not_found",
            Self::AddressRejected => "address_error",
            Self::AlreadyCancelled => "already_cancelled",
        }
    }
}
