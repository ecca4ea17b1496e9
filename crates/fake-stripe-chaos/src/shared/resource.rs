//! The interface of the contexts' entities for the protocol: an id, an order, errors with codes.

use crate::shared::{
    chaos::Scenario,
    clock::Timestamp,
    ids::OrderId,
    operation::Operation,
    store::{StoreError, Transaction},
};

/// The id of a part of a resource, such as a refund of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part(pub String);

/// The meaning of a refusal for an undo by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoState {
    /// The effect is still there.
    InEffect,
    /// The effect was undone before, by this part if by one.
    AlreadyUndone(Option<Part>),
    /// The effect ended in another way, so nothing remains.
    NoEffectLeft,
}

/// An entity of an operation.
pub trait Resource: std::fmt::Debug + Clone + Send + Sync + 'static {
    type Error: std::fmt::Debug + Send + 'static;

    /// The operations whose keys an undo accepts.
    const UNDOABLE: &'static [Operation];
    /// Whether a key stores a failure and replays it, as Stripe does.
    const REPLAYS_FAILURES: bool = false;

    fn id(&self) -> &str;
    fn order(&self) -> Option<&OrderId>;
    fn undo_state(&self, error: &Self::Error) -> UndoState;

    /// Returns the error for an unknown id.
    fn not_found(id: &str) -> Self::Error;
    /// Returns the error of a scenario that refuses.
    fn refusal(scenario: Scenario) -> Option<Self::Error>;
    /// Returns the error's code for journal and metrics.
    fn code(error: &Self::Error) -> &'static str;
}

/// An entity with the other inputs of its status.
#[derive(Debug, Clone)]
pub struct Snapshot<R> {
    pub resource: R,
    pub now: Timestamp,
    /// The time at which its order shipped, if it did.
    pub shipped_at: Option<Timestamp>,
}

/// Loads and saves the entities of one kind.
pub trait Repository<R>: Send + Sync {
    /// # Errors
    /// Fails if the store fails, or has an unreadable record.
    fn load(&self, tx: &dyn Transaction, id: &str) -> Result<Option<R>, StoreError>;
    /// # Errors
    /// When the store fails.
    fn save(&self, tx: &mut dyn Transaction, entity: &R) -> Result<(), StoreError>;
}
