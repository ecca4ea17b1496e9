//! The stores in memory: everything is lost with the process, and nothing is slower than it has to be.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{
    Store, StoreError, Stores, Work,
    state::{State, StateTransaction},
};

/// One run in memory.
pub struct MemoryStore(Mutex<Option<State>>);

impl Default for MemoryStore {
    fn default() -> Self {
        Self(Mutex::new(Some(State::default())))
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn execute(&self, work: Work) -> Result<(), StoreError> {
        let mut state = locked(&self.0);
        let mut tx = StateTransaction::new(state.as_mut().ok_or(StoreError::Forgotten)?);
        work(&mut tx)?;
        let changes = tx.commit();
        // Nobody has to wait until they are dropped.
        drop(state);
        drop(changes);
        Ok(())
    }
}

/// The runs in memory, by name.
#[derive(Default)]
pub struct MemoryStores(Mutex<BTreeMap<String, Arc<MemoryStore>>>);

#[async_trait]
impl Stores for MemoryStores {
    async fn open(&self, run: &str) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::clone(locked(&self.0).entry(run.to_owned()).or_default()) as Arc<dyn Store>)
    }

    async fn forget(&self, run: &str) -> Result<bool, StoreError> {
        let forgotten = locked(&self.0).remove(run);
        // Whoever still has it must not go on as if it were there.
        Ok(forgotten.is_some_and(|store| locked(&store.0).take().is_some()))
    }

    async fn runs(&self) -> Result<Vec<String>, StoreError> {
        Ok(locked(&self.0).keys().cloned().collect())
    }
}

/// Work that panicked has been undone like work that failed, so what was locked is as good as ever.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
