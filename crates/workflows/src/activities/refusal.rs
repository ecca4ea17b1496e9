//! What a failed call to the provider means to an order. The worker fails an activity with the
//! provider's code as the failure's type; this is where those codes are read.

/// The type of the failure where an `already_…` answer doesn't match what the order did.
pub const LEDGER_MISMATCH: &str = "LEDGER_MISMATCH";

/// Why a call failed, as far as an order must tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The provider refused for good, so the call certainly had no effect.
    InsufficientFunds,
    OutOfStock,
    AddressError,
    /// The authorization is too old to be captured.
    AuthorizationExpired,
    /// The provider's ledger says something else than this order did.
    LedgerMismatch,
    /// Any other final refusal: a fault of ours or of the provider, never of the customer.
    Unexpected,
    /// No answer that settles it, in any attempt: the call may or may not have had its effect.
    NoAnswer,
}

impl Refusal {
    /// Reads the type of an activity's failure; `retryable` failures are those whose attempts are
    /// used up.
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

    /// Whether it proves that the call had no effect, so that there is nothing to undo.
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
