//! What can be asked of the ledger and the journal, and what can be told them.

mod commands;
mod service;

pub use commands::{JournalQuery, TellOutcome, VerdictQuery};
pub use service::{OrderHistory, TruthService};
