//! The registry: the runs, each with the provider that serves it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::shared::{
    chaos::seed_of_run,
    gate::Gate,
    run::{RunName, keep_seed, kept_seed, kept_seeds},
    store::{Store, StoreError, Stores},
};

/// Makes what serves a run: from its name, its seed and its store.
pub type Build<P> = Box<dyn Fn(RunName, u64, Arc<dyn Store>) -> P + Send + Sync>;

/// The runs, but for the default one.
pub struct Registry<P> {
    build: Build<P>,
    stores: Arc<dyn Stores>,
    /// Makes the seeds of runs that bring none.
    seed: u64,
    most: usize,
    open: Mutex<BTreeMap<RunName, Open<P>>>,
    /// Held while a run is opened or forgotten, so that neither sees the other half done, and so that the
    /// count of runs that the limit is compared with is still right when the run is there.
    changes: Gate,
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

/// Whether a request may open a run that isn't there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It changes something, and opens the run that it names.
    Write,
    /// It only looks, or deletes: a run that isn't there has nothing for it.
    Read,
}

/// A run after it was made.
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
    #[error("there is no run {0}; a POST to it or a PUT of it opens it")]
    Unknown(RunName),
    #[error("the default run is always there, with the server's seed")]
    IsDefault,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<P: Clone> Registry<P> {
    #[must_use]
    pub fn new(stores: Arc<dyn Stores>, seed: u64, most: usize, build: Build<P>) -> Self {
        Self { build, stores, seed, most, open: Mutex::default(), changes: Gate::default() }
    }

    /// Returns the provider that serves a run; a write opens a run that isn't there.
    ///
    /// # Errors
    /// When a read names an unknown run, when there would be too many, or its store fails.
    pub async fn provider(&self, name: &RunName, access: Access) -> Result<P, RunError> {
        if let Some(open) = self.opened().get(name) {
            return Ok(open.provider.clone());
        }
        Ok(self.open(name, None, access).await?.0.provider)
    }

    /// Makes a run with a seed of its own, or with one that follows from the server's and its name.
    ///
    /// # Errors
    /// When it is there with another seed, when there would be too many, or its store fails.
    pub async fn make(&self, name: &RunName, seed: Option<u64>) -> Result<Made, RunError> {
        if name.is_default() {
            return Err(RunError::IsDefault);
        }
        let (Open { seed: found, .. }, is_new) = self.open(name, seed, Access::Write).await?;
        match seed {
            Some(wanted) if wanted != found => Err(RunError::OtherSeed(found)),
            _ => Ok(Made { seed: found, is_new }),
        }
    }

    /// Lists the runs by name, and opens none.
    ///
    /// # Errors
    /// When the stores fail.
    pub async fn list(&self) -> Result<Vec<RunInfo>, StoreError> {
        let mut runs = Vec::new();
        for (name, seed) in kept_seeds(&*self.stores).await? {
            let Ok(run) = name.parse::<RunName>() else { continue };
            if !run.is_default() {
                // A process that ended while it opened the run has left it without its seed.
                let seed = seed.unwrap_or_else(|| seed_of_run(self.seed, &run));
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
        let _changing = self.changes.pass().await;
        // The provider goes first: a caller that hangs up here leaves no provider without its store.
        self.opened().remove(name);
        if self.stores.forget(name.as_str()).await? { Ok(()) } else { Err(RunError::Unknown(name.clone())) }
    }

    /// Opens a run, and says whether it is new.
    async fn open(
        &self,
        name: &RunName,
        seed: Option<u64>,
        access: Access,
    ) -> Result<(Open<P>, bool), RunError> {
        let _changing = self.changes.pass().await;
        if let Some(open) = self.opened().get(name) {
            return Ok((open.clone(), false));
        }
        let known = self.known().await?;
        if !known.iter().any(|known| known == name.as_str()) {
            if access == Access::Read {
                return Err(RunError::Unknown(name.clone()));
            }
            if known.len() >= self.most {
                return Err(RunError::TooMany(known.len()));
            }
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
        let open = Open { seed, provider: (self.build)(name.clone(), seed, store) };
        self.opened().insert(name.clone(), open.clone());
        Ok((open, is_new))
    }

    /// Returns the names of the runs that have a store, but for the default one.
    async fn known(&self) -> Result<Vec<String>, StoreError> {
        let mut known = self.stores.runs().await?;
        known.retain(|name| *name != RunName::default_run().as_str());
        Ok(known)
    }

    fn opened(&self) -> MutexGuard<'_, BTreeMap<RunName, Open<P>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
