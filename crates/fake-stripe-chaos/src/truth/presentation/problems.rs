//! The errors of the truth over HTTP.

use service_kit::{error_codes, problem::Problem};

use crate::truth::domain::TruthError;

error_codes! {
    /// See the module.
    pub enum TruthCode {
        UnknownOrder = "order_not_found", 404, "Nobody ever asked anything for this order", final;
        AlreadyShipped = "order_already_shipped", 409, "The order shipped", final;
    }
}

impl From<TruthError> for Problem {
    fn from(error: TruthError) -> Self {
        let code = match error {
            TruthError::UnknownOrder(_) => TruthCode::UnknownOrder,
            TruthError::AlreadyShipped => TruthCode::AlreadyShipped,
        };
        Self::new(code, error.to_string())
    }
}
