//! The reservation, its states and its changes.

mod error;
mod reservation;

pub use error::InventoryError;
pub use reservation::{Item, RESERVATION_TTL, Reservation, ReservationId, Terms};
