//! Reservations as JSON records in the store.

use crate::{
    inventory::domain::Reservation,
    shared::{
        resource::{Repository, Resource},
        store::{StoreError, Transaction, decode, encode},
    },
};

const KIND: &str = "reservation";

#[derive(Debug, Clone, Copy)]
pub struct ReservationRecords;

impl Repository<Reservation> for ReservationRecords {
    fn load(&self, tx: &dyn Transaction, id: &str) -> Result<Option<Reservation>, StoreError> {
        tx.get(KIND, id)?.map(|text| decode(KIND, id, &text)).transpose()
    }

    fn save(&self, tx: &mut dyn Transaction, reservation: &Reservation) -> Result<(), StoreError> {
        tx.put(KIND, reservation.id(), encode(KIND, reservation.id(), reservation)?)
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
