//! The registry of runs. It opens each run's store, and keeps the provider that serves the run.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::shared::{
    chaos::seed_of_run,
    gate::Gate,
    run::{RunName, load_seed, load_seeds, store_seed},
    store::{Store, StoreError, Stores},
};

/// Builds the provider of a run from the run's name, seed and store.
pub type BuildRun<P> = Box<dyn Fn(RunName, u64, Arc<dyn Store>) -> P + Send + Sync>;

/// The runs except the default one. `P` is the provider that serves a run.
pub struct Registry<P> {
    build: BuildRun<P>,
    stores: Arc<dyn Stores>,
    /// The seeds of runs without their own are derived from it.
    seed: u64,
    max_runs: usize,
    open_runs: Mutex<BTreeMap<RunName, OpenRun<P>>>,
    /// Held while a run is opened or deleted. Neither sees the other half done, and the number of runs stays
    /// within the limit.
    changes: Gate,
}

#[derive(Clone)]
struct OpenRun<P> {
    seed: u64,
    provider: P,
}

/// One run in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    pub name: String,
    pub seed: u64,
}

/// The access of a request, which decides if it may open an unknown run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Changes something, and opens the run.
    Write,
    /// Reads or deletes, so it opens nothing: an unknown run has nothing to read.
    Read,
}

/// The result of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreatedRun {
    pub seed: u64,
    pub is_new: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    #[error("there are {0} runs, which is the limit; delete one, or raise CHAOS_MAX_RUNS")]
    TooManyRuns(usize),
    #[error("the run exists with seed {0}; delete it to change the seed")]
    SeedMismatch(u64),
    #[error("there is no run {0}; a POST to it or a PUT of it creates it")]
    Unknown(RunName),
    #[error("the default run always exists and has the server's seed")]
    DefaultRun,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<P: Clone> Registry<P> {
    #[must_use]
    pub fn new(stores: Arc<dyn Stores>, seed: u64, max_runs: usize, build: BuildRun<P>) -> Self {
        Self { build, stores, seed, max_runs, open_runs: Mutex::default(), changes: Gate::default() }
    }

    /// Returns the provider that serves a run. A write opens an unknown run.
    ///
    /// # Errors
    /// Fails if a read names an unknown run, at the limit of runs, or if the store fails.
    pub async fn provider(&self, name: &RunName, access: Access) -> Result<P, RunError> {
        if let Some(open) = self.open_runs().get(name) {
            return Ok(open.provider.clone());
        }
        Ok(self.open(name, None, access).await?.0.provider)
    }

    /// Creates a run with `seed`, or with a seed derived from the server's seed and the run's name.
    ///
    /// # Errors
    /// Fails if the run exists with another seed, at the limit of runs, or if the store fails.
    pub async fn create(&self, name: &RunName, seed: Option<u64>) -> Result<CreatedRun, RunError> {
        if name.is_default() {
            return Err(RunError::DefaultRun);
        }
        let (OpenRun { seed: stored, .. }, is_new) = self.open(name, seed, Access::Write).await?;
        match seed {
            Some(wanted) if wanted != stored => Err(RunError::SeedMismatch(stored)),
            _ => Ok(CreatedRun { seed: stored, is_new }),
        }
    }

    /// Lists the runs by name without opening them.
    ///
    /// # Errors
    /// Fails if the stores fail.
    pub async fn list(&self) -> Result<Vec<RunInfo>, StoreError> {
        let mut runs = Vec::new();
        for (name, seed) in load_seeds(&*self.stores).await? {
            let Ok(run) = name.parse::<RunName>() else { continue };
            if !run.is_default() {
                // A process that ended while it opened the run left it without a seed.
                let seed = seed.unwrap_or_else(|| seed_of_run(self.seed, &run));
                runs.push(RunInfo { name, seed });
            }
        }
        Ok(runs)
    }

    /// Deletes a run with its store.
    ///
    /// # Errors
    /// Fails if the run is unknown, or if its store fails.
    pub async fn delete(&self, name: &RunName) -> Result<(), RunError> {
        if name.is_default() {
            return Err(RunError::DefaultRun);
        }
        let _changing = self.changes.pass().await;
        // The provider goes first: a caller that disconnects here must not leave a provider without its store.
        self.open_runs().remove(name);
        if self.stores.delete(name.as_str()).await? { Ok(()) } else { Err(RunError::Unknown(name.clone())) }
    }

    /// Opens a run. Returns true with it if it is new.
    async fn open(
        &self,
        name: &RunName,
        seed: Option<u64>,
        access: Access,
    ) -> Result<(OpenRun<P>, bool), RunError> {
        let _changing = self.changes.pass().await;
        if let Some(open) = self.open_runs().get(name) {
            return Ok((open.clone(), false));
        }
        let names = self.stored_names().await?;
        if !names.iter().any(|stored| stored == name.as_str()) {
            if access == Access::Read {
                return Err(RunError::Unknown(name.clone()));
            }
            if names.len() >= self.max_runs {
                return Err(RunError::TooManyRuns(names.len()));
            }
        }
        let store = self.stores.open(name.as_str()).await?;
        let wanted = seed.unwrap_or_else(|| seed_of_run(self.seed, name));
        let (seed, is_new) = store
            .transact(move |tx| {
                if let Some(kept) = load_seed(tx)? {
                    return Ok((kept, false));
                }
                store_seed(tx, wanted)?;
                Ok((wanted, true))
            })
            .await?;
        let open = OpenRun { seed, provider: (self.build)(name.clone(), seed, store) };
        self.open_runs().insert(name.clone(), open.clone());
        Ok((open, is_new))
    }

    /// Returns the names of the runs that have a store, except the default one.
    async fn stored_names(&self) -> Result<Vec<String>, StoreError> {
        let mut names = self.stores.runs().await?;
        names.retain(|name| *name != RunName::default_run().as_str());
        Ok(names)
    }

    fn open_runs(&self) -> MutexGuard<'_, BTreeMap<RunName, OpenRun<P>>> {
        self.open_runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
