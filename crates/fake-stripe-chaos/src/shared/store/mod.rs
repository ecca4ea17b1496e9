//! The store: one port that runs a piece of work in one transaction, whole or not at all.

#[cfg(test)]
pub mod golden;
mod limits;
mod memory;
mod sqlite;
mod state;

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::oneshot;

use crate::shared::{
    chaos::{Attempts, Plans},
    idempotency::Idempotency,
    journal::Journal,
    ledger::Ledger,
    orders::Orders,
};

pub use limits::{DroppedCounts, Limits, Sizes, Usage};
pub use memory::{MemoryStore, MemoryStores};
pub use sqlite::{OpenError, SqliteStores};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("the store is not available: {0}")]
    Unavailable(String),
    #[error("the store has a {kind} {id} that can't be read: {why}")]
    Corrupt { kind: &'static str, id: String, why: String },
    #[error("the run was forgotten")]
    RunDeleted,
    #[error("{0} orders have a plan already; take one back, or forget the run")]
    TooManyPlans(usize),
}

/// The contexts' entities, each in its own encoding.
pub trait Records {
    /// # Errors
    /// When the store fails.
    fn get(&self, kind: &'static str, id: &str) -> Result<Option<Arc<str>>, StoreError>;
    /// # Errors
    /// When the store fails.
    fn put(&mut self, kind: &'static str, id: &str, record: String) -> Result<(), StoreError>;
}

/// What was set while the provider ran and holds until it is set otherwise, each in its own encoding.
pub trait Settings {
    /// # Errors
    /// When the store fails.
    fn setting(&self, name: &'static str) -> Result<Option<String>, StoreError>;
    /// Sets it, or takes it back.
    ///
    /// # Errors
    /// When the store fails.
    fn set_setting(&mut self, name: &'static str, value: Option<String>) -> Result<(), StoreError>;
}

/// Everything a piece of work can read and write; its writes commit together. All of it lasts as long as
/// the store does, except for the journal and what is in flight, which end with the process.
pub trait Transaction:
    Records + Idempotency + Ledger + Orders + Attempts + Plans + Settings + Journal
{
}

impl<T: Records + Idempotency + Ledger + Orders + Attempts + Plans + Settings + Journal> Transaction for T {}

/// Work for one transaction. It is synchronous, so that no transaction waits for anything. An error
/// undoes all that it wrote.
pub type Work = Box<dyn FnOnce(&mut dyn Transaction) -> Result<(), StoreError> + Send>;

/// Where everything is kept.
#[async_trait]
pub trait Store: Send + Sync {
    /// Runs the work while no other work runs, and returns once it is committed or undone.
    ///
    /// # Errors
    /// The work's own, or that of the commit.
    async fn execute(&self, work: Work) -> Result<(), StoreError>;
}

/// The runs, each of which has a store of its own.
#[async_trait]
pub trait Stores: Send + Sync {
    /// The store of a run, which begins empty when it is asked for first.
    ///
    /// # Errors
    /// When what is kept of the run can't be read.
    async fn open(&self, run: &str) -> Result<Arc<dyn Store>, StoreError>;

    /// Forgets a run and all that it had, and says whether there was such a run. Work that comes by a store
    /// that was opened before is refused with [`StoreError::RunDeleted`].
    ///
    /// # Errors
    /// When the store fails.
    async fn delete(&self, run: &str) -> Result<bool, StoreError>;

    /// The names of the runs, sorted.
    ///
    /// # Errors
    /// When the store fails.
    async fn runs(&self) -> Result<Vec<String>, StoreError>;

    /// Returns one setting of every run, sorted by the runs' names. It opens no run.
    ///
    /// # Errors
    /// When the store fails.
    async fn settings(&self, name: &'static str) -> Result<Vec<(String, Option<String>)>, StoreError>;

    /// Returns how much the runs hold in memory.
    ///
    /// # Errors
    /// When the store fails.
    async fn usage(&self) -> Result<Usage, StoreError>;
}

impl dyn Store {
    /// Runs work in one transaction and gives its value, once that is committed.
    ///
    /// # Errors
    /// The work's own, or that of the commit.
    pub async fn transact<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Transaction) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (give, mut value) = oneshot::channel();
        self.execute(Box::new(move |tx| {
            // The receiver outlives the call.
            let _ = give.send(work(tx)?);
            Ok(())
        }))
        .await?;
        value.try_recv().map_err(|_| StoreError::Unavailable("work was dropped undone".to_owned()))
    }
}

/// A record as the text that the store keeps.
///
/// # Errors
/// When it can't be written as JSON.
pub fn encode(kind: &'static str, id: &str, record: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(record).map_err(|error| corrupt(kind, id, &error))
}

/// A record from the text that the store kept.
///
/// # Errors
/// When the text isn't such a record.
pub fn decode<T: DeserializeOwned>(kind: &'static str, id: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| corrupt(kind, id, &error))
}

fn corrupt(kind: &'static str, id: &str, error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt { kind, id: id.to_owned(), why: error.to_string() }
}
