//! The storage of Stripe's objects, and their chaos.

pub mod chaos;
mod records;
mod sender;

pub use records::StripeRecords;
pub use sender::HttpSender;
