//! The errors of a payment.

use crate::shared::money::Amount;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    #[error("there is no payment {0}")]
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
    Captured,
    #[error("the payment was voided, so it has no authorized amount")]
    Released,
    #[error("the payment was captured and refunded")]
    Refunded,
    #[error("the authorization has expired, so it has no authorized amount")]
    Expired,
    #[error("the payment is not captured; release (void) it instead")]
    NotCaptured,
    #[error("only {remaining} of the payment remain to refund")]
    ExceedsRemaining { remaining: Amount },
}

impl PaymentError {
    /// Returns the public code of the error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "payment_not_found",
            Self::InsufficientFunds => "insufficient_funds",
            Self::AlreadyCaptured => "already_captured",
            Self::AlreadyReleased => "already_released",
            Self::AlreadyRefunded => "already_refunded",
            Self::Captured => "payment_captured",
            Self::Released => "payment_released",
            Self::Refunded => "payment_refunded",
            Self::Expired => "payment_expired",
            Self::NotCaptured => "payment_not_captured",
            Self::ExceedsRemaining { .. } => "refund_exceeds_remaining",
        }
    }
}
