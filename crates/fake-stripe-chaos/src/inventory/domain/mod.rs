//! What a reservation is and what can happen to it.

mod error;
mod reservation;

pub use error::InventoryError;
pub use reservation::{Item, RESERVATION_LIVES, Reservation, ReservationId, Terms};
