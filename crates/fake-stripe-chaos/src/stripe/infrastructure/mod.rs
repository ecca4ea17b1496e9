//! The storage of Stripe's objects, and their chaos.

pub mod chaos;
mod deliverer;
mod records;
mod sender;

pub use deliverer::{Deliverer, NewDeliveries};
pub use records::StripeRecords;
pub use sender::HttpSender;
