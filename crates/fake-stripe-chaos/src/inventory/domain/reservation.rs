//! A reservation: reserved → released, or → fulfilled when its order ships, or → expired.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::InventoryError;
use crate::shared::{
    clock::Timestamp,
    ids::{OrderId, id},
    orders,
};

/// The time until a reservation expires.
pub const RESERVATION_TTL: Duration = Duration::from_mins(30);

id! { ReservationId, "res_" }

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub sku: String,
    pub quantity: u32,
    pub warehouse_id: Option<String>,
}

/// The facts of a reservation that never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub id: ReservationId,
    pub items: Vec<Item>,
    pub order_id: Option<OrderId>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// The status of a reservation at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    Reserved,
    Released,
    Fulfilled,
    Expired,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    #[serde(flatten)]
    terms: Terms,
    released_at: Option<Timestamp>,
}

impl Reservation {
    #[must_use]
    pub const fn reserved(terms: Terms) -> Self {
        Self { terms, released_at: None }
    }

    /// Returns a reservation with a stored release.
    #[cfg(test)]
    #[must_use]
    pub const fn restored(terms: Terms, released_at: Option<Timestamp>) -> Self {
        Self { terms, released_at }
    }

    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    #[must_use]
    pub const fn released_at(&self) -> Option<Timestamp> {
        self.released_at
    }

    /// Returns the status. `shipped_at` is the time at which the order shipped. A reservation that was live at
    /// that time is fulfilled.
    #[must_use]
    pub fn status(&self, now: Timestamp, shipped_at: Option<Timestamp>) -> Status {
        let Terms { created_at, expires_at, .. } = self.terms;
        if self.released_at.is_some() {
            Status::Released
        } else if orders::was_live_at_shipping(shipped_at, created_at, expires_at) {
            Status::Fulfilled
        } else if now >= expires_at {
            Status::Expired
        } else {
            Status::Reserved
        }
    }

    /// Returns the stock.
    ///
    /// # Errors
    /// Fails unless the stock is reserved.
    pub fn release(&mut self, now: Timestamp, shipped_at: Option<Timestamp>) -> Result<(), InventoryError> {
        match self.status(now, shipped_at) {
            Status::Reserved => {
                self.released_at = Some(now);
                Ok(())
            }
            Status::Released => Err(InventoryError::AlreadyReleased),
            Status::Fulfilled => Err(InventoryError::Fulfilled),
            Status::Expired => Err(InventoryError::Expired),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_000);

    fn reservation() -> Reservation {
        Reservation::reserved(Terms {
            id: ReservationId::mint(Uuid::nil()),
            items: Vec::new(),
            order_id: None,
            created_at: START,
            expires_at: START.saturating_add(RESERVATION_TTL),
        })
    }

    #[test]
    fn a_reservation_expires_in_the_millisecond_of_its_expiry() {
        let over = START.saturating_add(RESERVATION_TTL);
        let last = Timestamp::from_millis(over.millis() - 1);
        assert_eq!(reservation().release(last, None), Ok(()));
        assert_eq!(reservation().release(over, None), Err(InventoryError::Expired));
    }

    #[test]
    fn a_reservation_that_is_live_at_shipping_is_fulfilled_and_never_expires() {
        let over = START.saturating_add(RESERVATION_TTL);
        assert_eq!(reservation().status(over, Some(START)), Status::Fulfilled);
        assert_eq!(reservation().status(over, Some(over)), Status::Expired);
        assert_eq!(reservation().release(START, Some(START)), Err(InventoryError::Fulfilled));
    }

    #[test]
    fn a_released_reservation_stays_released() {
        let mut reservation = reservation();
        reservation.release(START, None).unwrap();
        assert_eq!(reservation.release(START, None), Err(InventoryError::AlreadyReleased));
        assert_eq!(reservation.status(START.saturating_add(RESERVATION_TTL), Some(START)), Status::Released);
    }
}
