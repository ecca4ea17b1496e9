//! The payment, its states and its changes.

mod error;
mod payment;

pub use error::PaymentError;
pub use payment::{AUTHORIZATION_TTL, AuthId, Charge, ChargeId, Payment, Refund, RefundId, State, Terms};
