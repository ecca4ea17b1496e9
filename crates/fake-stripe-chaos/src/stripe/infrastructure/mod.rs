//! The storage of Stripe's objects, and their chaos.

pub mod chaos;
mod records;

pub use records::StripeRecords;
