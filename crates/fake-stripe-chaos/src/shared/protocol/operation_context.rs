//! What an operation has at hand while it is applied.

use uuid::Uuid;

use crate::shared::{clock::Timestamp, ids::Ids, ledger::Posting};

/// The moment, new ids, and the entries that the operation leaves in the ledger.
pub struct OperationContext<'a> {
    pub now: Timestamp,
    /// When the resource's order shipped, if it did.
    pub shipped_at: Option<Timestamp>,
    ids: &'a dyn Ids,
    postings: Vec<Posting>,
}

impl<'a> OperationContext<'a> {
    pub(super) fn new(now: Timestamp, shipped_at: Option<Timestamp>, ids: &'a dyn Ids) -> Self {
        Self { now, shipped_at, ids, postings: Vec::new() }
    }

    pub fn new_id(&self) -> Uuid {
        self.ids.next()
    }

    /// Enters an effect on the resource into the ledger.
    pub fn post(&mut self, posting: Posting) {
        self.postings.push(posting);
    }

    pub(super) fn into_postings(self) -> Vec<Posting> {
        self.postings
    }
}
