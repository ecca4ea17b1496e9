//! The stores in memory: everything is lost with the process, and nothing is slower than it has to be.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{
    Limits, Store, StoreError, Stores, Usage, Work,
    limits::Dropped,
    state::{State, StateTransaction},
};

/// One run in memory.
pub struct MemoryStore(Mutex<Option<State>>);

impl MemoryStore {
    fn new(limits: Limits, dropped: Arc<Dropped>) -> Self {
        Self(Mutex::new(Some(State::new(limits, dropped))))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Limits::default(), Arc::default())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn execute(&self, work: Work) -> Result<(), StoreError> {
        let mut state = lock(&self.0);
        let mut tx = StateTransaction::new(state.as_mut().ok_or(StoreError::RunDeleted)?);
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
pub struct MemoryStores {
    runs: Mutex<BTreeMap<String, Arc<MemoryStore>>>,
    limits: Limits,
    dropped: Arc<Dropped>,
}

impl MemoryStores {
    /// Makes stores that grow within these limits.
    #[must_use]
    pub fn within(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }
}

#[async_trait]
impl Stores for MemoryStores {
    async fn open(&self, run: &str) -> Result<Arc<dyn Store>, StoreError> {
        let empty = || Arc::new(MemoryStore::new(self.limits, Arc::clone(&self.dropped)));
        Ok(Arc::clone(lock(&self.runs).entry(run.to_owned()).or_insert_with(empty)) as Arc<dyn Store>)
    }

    async fn delete(&self, run: &str) -> Result<bool, StoreError> {
        let forgotten = lock(&self.runs).remove(run);
        // Whoever still has it must not go on as if it were there.
        Ok(forgotten.is_some_and(|store| lock(&store.0).take().is_some()))
    }

    async fn runs(&self) -> Result<Vec<String>, StoreError> {
        Ok(lock(&self.runs).keys().cloned().collect())
    }

    async fn settings(&self, name: &'static str) -> Result<Vec<(String, Option<String>)>, StoreError> {
        let setting = |store: &MemoryStore| lock(&store.0).as_ref()?.settings.get(name).cloned();
        Ok(lock(&self.runs).iter().map(|(run, store)| (run.clone(), setting(store))).collect())
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        let runs: Vec<_> = lock(&self.runs).values().cloned().collect();
        let mut usage = Usage { runs: runs.len(), dropped: self.dropped.counts(), ..Usage::default() };
        for run in runs {
            if let Some(state) = &*lock(&run.0) {
                usage.sizes += state.sizes();
            }
        }
        Ok(usage)
    }
}

/// Work that panicked has been undone like work that failed, so what was locked is as good as ever.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
