//! The errors of the ledger and the verdict, and their codes.

use service_kit::{error_codes, problem::Problem};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerdictError {
    #[error("the order {0} has no request and no outcome")]
    UnknownOrder(String),
    #[error("the order shipped, and no other outcome can replace that")]
    AlreadyShipped,
}

error_codes! {
    /// The error codes of the ledger and the verdict.
    pub enum VerdictCode {
        UnknownOrder = "order_not_found", 404, "The order has no request and no outcome", final;
        AlreadyShipped = "order_already_shipped", 409, "The order shipped", final;
    }
}

impl From<VerdictError> for Problem {
    fn from(error: VerdictError) -> Self {
        let code = match error {
            VerdictError::UnknownOrder(_) => VerdictCode::UnknownOrder,
            VerdictError::AlreadyShipped => VerdictCode::AlreadyShipped,
        };
        Self::new(code, error.to_string())
    }
}
