//! The registry: every run that was asked for, each with the provider that serves it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::shared::{
    chaos::seed_of_run,
    run::{RunName, keep_seed, kept_seed},
    store::{Store, StoreError, Stores},
};

/// Makes what serves a run: from its name, its seed and its store.
pub type Build<P> = Box<dyn Fn(RunName, u64, Arc<dyn Store>) -> P + Send + Sync>;

/// The runs, but for the default one.
pub struct Registry<P> {
    build: Build<P>,
    stores: Arc<dyn Stores>,
    /// What the seeds of runs are made from that bring none.
    seed: u64,
    most: usize,
    open: Mutex<BTreeMap<RunName, Open<P>>>,
}

#[derive(Clone)]
struct Open<P> {
    seed: u64,
    provider: P,
}

/// A run as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    pub name: String,
    pub seed: u64,
}

/// A run that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    pub seed: u64,
    pub is_new: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    #[error("there are {0} runs already; forget one, or allow more")]
    TooMany(usize),
    #[error("the run is there, with seed {0}")]
    OtherSeed(u64),
    #[error("there is no run {0}")]
    Unknown(RunName),
    #[error("the default run is always there, with the server's seed")]
    IsDefault,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<P: Clone> Registry<P> {
    #[must_use]
    pub fn new(stores: Arc<dyn Stores>, seed: u64, most: usize, build: Build<P>) -> Self {
        Self { build, stores, seed, most, open: Mutex::default() }
    }

    /// What serves a run, which is made if it isn't there.
    ///
    /// # Errors
    /// When there would be too many, or its store fails.
    pub async fn provider(&self, name: &RunName) -> Result<P, RunError> {
        if let Some(open) = self.opened().get(name) {
            return Ok(open.provider.clone());
        }
        Ok(self.open(name, None).await?.0.provider)
    }

    /// Makes a run with a seed of its own, or with one that follows from the server's and its name.
    ///
    /// # Errors
    /// When it is there with another seed, when there would be too many, or its store fails.
    pub async fn make(&self, name: &RunName, seed: Option<u64>) -> Result<Made, RunError> {
        if name.is_default() {
            return Err(RunError::IsDefault);
        }
        let (Open { seed: found, .. }, is_new) = self.open(name, seed).await?;
        match seed {
            Some(wanted) if wanted != found => Err(RunError::OtherSeed(found)),
            _ => Ok(Made { seed: found, is_new }),
        }
    }

    /// The runs by name.
    ///
    /// # Errors
    /// When a store fails.
    pub async fn list(&self) -> Result<Vec<RunInfo>, StoreError> {
        let mut runs = Vec::new();
        for name in self.known().await? {
            let store = self.stores.open(&name).await?;
            if let Some(seed) = store.transact(|tx| kept_seed(tx)).await? {
                runs.push(RunInfo { name, seed });
            }
        }
        Ok(runs)
    }

    /// Forgets a run and all that it had.
    ///
    /// # Errors
    /// When there is no such run, or its store fails.
    pub async fn forget(&self, name: &RunName) -> Result<(), RunError> {
        if name.is_default() {
            return Err(RunError::IsDefault);
        }
        self.opened().remove(name);
        if self.stores.forget(name.as_str()).await? { Ok(()) } else { Err(RunError::Unknown(name.clone())) }
    }

    /// Opens a run, and says whether it is new.
    async fn open(&self, name: &RunName, seed: Option<u64>) -> Result<(Open<P>, bool), RunError> {
        let known = self.known().await?;
        if !known.iter().any(|known| known == name.as_str()) && known.len() >= self.most {
            return Err(RunError::TooMany(known.len()));
        }
        let store = self.stores.open(name.as_str()).await?;
        let wanted = seed.unwrap_or_else(|| seed_of_run(self.seed, name));
        let (seed, is_new) = store
            .transact(move |tx| {
                if let Some(kept) = kept_seed(tx)? {
                    return Ok((kept, false));
                }
                keep_seed(tx, wanted)?;
                Ok((wanted, true))
            })
            .await?;
        let mut opened = self.opened();
        let open = opened.entry(name.clone()).or_insert_with(|| {
            let provider = (self.build)(name.clone(), seed, store);
            Open { seed, provider }
        });
        Ok((open.clone(), is_new))
    }

    /// The names that there are stores for, but for the default run's.
    async fn known(&self) -> Result<Vec<String>, StoreError> {
        let mut known = self.stores.runs().await?;
        known.retain(|name| *name != RunName::default_run().as_str());
        Ok(known)
    }

    fn opened(&self) -> MutexGuard<'_, BTreeMap<RunName, Open<P>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
