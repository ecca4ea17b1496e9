//! The inputs of an operation beside its command.

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
    /// The order in the header.
    pub order: Option<OrderId>,
    pub key: Option<Key>,
    pub fingerprint: Fingerprint,
    pub forced: Option<Script>,
    pub correlation: Arc<str>,
    /// The body for the journal: JSON without personal data.
    pub body: Arc<str>,
}

/// The target of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A resource by its id.
    Id(String),
    /// The effect of the request with this idempotency key.
    Key(Key),
}

impl Target {
    /// Returns the id or the key, as the two members of a body.
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
