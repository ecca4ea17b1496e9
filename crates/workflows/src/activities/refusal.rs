//! The meaning of a failed call for an order. The type of an activity's failure is the provider's code.

/// The type of the failure if an `already_…` answer doesn't match the order.
pub const LEDGER_MISMATCH: &str = "LEDGER_MISMATCH";

/// The reason of a failed call, as far as an order distinguishes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A definitive refusal: the call had no effect.
    InsufficientFunds,
    OutOfStock,
    AddressError,
    /// The authorization is too old to be captured.
    AuthorizationExpired,
    /// The provider's ledger contradicts this order.
    LedgerMismatch,
    /// Any other final refusal: an error of ours or of the provider, never of the customer.
    Unexpected,
    /// No attempt had a conclusive answer. The call may have had its effect.
    NoAnswer,
}

impl Refusal {
    /// Reads the type of an activity's failure. The attempts of a `retryable` failure are used up.
    #[must_use]
    pub fn from_failure(code: Option<&str>, retryable: bool) -> Self {
        match code {
            Some("insufficient_funds") => Self::InsufficientFunds,
            Some("out_of_stock") => Self::OutOfStock,
            Some("address_error") => Self::AddressError,
            Some("payment_expired") => Self::AuthorizationExpired,
            Some(LEDGER_MISMATCH) => Self::LedgerMismatch,
            _ if retryable => Self::NoAnswer,
            _ => Self::Unexpected,
        }
    }

    /// Returns true if the refusal proves that the call had no effect.
    #[must_use]
    pub const fn is_definitive(self) -> bool {
        matches!(self, Self::InsufficientFunds | Self::OutOfStock | Self::AddressError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_business_refusal_proves_that_a_call_had_no_effect() {
        for code in ["insufficient_funds", "out_of_stock", "address_error"] {
            assert!(Refusal::from_failure(Some(code), false).is_definitive(), "{code}");
        }
        for (code, retryable) in [
            (Some("timeout"), true),
            (Some("internal_error"), true),
            (Some("validation_failed"), false),
            (Some("payment_expired"), false),
            (Some(LEDGER_MISMATCH), false),
            (None, true),
        ] {
            assert!(!Refusal::from_failure(code, retryable).is_definitive(), "{code:?}");
        }
    }
}
