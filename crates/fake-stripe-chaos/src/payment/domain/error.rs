//! The errors of a payment.

use crate::shared::money::Amount;

/// The name that `strum` gives an error is its public code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum PaymentError {
    #[error("there is no payment {0}")]
    #[strum(serialize = "payment_not_found")]
    NotFound(String),
    #[error("the card has insufficient funds")]
    InsufficientFunds,
    #[error("the payment is already captured")]
    AlreadyCaptured,
    #[error("the payment is already voided")]
    AlreadyReleased,
    #[error("the payment is already refunded")]
    AlreadyRefunded,
    #[error("the payment is captured; refund it instead")]
    #[strum(serialize = "payment_captured")]
    Captured,
    #[error("the payment was voided, so it has no authorized amount")]
    #[strum(serialize = "payment_released")]
    Released,
    #[error("the payment was captured and refunded")]
    #[strum(serialize = "payment_refunded")]
    Refunded,
    #[error("the authorization has expired, so it has no authorized amount")]
    #[strum(serialize = "payment_expired")]
    Expired,
    #[error("the payment is not captured; release (void) it instead")]
    #[strum(serialize = "payment_not_captured")]
    NotCaptured,
    #[error("only {remaining} of the payment remain to refund")]
    #[strum(serialize = "refund_exceeds_remaining")]
    ExceedsRemaining { remaining: Amount },
}
