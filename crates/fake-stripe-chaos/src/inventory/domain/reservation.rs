//! A reservation: reserved → released, or → fulfilled when its order ships, or → expired.

use std::time::Duration;

use super::error::InventoryError;
use crate::shared::{
    clock::Timestamp,
    ids::{OrderId, id},
    orders,
};

/// How long stock stays reserved.
pub const RESERVATION_LIVES: Duration = Duration::from_mins(30);

id! { ReservationId, "res_" }

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub sku: String,
    pub quantity: u32,
    pub warehouse_id: Option<String>,
}

/// What never changes about a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    pub id: ReservationId,
    pub items: Vec<Item>,
    pub order_id: Option<OrderId>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// What a reservation is called at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Reserved,
    Released,
    Fulfilled,
    Expired,
}

impl Status {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Released => "released",
            Self::Fulfilled => "fulfilled",
            Self::Expired => "expired",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    terms: Terms,
    released_at: Option<Timestamp>,
}

impl Reservation {
    #[must_use]
    pub const fn reserved(terms: Terms) -> Self {
        Self { terms, released_at: None }
    }

    /// A reservation as it was left.
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

    /// `shipped_at` is when its order shipped, if it did: the reservation was used if it was alive then.
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

    /// # Errors
    /// Unless it is reserved.
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
            expires_at: START.saturating_add(RESERVATION_LIVES),
        })
    }

    #[test]
    fn a_reservation_expires_in_the_very_millisecond_it_says() {
        let over = START.saturating_add(RESERVATION_LIVES);
        let last = Timestamp::from_millis(over.millis() - 1);
        assert_eq!(reservation().release(last, None), Ok(()));
        assert_eq!(reservation().release(over, None), Err(InventoryError::Expired));
    }

    #[test]
    fn a_reservation_that_was_alive_when_its_order_shipped_is_used_and_never_expires() {
        let over = START.saturating_add(RESERVATION_LIVES);
        assert_eq!(reservation().status(over, Some(START)), Status::Fulfilled);
        assert_eq!(reservation().status(over, Some(over)), Status::Expired);
        assert_eq!(reservation().release(START, Some(START)), Err(InventoryError::Fulfilled));
    }

    #[test]
    fn what_is_released_stays_released() {
        let mut reservation = reservation();
        reservation.release(START, None).unwrap();
        assert_eq!(reservation.release(START, None), Err(InventoryError::AlreadyReleased));
        assert_eq!(
            reservation.status(START.saturating_add(RESERVATION_LIVES), Some(START)),
            Status::Released
        );
    }
}
