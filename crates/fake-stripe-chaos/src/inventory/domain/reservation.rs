//! A reservation: reserved → released, or → fulfilled when its order ships, or → expired.

use std::{collections::BTreeMap, time::Duration};

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
    /// The stock that came back after the order shipped.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    restocked: BTreeMap<String, u64>,
}

impl Reservation {
    #[must_use]
    pub const fn reserved(terms: Terms) -> Self {
        Self { terms, released_at: None, restocked: BTreeMap::new() }
    }

    /// Returns a reservation with a stored release.
    #[cfg(test)]
    #[must_use]
    pub const fn restored(terms: Terms, released_at: Option<Timestamp>) -> Self {
        Self { terms, released_at, restocked: BTreeMap::new() }
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
        if self.released_at.is_some() {
            Status::Released
        } else if self.is_used(shipped_at) {
            Status::Fulfilled
        } else if now >= self.terms.expires_at {
            Status::Expired
        } else {
            Status::Reserved
        }
    }

    /// Returns true if the order shipped with the stock.
    #[must_use]
    pub fn is_used(&self, shipped_at: Option<Timestamp>) -> bool {
        let Terms { created_at, expires_at, .. } = self.terms;
        !self.restocked.is_empty() || orders::was_live_at_shipping(shipped_at, created_at, expires_at)
    }

    /// Returns the quantity of each SKU that has not come back.
    #[must_use]
    pub fn outstanding(&self) -> BTreeMap<String, u64> {
        let mut outstanding: BTreeMap<String, u64> = BTreeMap::new();
        for Item { sku, quantity, .. } in &self.terms.items {
            *outstanding.entry(sku.clone()).or_default() += u64::from(*quantity);
        }
        for (sku, quantity) in &self.restocked {
            outstanding.entry(sku.clone()).and_modify(|left| *left = left.saturating_sub(*quantity));
        }
        outstanding.retain(|_, left| *left > 0);
        outstanding
    }

    /// Takes stock back, or without items all that is outstanding. Returns true if nothing is outstanding any more.
    ///
    /// # Errors
    /// Fails for stock that the order does not have, and if the stock was released or has expired.
    pub fn restock(
        &mut self,
        items: Option<Vec<Item>>,
        now: Timestamp,
        shipped_at: Option<Timestamp>,
    ) -> Result<bool, InventoryError> {
        match self.status(now, shipped_at) {
            Status::Reserved | Status::Fulfilled => {}
            Status::Released => return Err(InventoryError::AlreadyReleased),
            Status::Expired => return Err(InventoryError::Expired),
        }
        let outstanding = self.outstanding();
        let mut back: BTreeMap<String, u64> = BTreeMap::new();
        match items {
            None => back.clone_from(&outstanding),
            Some(items) => {
                for Item { sku, quantity, .. } in items {
                    *back.entry(sku).or_default() += u64::from(quantity);
                }
            }
        }
        let fits =
            |(sku, quantity): (&String, &u64)| outstanding.get(sku).is_some_and(|left| quantity <= left);
        if back.is_empty() || !back.iter().all(fits) {
            return Err(InventoryError::RestockExceedsShipment);
        }
        for (sku, quantity) in back {
            *self.restocked.entry(sku).or_default() += quantity;
        }
        Ok(self.outstanding().is_empty())
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
    fn no_more_stock_comes_back_than_the_order_shipped() {
        let item = |sku: &str, quantity| Item { sku: sku.to_owned(), quantity, warehouse_id: None };
        let mut reservation = reservation();
        reservation.terms.items = vec![item("book", 2), item("book", 1), item("pen", 1)];
        for wrong in [vec![item("book", 4)], vec![item("cup", 1)], Vec::new()] {
            let refused = reservation.restock(Some(wrong), START, Some(START));
            assert_eq!(refused, Err(InventoryError::RestockExceedsShipment));
        }
        assert_eq!(reservation.restock(Some(vec![item("book", 2)]), START, Some(START)), Ok(false));
        assert_eq!(
            reservation.outstanding(),
            BTreeMap::from([("book".to_owned(), 1), ("pen".to_owned(), 1)])
        );
        assert_eq!(reservation.restock(None, START, Some(START)), Ok(true));
        let again = reservation.restock(None, START, Some(START));
        assert_eq!(again, Err(InventoryError::RestockExceedsShipment));
    }

    #[test]
    fn stock_that_came_back_counts_as_shipped() {
        let item = Item { sku: "book".to_owned(), quantity: 2, warehouse_id: None };
        let mut reservation = reservation();
        reservation.terms.items = vec![item];
        assert_eq!(reservation.restock(None, START, None), Ok(true));
        let later = START.saturating_add(RESERVATION_TTL);
        assert_eq!(reservation.status(later, None), Status::Fulfilled);
        assert_eq!(reservation.release(START, None), Err(InventoryError::Fulfilled));
    }

    #[test]
    fn a_released_reservation_stays_released() {
        let mut reservation = reservation();
        reservation.release(START, None).unwrap();
        assert_eq!(reservation.release(START, None), Err(InventoryError::AlreadyReleased));
        assert_eq!(reservation.status(START.saturating_add(RESERVATION_TTL), Some(START)), Status::Released);
    }
}
