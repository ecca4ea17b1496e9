//! Idempotency: the stored answers of the keys, the requests in flight, and the tombstones.

use std::{sync::Arc, time::Duration};

use crate::shared::{
    chaos::Decision, clock::Timestamp, ids::Key, operation::Operation, resource::Part, store::StoreError,
};

/// The time in which a key replays its answer. The effect of a key stays known as long as the ledger.
pub const ANSWER_RETENTION: Duration = Duration::from_hours(24);

/// The identity of a request: its path and canonical body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the fingerprint of a request")]
    pub fn of(path: &str, canonical_body: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(path.len() as u64).to_le_bytes());
        hasher.update(path.as_bytes());
        hasher.update(canonical_body.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }

    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The result of a request with a key, from which its answer can be replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredAnswer {
    /// An effect on a resource of the operation's context, or on a part of it.
    Effect { resource: String, part: Option<Part> },
    /// The key had nothing to undo.
    NothingToUndo { undone: Key },
    /// The definitive refusal of the decision's scenario.
    Refused,
    /// The refusal of a key that has a tombstone.
    Tombstoned,
}

impl StoredAnswer {
    /// Returns true if the key had no effect. Its record matters only while the refusal can be replayed. The
    /// tombstone of a key is separate.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused | Self::Tombstoned)
    }
}

/// The record of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    pub at: Timestamp,
    pub operation: Operation,
    pub fingerprint: Fingerprint,
    pub answer: StoredAnswer,
    /// None for a key with a tombstone, since chaos decided nothing.
    pub decision: Option<Arc<Decision>>,
}

impl KeyRecord {
    #[must_use]
    pub fn is_replayable_at(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) < ANSWER_RETENTION
    }
}

/// A request that is being executed and not yet committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlight {
    pub since: Timestamp,
    pub operation: Operation,
    pub fingerprint: Fingerprint,
}

/// The idempotency keys in the store.
pub trait Idempotency {
    /// # Errors
    /// When the store fails.
    fn record(&self, key: &Key) -> Result<Option<Arc<KeyRecord>>, StoreError>;
    /// Replaces the record of the key.
    ///
    /// # Errors
    /// When the store fails.
    fn set_record(&mut self, key: &Key, record: KeyRecord) -> Result<(), StoreError>;

    /// # Errors
    /// When the store fails.
    fn in_flight(&self, key: &Key) -> Result<Option<InFlight>, StoreError>;
    /// Sets or removes the request in flight. It ends with the process, so a store never restores it.
    ///
    /// # Errors
    /// When the store fails.
    fn set_in_flight(&mut self, key: &Key, flight: Option<InFlight>) -> Result<(), StoreError>;

    /// Returns the sequence number of the tombstone's ledger entry.
    ///
    /// # Errors
    /// When the store fails.
    fn tombstone(&self, key: &Key) -> Result<Option<u64>, StoreError>;
    /// # Errors
    /// When the store fails.
    fn set_tombstone(&mut self, key: &Key, sequence: u64) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_path_or_body_is_another_request() {
        let one = Fingerprint::of("/payment/capture", "{}");
        assert_eq!(one, Fingerprint::of("/payment/capture", "{}"));
        assert_ne!(one, Fingerprint::of("/payment/release", "{}"));
        assert_ne!(one, Fingerprint::of("/payment/capture", r#"{"a":1}"#));
        assert_ne!(one, Fingerprint::of("/payment/capture{", "}"));
    }
}
