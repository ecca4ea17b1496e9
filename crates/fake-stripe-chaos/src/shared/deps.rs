//! What every slice is given to work with.

use std::{sync::Arc, time::Duration};

use crate::shared::{
    chaos::{ActiveProfile, Catalogue, Chaos, Profiles, TimeoutDelay},
    clock::Clock,
    ids::Ids,
    request_counts::RequestCounts,
    run::RunName,
    store::{Store, StoreError},
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
    pub request_counts: Arc<RequestCounts>,
    pub telemetry: Telemetry,
    pub timeout_delay: TimeoutDelay,
    pub label_duration: Duration,
}

impl Deps {
    /// # Errors
    /// When the store fails.
    pub async fn active_profile(&self) -> Result<ActiveProfile, StoreError> {
        let profiles = Arc::clone(&self.profiles);
        self.store.transact(move |tx| profiles.active(tx)).await
    }
}
