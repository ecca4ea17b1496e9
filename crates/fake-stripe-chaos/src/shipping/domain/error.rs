//! The errors of a label.

/// The name that `strum` gives an error is its public code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ShippingError {
    #[error("there is no label {0}")]
    #[strum(serialize = "label_not_found")]
    NotFound(String),
    #[error("the carrier cannot deliver to this address")]
    #[strum(serialize = "address_error")]
    AddressRejected,
    #[error("the label is already cancelled")]
    AlreadyCancelled,
}
