//! The storage of reservations, and their chaos.

pub mod chaos;
mod records;

pub use records::ReservationRecords;
