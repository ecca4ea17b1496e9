//! The error codes of shipping.

use serde_json::Value;
use service_kit::{error_codes, problem::Problem};

use super::dto::LabelView;
use crate::{
    shared::{presentation::Present, resource::Snapshot},
    shipping::domain::{Label, ShippingError},
};

error_codes! {
    /// The error codes of shipping.
    pub enum ShippingCode {
        NotFound = "label_not_found", 404, "There is no such label", final;
        AddressRejected = "address_error", 422, "The carrier cannot deliver to this address", final;
        AlreadyCancelled = "already_cancelled", 409, "The label is already cancelled", final;
    }
}

impl From<&ShippingError> for ShippingCode {
    fn from(error: &ShippingError) -> Self {
        match error {
            ShippingError::NotFound(_) => Self::NotFound,
            ShippingError::AddressRejected => Self::AddressRejected,
            ShippingError::AlreadyCancelled => Self::AlreadyCancelled,
        }
    }
}

impl Present for Label {
    fn problem(error: &ShippingError) -> Problem {
        Problem::new(ShippingCode::from(error), error.to_string())
    }

    fn view(snapshot: &Snapshot<Self>) -> Value {
        serde_json::to_value(LabelView::from(snapshot)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::resource::Resource;

    #[test]
    fn the_domain_and_the_body_have_the_same_code() {
        for error in [
            ShippingError::NotFound(String::new()),
            ShippingError::AddressRejected,
            ShippingError::AlreadyCancelled,
        ] {
            assert_eq!(Label::problem(&error).code(), Label::code(&error));
        }
    }
}
