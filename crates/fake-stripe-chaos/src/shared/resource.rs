//! What the contexts' entities have in common for the protocol: an id, an order, errors with codes.

use crate::shared::{
    chaos::Scenario,
    clock::Timestamp,
    ids::OrderId,
    operation::Operation,
    store::{StoreError, Transaction},
};

/// The id of a part of a resource that an operation made, such as a refund of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part(pub String);

/// What a refusal means to a caller who only wants what a key did to be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoState {
    /// It still stands.
    InEffect,
    /// It was undone before, by this part if by one.
    AlreadyUndone(Option<Part>),
    /// Nothing of it is left, though it wasn't undone by this operation.
    NoEffectLeft,
}

/// An entity that operations work on.
pub trait Resource: std::fmt::Debug + Clone + Send + Sync + 'static {
    type Error: std::fmt::Debug + Send + 'static;

    /// The operations whose idempotency keys name an entity in an undo by key.
    const UNDOABLE: &'static [Operation];

    fn id(&self) -> &str;
    fn order(&self) -> Option<&OrderId>;
    fn undo_state(&self, error: &Self::Error) -> UndoState;

    /// The error for an id that nobody knows.
    fn not_found(id: &str) -> Self::Error;
    /// The error that a scenario's refusal looks like.
    fn refusal(scenario: Scenario) -> Option<Self::Error>;
    /// The error's code, as the journal and the metrics name it.
    fn code(error: &Self::Error) -> &'static str;
}

/// An entity, and what its status depends on beside itself.
#[derive(Debug, Clone)]
pub struct Snapshot<R> {
    pub resource: R,
    pub now: Timestamp,
    /// When its order shipped, if it did.
    pub shipped_at: Option<Timestamp>,
}

/// Where the entities of one kind are kept.
pub trait Repository<R>: Send + Sync {
    /// # Errors
    /// When the store fails, or has what can't be read.
    fn load(&self, tx: &dyn Transaction, id: &str) -> Result<Option<R>, StoreError>;
    /// # Errors
    /// When the store fails.
    fn save(&self, tx: &mut dyn Transaction, entity: &R) -> Result<(), StoreError>;
}
