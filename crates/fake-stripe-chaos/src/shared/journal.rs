//! The journal: the last requests with their decisions. It is limited in size; the ledger is not.

use std::{sync::Arc, time::Duration};

use crate::shared::{
    chaos::Decision,
    clock::Timestamp,
    ids::{Key, OrderId},
    operation::Operation,
    run::RunName,
    store::StoreError,
};

/// The maximum number of requests in the journal. Large bodies reduce it.
pub const CAPACITY: usize = 10_000;

/// The decision for a request and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionResult {
    pub decision: Arc<Decision>,
    /// The decision allowed an effect, but the domain refused it or had nothing to do.
    pub overruled: bool,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// The time at which the request was received.
    pub at: Timestamp,
    pub operation: Operation,
    pub order: Option<OrderId>,
    pub key: Option<Key>,
    pub correlation: Arc<str>,
    /// None for a key that is in use, reused, or has a tombstone.
    pub decided: Option<DecisionResult>,
    pub replayed: bool,
    /// `success`, `nothing_to_undo`, or the error's code. None while the request is in flight.
    pub response: Option<&'static str>,
    /// The time from the request to its answer, with the delay of a timeout.
    pub duration: Duration,
    /// The request's body as JSON, without personal data.
    pub body: Arc<str>,
}

impl JournalEntry {
    /// Returns the approximate memory of the entry: its texts, and a constant for the rest.
    #[must_use]
    pub fn bytes(&self) -> usize {
        const REST: usize = 512;
        let order = self.order.as_ref().map_or(0, |order| order.as_str().len());
        let key = self.key.as_ref().map_or(0, |key| key.as_str().len());
        self.body.len() + self.correlation.len() + order + key + REST
    }

    /// Returns the decision header of the answer.
    #[must_use]
    pub fn decision_header(&self, run: &RunName) -> Option<String> {
        let decision = &self.decided.as_ref()?.decision;
        Some(if self.replayed { decision.replay_header(run) } else { decision.header(run) })
    }
}

/// The journal in the store.
pub trait Journal {
    /// Appends a line and returns its number. Beyond the limit, the oldest lines are dropped.
    ///
    /// # Errors
    /// When the store fails.
    fn append_line(&mut self, line: Arc<JournalEntry>) -> Result<u64, StoreError>;
    /// Replaces a line. A dropped line stays dropped.
    ///
    /// # Errors
    /// When the store fails.
    fn replace_line(&mut self, number: u64, line: Arc<JournalEntry>) -> Result<(), StoreError>;
    /// Visits the lines, the newest first, until `see` returns false.
    ///
    /// # Errors
    /// When the store fails.
    fn visit_lines(&self, see: &mut dyn FnMut(u64, &Arc<JournalEntry>) -> bool) -> Result<(), StoreError>;
    /// Removes every line and returns their number.
    ///
    /// # Errors
    /// When the store fails.
    fn clear_journal(&mut self) -> Result<usize, StoreError>;
}
