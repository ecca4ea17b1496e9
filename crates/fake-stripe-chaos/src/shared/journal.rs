//! The journal: the last requests and what was decided for each. It may forget; the ledger never does.

use std::{sync::Arc, time::Duration};

use crate::shared::{
    chaos::Decision,
    clock::Timestamp,
    ids::{Key, OrderId},
    operation::Operation,
    run::RunName,
    store::StoreError,
};

/// How many requests the journal remembers at most; fewer where their bodies are large.
pub const CAPACITY: usize = 10_000;

/// What was decided for a request, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionResult {
    pub decision: Arc<Decision>,
    /// The decision wanted an effect, and the domain refused it or had nothing to do.
    pub overruled: bool,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// When the request came.
    pub at: Timestamp,
    pub operation: Operation,
    pub order: Option<OrderId>,
    pub key: Option<Key>,
    pub correlation: Arc<str>,
    /// None where nothing was decided: a key in use, reused or buried.
    pub decided: Option<DecisionResult>,
    pub replayed: bool,
    /// `success`, `nothing_to_undo`, or the error's code; none while the request is being executed.
    pub response: Option<&'static str>,
    /// From the request to its answer, the wait of a timeout included.
    pub duration: Duration,
    /// The request's body as JSON, without anything personal.
    pub body: Arc<str>,
}

impl JournalEntry {
    /// Returns how much memory the line takes, about: its texts, and a share for all else.
    #[must_use]
    pub fn bytes(&self) -> usize {
        const REST: usize = 512;
        let order = self.order.as_ref().map_or(0, |order| order.as_str().len());
        let key = self.key.as_ref().map_or(0, |key| key.as_str().len());
        self.body.len() + self.correlation.len() + order + key + REST
    }

    /// What the answer of a run tells of the decision that led to it.
    #[must_use]
    pub fn decision_header(&self, run: &RunName) -> Option<String> {
        let decision = &self.decided.as_ref()?.decision;
        Some(if self.replayed { decision.replay_header(run) } else { decision.header(run) })
    }
}

/// The journal in the store.
pub trait Journal {
    /// Adds a line, forgetting the oldest where there are too many, and gives its number.
    ///
    /// # Errors
    /// When the store fails.
    fn append_line(&mut self, line: Arc<JournalEntry>) -> Result<u64, StoreError>;
    /// Replaces a line; changes nothing where it is forgotten.
    ///
    /// # Errors
    /// When the store fails.
    fn replace_line(&mut self, number: u64, line: Arc<JournalEntry>) -> Result<(), StoreError>;
    /// Shows the lines, the newest first, until `see` says that it has seen enough.
    ///
    /// # Errors
    /// When the store fails.
    fn visit_lines(&self, see: &mut dyn FnMut(u64, &Arc<JournalEntry>) -> bool) -> Result<(), StoreError>;
    /// Forgets every line, and says how many there were.
    ///
    /// # Errors
    /// When the store fails.
    fn clear_journal(&mut self) -> Result<usize, StoreError>;
}
