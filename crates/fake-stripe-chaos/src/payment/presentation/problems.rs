//! The error codes of payments.

use serde_json::Value;
use service_kit::{error_codes, problem::Problem};

use super::dto::PaymentView;
use crate::{
    payment::domain::{Payment, PaymentError},
    shared::{presentation::Present, resource::Snapshot},
};

error_codes! {
    /// The error codes of payments.
    pub enum PaymentCode {
        NotFound = "payment_not_found", 404, "There is no such payment", final;
        InsufficientFunds = "insufficient_funds", 402, "The card has insufficient funds", final;
        AlreadyCaptured = "already_captured", 409, "The payment is already captured", final;
        AlreadyReleased = "already_released", 409, "The payment is already voided", final;
        AlreadyRefunded = "already_refunded", 409, "The payment is already refunded", final;
        Captured = "payment_captured", 409, "The payment is captured", final;
        Released = "payment_released", 409, "The payment was voided", final;
        Refunded = "payment_refunded", 409, "The payment was refunded", final;
        Expired = "payment_expired", 409, "The authorization has expired", final;
        NotCaptured = "payment_not_captured", 409, "The payment is not captured", final;
        ExceedsRemaining = "refund_exceeds_remaining", 409, "The remaining amount is smaller", final;
    }
}

impl From<&PaymentError> for PaymentCode {
    fn from(error: &PaymentError) -> Self {
        match error {
            PaymentError::NotFound(_) => Self::NotFound,
            PaymentError::InsufficientFunds => Self::InsufficientFunds,
            PaymentError::AlreadyCaptured => Self::AlreadyCaptured,
            PaymentError::AlreadyReleased => Self::AlreadyReleased,
            PaymentError::AlreadyRefunded => Self::AlreadyRefunded,
            PaymentError::Captured => Self::Captured,
            PaymentError::Released => Self::Released,
            PaymentError::Refunded => Self::Refunded,
            PaymentError::Expired => Self::Expired,
            PaymentError::NotCaptured => Self::NotCaptured,
            PaymentError::ExceedsRemaining { .. } => Self::ExceedsRemaining,
        }
    }
}

impl Present for Payment {
    fn problem(error: &PaymentError) -> Problem {
        Problem::new(PaymentCode::from(error), error.to_string())
    }

    fn view(snapshot: &Snapshot<Self>) -> Value {
        serde_json::to_value(PaymentView::from(snapshot)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::money::Amount;
    use crate::shared::resource::Resource;

    #[test]
    fn the_domain_and_the_body_have_the_same_code() {
        for error in [
            PaymentError::NotFound(String::new()),
            PaymentError::InsufficientFunds,
            PaymentError::AlreadyCaptured,
            PaymentError::AlreadyReleased,
            PaymentError::AlreadyRefunded,
            PaymentError::Captured,
            PaymentError::Released,
            PaymentError::Refunded,
            PaymentError::Expired,
            PaymentError::NotCaptured,
            PaymentError::ExceedsRemaining { remaining: Amount::ZERO },
        ] {
            assert_eq!(Payment::problem(&error).code(), Payment::code(&error));
        }
    }
}
