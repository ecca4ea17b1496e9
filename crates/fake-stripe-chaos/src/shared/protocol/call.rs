//! What an operation is told beside its command.

use std::sync::Arc;

use crate::shared::{
    chaos::Script,
    idempotency::Fingerprint,
    ids::{Key, OrderId},
    operation::Operation,
};

/// One request to one operation.
#[derive(Debug, Clone)]
pub struct Call {
    pub operation: Operation,
    /// The order that the header names.
    pub order: Option<OrderId>,
    pub key: Option<Key>,
    pub fingerprint: Fingerprint,
    pub forced: Option<Script>,
    pub correlation: Arc<str>,
    /// The body for the journal: JSON without anything personal.
    pub body: Arc<str>,
}

/// What an operation is to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A resource by its id.
    Id(String),
    /// Whatever the request with this idempotency key did.
    Key(Key),
}

impl Target {
    /// The id or the key: the two members of a body that a target is read from.
    #[must_use]
    pub fn into_parts(&self) -> (Option<String>, Option<Key>) {
        match self {
            Self::Id(id) => (Some(id.clone()), None),
            Self::Key(key) => (None, Some(key.clone())),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Key(key) => key.as_str(),
        }
    }
}
