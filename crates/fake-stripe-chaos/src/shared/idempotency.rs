//! Idempotency: what each key led to, what is in flight, and which keys are buried for good.

use std::{sync::Arc, time::Duration};

use crate::shared::{
    chaos::Decision, clock::Timestamp, ids::Key, operation::Operation, resource::Part, store::StoreError,
};

/// How long the same request gets the same answer. What a key led to is known for longer: as long as
/// the ledger lives.
pub const ANSWER_RETENTION: Duration = Duration::from_hours(24);

/// What makes two requests the same: path and canonical body.
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

/// What a request with a key led to: enough to give its answer again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredAnswer {
    /// An effect on a resource of the operation's context, or on a part of it.
    Effect { resource: String, part: Option<Part> },
    /// There was nothing to undo under this key.
    NothingToUndo { undone: Key },
    /// The definitive refusal that the decision's scenario stands for.
    Refused,
    /// The refusal of a key that had been undone before.
    Tombstoned,
}

impl StoredAnswer {
    /// Says whether the key had no effect and stands for none: its record matters only while the refusal is
    /// given again. A buried key has its tombstone beside it.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused | Self::Tombstoned)
    }
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    pub at: Timestamp,
    pub operation: Operation,
    pub fingerprint: Fingerprint,
    pub answer: StoredAnswer,
    /// None where nothing was decided, for a buried key.
    pub decision: Option<Arc<Decision>>,
}

impl KeyRecord {
    #[must_use]
    pub fn is_replayable_at(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) < ANSWER_RETENTION
    }
}

/// A request that is being executed and hasn't committed.
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
    /// Replaces what is known of the key.
    ///
    /// # Errors
    /// When the store fails.
    fn set_record(&mut self, key: &Key, record: KeyRecord) -> Result<(), StoreError>;

    /// # Errors
    /// When the store fails.
    fn in_flight(&self, key: &Key) -> Result<Option<InFlight>, StoreError>;
    /// What is in flight dies with the process: a durable store forgets it when it is opened.
    ///
    /// # Errors
    /// When the store fails.
    fn set_in_flight(&mut self, key: &Key, flight: Option<InFlight>) -> Result<(), StoreError>;

    /// The sequence of the ledger entry that buried the key.
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
