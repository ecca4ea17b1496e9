//! The inputs and the postings of an operation while it is applied.

use uuid::Uuid;

use crate::shared::{chaos::Scenario, clock::Timestamp, ids::Ids, ledger::Posting};

/// The time, new ids, and the postings of the operation.
pub struct OperationContext<'a> {
    pub now: Timestamp,
    /// The time at which the resource's order shipped, if it did.
    pub shipped_at: Option<Timestamp>,
    /// The scenario, for an operation with several ways to be executed.
    pub scenario: Scenario,
    ids: &'a dyn Ids,
    postings: Vec<Posting>,
}

impl<'a> OperationContext<'a> {
    pub(super) fn new(
        now: Timestamp,
        shipped_at: Option<Timestamp>,
        scenario: Scenario,
        ids: &'a dyn Ids,
    ) -> Self {
        Self { now, shipped_at, scenario, ids, postings: Vec::new() }
    }

    pub fn new_id(&self) -> Uuid {
        self.ids.next()
    }

    /// Adds an effect on the resource to the ledger.
    pub fn post(&mut self, posting: Posting) {
        self.postings.push(posting);
    }

    pub(super) fn into_postings(self) -> Vec<Posting> {
        self.postings
    }
}
