//! Reservations as JSON records in the store.

use serde::{Deserialize, Serialize};

use crate::{
    inventory::domain::{Item, Reservation, ReservationId, Terms},
    shared::{
        clock::Timestamp,
        ids::OrderId,
        resource::{Repository, Resource},
        store::{StoreError, Transaction, decode, encode},
    },
};

const KIND: &str = "reservation";

#[derive(Debug, Clone, Copy)]
pub struct ReservationRecords;

impl Repository<Reservation> for ReservationRecords {
    fn load(&self, tx: &dyn Transaction, id: &str) -> Result<Option<Reservation>, StoreError> {
        let record =
            tx.get(KIND, id)?.map(|text| decode::<ReservationRecord>(KIND, id, &text)).transpose()?;
        Ok(record.map(Reservation::from))
    }

    fn save(&self, tx: &mut dyn Transaction, reservation: &Reservation) -> Result<(), StoreError> {
        let text = encode(KIND, reservation.id(), &ReservationRecord::from(reservation))?;
        tx.put(KIND, reservation.id(), text)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct ReservationRecord {
    id: ReservationId,
    items: Vec<ItemRecord>,
    order_id: Option<OrderId>,
    created_at: Timestamp,
    expires_at: Timestamp,
    released_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ItemRecord {
    sku: String,
    quantity: u32,
    warehouse_id: Option<String>,
}

impl From<&Reservation> for ReservationRecord {
    fn from(reservation: &Reservation) -> Self {
        let terms = reservation.terms().clone();
        let items = terms
            .items
            .into_iter()
            .map(|Item { sku, quantity, warehouse_id }| ItemRecord { sku, quantity, warehouse_id })
            .collect();
        Self {
            id: terms.id,
            items,
            order_id: terms.order_id,
            created_at: terms.created_at,
            expires_at: terms.expires_at,
            released_at: reservation.released_at(),
        }
    }
}

impl From<ReservationRecord> for Reservation {
    fn from(record: ReservationRecord) -> Self {
        let items = record
            .items
            .into_iter()
            .map(|ItemRecord { sku, quantity, warehouse_id }| Item { sku, quantity, warehouse_id })
            .collect();
        let terms = Terms {
            id: record.id,
            items,
            order_id: record.order_id,
            created_at: record.created_at,
            expires_at: record.expires_at,
        };
        Self::restored(terms, record.released_at)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        inventory::domain::{Item, ReservationId, Terms},
        shared::{clock::Timestamp, store::golden::assert_golden},
    };

    #[test]
    fn every_state_of_a_reservation_is_stored_as_the_golden_file_says() {
        let at = Timestamp::from_millis;
        let item = |warehouse_id: Option<&str>| Item {
            sku: "SKU-1".to_owned(),
            quantity: 3,
            warehouse_id: warehouse_id.map(str::to_owned),
        };
        let terms = Terms {
            id: ReservationId::mint(Uuid::nil()),
            items: vec![item(Some("north")), item(None)],
            order_id: "order-1".parse().ok(),
            created_at: at(1),
            expires_at: at(2),
        };
        let orderless = Terms { order_id: None, ..terms.clone() };
        let reservations =
            vec![Reservation::restored(orderless, None), Reservation::restored(terms, Some(at(3)))];
        let golden = include_str!("../../../tests/store/golden/reservation.jsonl");
        assert_golden(ReservationRecords, KIND, golden, reservations);
    }
}
