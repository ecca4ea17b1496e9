//! What every slice is given to work with.

use std::{sync::Arc, time::Duration};

use crate::shared::{
    chaos::{Catalogue, Chaos, Profile, TimeoutDelay},
    clock::Clock,
    ids::Ids,
    store::Store,
    telemetry::Telemetry,
};

/// Ports and settings; cheap to clone.
#[derive(Clone)]
pub struct Deps {
    pub store: Arc<dyn Store>,
    pub chaos: Arc<dyn Chaos>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub catalogue: Arc<Catalogue>,
    pub profile: Arc<Profile>,
    pub telemetry: Telemetry,
    pub timeout_delay: TimeoutDelay,
    pub label_duration: Duration,
}
