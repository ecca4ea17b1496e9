//! The error codes of inventory.

use serde_json::Value;
use service_kit::{error_codes, problem::Problem};

use super::dto::ReservationView;
use crate::{
    inventory::domain::{InventoryError, Reservation},
    shared::{presentation::Present, resource::Snapshot},
};

error_codes! {
    /// The error codes of inventory.
    pub enum InventoryCode {
        NotFound = "reservation_not_found", 404, "There is no such reservation", final;
        OutOfStock = "out_of_stock", 409, "An item is out of stock", final;
        AlreadyReleased = "already_released", 409, "The reservation is already released", final;
        Expired = "reservation_expired", 409, "The reservation has expired", final;
        Fulfilled = "reservation_fulfilled", 409, "The order shipped with the reserved stock", final;
        RestockExceedsShipment = "restock_exceeds_shipment", 409, "More would come back than shipped", final;
    }
}

impl From<&InventoryError> for InventoryCode {
    fn from(error: &InventoryError) -> Self {
        match error {
            InventoryError::NotFound(_) => Self::NotFound,
            InventoryError::OutOfStock => Self::OutOfStock,
            InventoryError::AlreadyReleased => Self::AlreadyReleased,
            InventoryError::Expired => Self::Expired,
            InventoryError::Fulfilled => Self::Fulfilled,
            InventoryError::RestockExceedsShipment => Self::RestockExceedsShipment,
        }
    }
}

impl Present for Reservation {
    fn problem(error: &InventoryError) -> Problem {
        Problem::new(InventoryCode::from(error), error.to_string())
    }

    fn view(snapshot: &Snapshot<Self>) -> Value {
        serde_json::to_value(ReservationView::from(snapshot)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::resource::Resource;

    #[test]
    fn the_domain_and_the_body_have_the_same_code() {
        for error in [
            InventoryError::NotFound(String::new()),
            InventoryError::OutOfStock,
            InventoryError::AlreadyReleased,
            InventoryError::Expired,
            InventoryError::Fulfilled,
            InventoryError::RestockExceedsShipment,
        ] {
            assert_eq!(Reservation::problem(&error).code(), Reservation::code(&error));
        }
    }
}
