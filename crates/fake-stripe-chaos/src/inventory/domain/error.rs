//! The errors of a reservation.

/// The name that `strum` gives an error is its public code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum InventoryError {
    #[error("there is no reservation {0}")]
    #[strum(serialize = "reservation_not_found")]
    NotFound(String),
    #[error("an item is out of stock")]
    OutOfStock,
    #[error("the reservation is already released")]
    AlreadyReleased,
    #[error("the reservation has expired, so its stock is no longer reserved")]
    #[strum(serialize = "reservation_expired")]
    Expired,
    #[error("the order shipped with the reserved stock")]
    #[strum(serialize = "reservation_fulfilled")]
    Fulfilled,
    #[error("more would come back than the order shipped and still has")]
    RestockExceedsShipment,
}
