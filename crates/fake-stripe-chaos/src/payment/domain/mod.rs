//! What a payment is and what can happen to it.

mod error;
mod payment;

pub use error::PaymentError;
pub use payment::{AUTHORIZATION_LIVES, AuthId, Charge, ChargeId, Payment, Refund, RefundId, State, Terms};
