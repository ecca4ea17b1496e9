//! The use cases of inventory. Each changes a reservation and posts to the ledger. The protocol brings the replay,
//! chaos, the transaction and the journal.

use std::sync::Arc;

use super::{
    commands::{Release, Reserve, Restock},
    ports::ReservationRepository,
};
use crate::{
    inventory::domain::{RESERVATION_TTL, Reservation, ReservationId, Terms},
    shared::{
        deps::Deps,
        ledger::Posting,
        protocol::{Call, Protocol, Reply},
        resource::Snapshot,
        store::StoreError,
    },
};

pub struct InventoryService {
    reservations: Protocol<Reservation>,
}

impl InventoryService {
    #[must_use]
    pub fn new(deps: &Deps, repository: Arc<ReservationRepository>) -> Self {
        Self { reservations: Protocol::new(deps, repository) }
    }

    pub async fn reserve(&self, call: Call, command: Reserve) -> Reply<Reservation> {
        let order = command.order_id.clone();
        self.reservations
            .create(call, order, |work| {
                let until = work.now.saturating_add(RESERVATION_TTL);
                work.post(Posting::Reserved { until });
                Reservation::reserved(Terms {
                    id: ReservationId::mint(work.new_id()),
                    items: command.items,
                    order_id: command.order_id,
                    created_at: work.now,
                    expires_at: until,
                })
            })
            .await
    }

    pub async fn release(&self, call: Call, command: Release) -> Reply<Reservation> {
        self.reservations
            .change(call, command.target, |work, reservation| {
                reservation.release(work.now, work.shipped_at)?;
                work.post(Posting::Returned);
                Ok(None)
            })
            .await
    }

    pub async fn restock(&self, call: Call, command: Restock) -> Reply<Reservation> {
        self.reservations
            .change(call, command.target, |work, reservation| {
                let was_used = reservation.is_used(work.shipped_at);
                let is_whole = reservation.restock(command.items, work.now, work.shipped_at)?;
                if !was_used {
                    // No observer has recorded the shipping yet.
                    work.post(Posting::Fulfilled);
                }
                work.post(if is_whole { Posting::Restocked } else { Posting::RestockedInPart });
                Ok(None)
            })
            .await
    }

    /// Finds a resource by its id.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn find(&self, id: String) -> Result<Option<Snapshot<Reservation>>, StoreError> {
        self.reservations.find(id).await
    }
}
