//! The dependencies of every slice.

use std::{sync::Arc, time::Duration};

use crate::shared::{
    chaos::{Catalogue, TimeoutDelay},
    clock::Clock,
    ids::Ids,
    presentation::AdminToken,
    profiles::{ActiveProfile, Profiles},
    request_counts::RequestCounts,
    run::RunName,
    store::{Store, StoreError},
    telemetry::Telemetry,
};

/// The ports and settings. They are cheap to clone.
#[derive(Clone)]
pub struct Deps {
    pub run: RunName,
    pub store: Arc<dyn Store>,
    /// The seed of the run's draws.
    pub seed: u64,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub catalogue: Arc<Catalogue>,
    pub profiles: Arc<Profiles>,
    pub request_counts: Arc<RequestCounts>,
    pub telemetry: Telemetry,
    pub timeout_delay: TimeoutDelay,
    pub label_duration: Duration,
    /// The token of those who may steer.
    pub admin: AdminToken,
}

impl Deps {
    /// # Errors
    /// When the store fails.
    pub async fn active_profile(&self) -> Result<ActiveProfile, StoreError> {
        let profiles = Arc::clone(&self.profiles);
        self.store.transact(move |tx| profiles.active(tx)).await
    }
}
