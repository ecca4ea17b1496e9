//! The storage of payments, and their chaos.

pub mod chaos;
mod records;

pub use records::PaymentRecords;
