//! What every slice is given to work with.

use std::{sync::Arc, time::Duration};

use crate::shared::{
    chaos::{Catalogue, Chaos, InForce, Profiles, TimeoutDelay},
    clock::Clock,
    ids::Ids,
    run::RunName,
    store::{Store, StoreError},
    tally::Tally,
    telemetry::Telemetry,
};

/// Ports and settings; cheap to clone.
#[derive(Clone)]
pub struct Deps {
    pub run: RunName,
    pub store: Arc<dyn Store>,
    pub chaos: Arc<dyn Chaos>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub catalogue: Arc<Catalogue>,
    pub profiles: Arc<Profiles>,
    pub tally: Arc<Tally>,
    pub telemetry: Telemetry,
    pub timeout_delay: TimeoutDelay,
    pub label_duration: Duration,
}

impl Deps {
    /// # Errors
    /// When the store fails.
    pub async fn profile_in_force(&self) -> Result<InForce, StoreError> {
        let profiles = Arc::clone(&self.profiles);
        self.store.transact(move |tx| profiles.in_force(tx)).await
    }
}
