//! The ports of Stripe's API, and its objects as resources of the shared protocol.

use uuid::Uuid;

use crate::{
    shared::{
        chaos::Scenario,
        clock::Timestamp,
        ids::OrderId,
        operation::Operation,
        protocol::OperationContext,
        resource::{Repository, Resource, UndoState},
        store::{StoreError, Transaction},
    },
    stripe::domain::{Delivery, Document, DocumentId, EventRecord, Intent, Kind, NewIds, StripeError},
};

/// Names a delivery that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDelivery {
    pub id: String,
    pub endpoint: DocumentId,
}

/// Stores and loads the objects.
pub trait Objects: Repository<Intent> + Repository<Document> + Library {}

impl<T: Repository<Intent> + Repository<Document> + Library> Objects for T {}

/// Reads objects beside the protocol.
pub trait Library: Send + Sync {
    /// # Errors
    /// Fails if the store fails.
    fn intent(&self, tx: &dyn Transaction, id: &str) -> Result<Option<Intent>, StoreError>;
    /// Returns the intent of a charge or of a refund.
    ///
    /// # Errors
    /// Fails if the store fails.
    fn intent_of(&self, tx: &dyn Transaction, charge_or_refund: &str) -> Result<Option<Intent>, StoreError>;
    /// Returns all intents, the newest first.
    ///
    /// # Errors
    /// Fails if the store fails.
    fn intents(&self, tx: &dyn Transaction) -> Result<Vec<Intent>, StoreError>;
    /// Returns a document, also a deleted one.
    ///
    /// # Errors
    /// Fails if the store fails.
    fn document(&self, tx: &dyn Transaction, kind: Kind, id: &str) -> Result<Option<Document>, StoreError>;
    /// Returns the documents of a kind that are not deleted, the newest first.
    ///
    /// # Errors
    /// Fails if the store fails.
    fn documents(&self, tx: &dyn Transaction, kind: Kind) -> Result<Vec<Document>, StoreError>;
    /// # Errors
    /// Fails if the store fails.
    fn event(&self, tx: &dyn Transaction, id: &str) -> Result<Option<EventRecord>, StoreError>;
    /// Returns all events, the newest first.
    ///
    /// # Errors
    /// Fails if the store fails.
    fn events(&self, tx: &dyn Transaction) -> Result<Vec<EventRecord>, StoreError>;
    /// Returns the deliveries that chaos has not decided, the oldest first.
    ///
    /// # Errors
    /// Fails if the store fails.
    fn new_deliveries(&self, tx: &dyn Transaction) -> Result<Vec<Delivery>, StoreError>;
    /// Returns the decided deliveries that are due, the first due first, and the time of the next one. It reads none of
    /// them.
    ///
    /// # Errors
    /// Fails if the store fails.
    fn due_deliveries(
        &self,
        tx: &dyn Transaction,
        now: Timestamp,
    ) -> Result<(Vec<DueDelivery>, Option<Timestamp>), StoreError>;
    /// Returns the stored state of a decided delivery, if it has not ended.
    ///
    /// # Errors
    /// Fails if the store fails.
    fn open_delivery(&self, tx: &dyn Transaction, id: &str) -> Result<Option<Delivery>, StoreError>;
    /// Returns the number of an event's deliveries that have not ended.
    ///
    /// # Errors
    /// Fails if the store fails.
    fn pending(&self, tx: &dyn Transaction, event: &EventRecord) -> Result<usize, StoreError>;
    /// Saves a delivery. An ended one is no longer open.
    ///
    /// # Errors
    /// Fails if the store fails.
    fn save_delivery(&self, tx: &mut dyn Transaction, delivery: &Delivery) -> Result<(), StoreError>;
    /// Ends a delivery whose endpoint is gone.
    ///
    /// # Errors
    /// Fails if the store fails.
    fn close_delivery(&self, tx: &mut dyn Transaction, delivery: &Delivery) -> Result<(), StoreError>;
}

impl NewIds for OperationContext<'_> {
    fn new_id(&self) -> Uuid {
        self.new_id()
    }
}

impl Resource for Intent {
    type Error = StripeError;

    // Stripe has no undo by key.
    const UNDOABLE: &'static [Operation] = &[];
    const REPLAYS_FAILURES: bool = true;

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn order(&self) -> Option<&OrderId> {
        self.order.as_ref()
    }

    fn undo_state(&self, _: &StripeError) -> UndoState {
        UndoState::InEffect
    }

    fn not_found(id: &str) -> StripeError {
        StripeError::ResourceMissing { kind: "payment_intent", id: id.to_owned() }
    }

    fn refusal(_: Scenario) -> Option<StripeError> {
        None
    }

    fn code(error: &StripeError) -> &'static str {
        error.into()
    }
}

impl Resource for Document {
    type Error = StripeError;

    const UNDOABLE: &'static [Operation] = &[];
    const REPLAYS_FAILURES: bool = true;

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn order(&self) -> Option<&OrderId> {
        self.order.as_ref()
    }

    fn undo_state(&self, _: &StripeError) -> UndoState {
        UndoState::InEffect
    }

    fn not_found(id: &str) -> StripeError {
        let kind = Kind::of_id(id).map_or("object", Kind::title);
        StripeError::ResourceMissing { kind, id: id.to_owned() }
    }

    fn refusal(_: Scenario) -> Option<StripeError> {
        None
    }

    fn code(error: &StripeError) -> &'static str {
        error.into()
    }
}
