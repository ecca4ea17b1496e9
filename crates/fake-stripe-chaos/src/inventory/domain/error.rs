//! The errors of a reservation.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    #[error("there is no reservation {0}")]
    NotFound(String),
    #[error("an item is out of stock")]
    OutOfStock,
    #[error("the reservation is already released")]
    AlreadyReleased,
    #[error("the reservation has expired, so its stock is no longer reserved")]
    Expired,
    #[error("the order shipped with the reserved stock")]
    Fulfilled,
}

impl InventoryError {
    /// Returns the public code of the error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "reservation_not_found",
            Self::OutOfStock => "out_of_stock",
            Self::AlreadyReleased => "already_released",
            Self::Expired => "reservation_expired",
            Self::Fulfilled => "reservation_fulfilled",
        }
    }
}
