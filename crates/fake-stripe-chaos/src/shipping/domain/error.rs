//! The errors of a label.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShippingError {
    #[error("there is no label {0}")]
    NotFound(String),
    #[error("the carrier cannot deliver to this address")]
    AddressRejected,
    #[error("the label is already cancelled")]
    AlreadyCancelled,
}

impl ShippingError {
    /// Returns the public code of the error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "label_not_found",
            Self::AddressRejected => "address_error",
            Self::AlreadyCancelled => "already_cancelled",
        }
    }
}
