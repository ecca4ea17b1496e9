//! The store: a port that runs work in one transaction.

#[cfg(test)]
pub mod golden;
mod limits;
mod memory;
mod sqlite;
mod state;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::oneshot;

use crate::shared::{
    chaos::{ChaosKey, PlannedScript},
    idempotency::Idempotency,
    ids::OrderId,
    journal::Journal,
    ledger::Ledger,
    operation::Operation,
    orders::Orders,
};

pub use limits::{DroppedCounts, Limits, Sizes, Usage};
pub use memory::{MemoryStore, MemoryStores};
pub use sqlite::{OpenError, SqliteStores};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("the store is not available: {0}")]
    Unavailable(String),
    #[error("the store has an unreadable {kind} {id}: {why}")]
    Corrupt { kind: &'static str, id: String, why: String },
    #[error("the run was deleted")]
    RunDeleted,
    #[error("{0} orders have a plan already; remove one, or delete the run")]
    TooManyPlans(usize),
}

/// The id of a record, and its text.
pub type Record = (Arc<str>, Arc<str>);

/// The contexts' entities, each in its own encoding.
pub trait Records {
    /// # Errors
    /// When the store fails.
    fn get(&self, kind: &'static str, id: &str) -> Result<Option<Arc<str>>, StoreError>;
    /// # Errors
    /// When the store fails.
    fn put(&mut self, kind: &'static str, id: &str, record: String) -> Result<(), StoreError>;
    /// Removes a record, if it is there.
    ///
    /// # Errors
    /// When the store fails.
    fn remove(&mut self, kind: &'static str, id: &str) -> Result<(), StoreError>;
    /// Returns every record of a kind with its id, in no order.
    ///
    /// # Errors
    /// When the store fails.
    fn list(&self, kind: &'static str) -> Result<Vec<Record>, StoreError>;
}

/// The number of decisions for each operation and chaos key.
pub trait Attempts {
    /// # Errors
    /// When the store fails.
    fn attempts(&self, operation: Operation, key: &str) -> Result<u32, StoreError>;
    /// Sets the number of attempts. Beyond the limit, the store drops the oldest attempts without an order. It
    /// never drops those of an order, which would start again with attempt 1.
    ///
    /// # Errors
    /// When the store fails.
    fn set_attempts(&mut self, operation: Operation, key: &ChaosKey, attempts: u32)
    -> Result<(), StoreError>;
}

/// The plans of orders.
pub trait Plans {
    /// # Errors
    /// When the store fails.
    fn plan(&self, order: &OrderId, operation: Operation) -> Result<Option<PlannedScript>, StoreError>;
    /// Replaces the whole plan of an order.
    ///
    /// # Errors
    /// When the store fails, or too many orders have a plan with unused scenarios.
    fn set_plan(
        &mut self,
        order: &OrderId,
        plan: BTreeMap<Operation, PlannedScript>,
    ) -> Result<(), StoreError>;
}

/// The settings at run time, each in its own encoding.
pub trait Settings {
    /// # Errors
    /// When the store fails.
    fn setting(&self, name: &'static str) -> Result<Option<String>, StoreError>;
    /// Sets or removes a setting.
    ///
    /// # Errors
    /// When the store fails.
    fn set_setting(&mut self, name: &'static str, value: Option<String>) -> Result<(), StoreError>;
}

/// The reads and writes of a piece of work. Its writes commit together. The journal and the requests in flight end
/// with the process; the rest is as durable as the store.
pub trait Transaction:
    Records + Idempotency + Ledger + Orders + Attempts + Plans + Settings + Journal
{
}

impl<T: Records + Idempotency + Ledger + Orders + Attempts + Plans + Settings + Journal> Transaction for T {}

/// Work for one transaction. It is synchronous, so no transaction waits. An error rolls its writes back.
pub type Work = Box<dyn FnOnce(&mut dyn Transaction) -> Result<(), StoreError> + Send>;

/// The store of one run.
#[async_trait]
pub trait Store: Send + Sync {
    /// Runs the work while no other work runs. It returns after the commit or the rollback.
    ///
    /// # Errors
    /// Fails if the work or the commit fails.
    async fn execute(&self, work: Work) -> Result<(), StoreError>;
}

/// The stores of all runs.
#[async_trait]
pub trait Stores: Send + Sync {
    /// Opens the store of a run, or creates an empty one.
    ///
    /// # Errors
    /// Fails if the stored run is unreadable.
    async fn open(&self, run: &str) -> Result<Arc<dyn Store>, StoreError>;

    /// Deletes a run, and returns true if it existed. Work of an open handle then fails with
    /// [`StoreError::RunDeleted`].
    ///
    /// # Errors
    /// When the store fails.
    async fn delete(&self, run: &str) -> Result<bool, StoreError>;

    /// Returns the names of the runs, sorted.
    ///
    /// # Errors
    /// When the store fails.
    async fn runs(&self) -> Result<Vec<String>, StoreError>;

    /// Returns one setting of every run, sorted by the runs' names. It opens no run.
    ///
    /// # Errors
    /// When the store fails.
    async fn settings(&self, name: &'static str) -> Result<Vec<(String, Option<String>)>, StoreError>;

    /// Returns the sizes of the runs in memory.
    ///
    /// # Errors
    /// When the store fails.
    async fn usage(&self) -> Result<Usage, StoreError>;
}

impl dyn Store {
    /// Runs work in one transaction, and returns its value after the commit.
    ///
    /// # Errors
    /// Fails if the work or the commit fails.
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

/// Encodes a record as JSON.
///
/// # Errors
/// Fails if the record has no JSON form.
pub fn encode(kind: &'static str, id: &str, record: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(record).map_err(|error| corrupt(kind, id, &error))
}

/// Decodes a record from JSON.
///
/// # Errors
/// Fails if the text is not such a record.
pub fn decode<T: DeserializeOwned>(kind: &'static str, id: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| corrupt(kind, id, &error))
}

fn corrupt(kind: &'static str, id: &str, error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt { kind, id: id.to_owned(), why: error.to_string() }
}
