//! Puts the provider together: the one door that `main` and the tests come in by.

use std::sync::Arc;

use axum::{Router, middleware};
use service_kit::{metrics::Metrics, service::Service};
use utoipa::openapi::{self, InfoBuilder, OpenApiBuilder};

use crate::{
    SLICES,
    config::{Config, LedgerKind},
    shared::{
        chaos::{Catalogue, KeyedChaos, Profiles, TimeoutDelay},
        clock::{Clock, SystemClock},
        deps::Deps,
        ids::{Ids, RandomIds},
        presentation::{break_on_the_wire, problems::ProviderCode},
        run::RunName,
        store::{MemoryStore, Store},
        tally::Tally,
        telemetry::Telemetry,
    },
};

pub const NAME: &str = "fake-stripe-chaos";
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What comes from outside the process.
#[derive(Clone)]
pub struct Ports {
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub store: Arc<dyn Store>,
    /// What every draw is made from.
    pub seed: u64,
}

impl Ports {
    /// The machine's clock, random ids, and what the configuration says of store and seed.
    #[must_use]
    pub fn real(config: &Config) -> Self {
        let store = match config.ledger {
            LedgerKind::Memory => Arc::new(MemoryStore::default()),
        };
        let seed = config.seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
        Self { clock: Arc::new(SystemClock), ids: Arc::new(RandomIds), store, seed }
    }
}

/// The provider's router, and the OpenAPI document it serves.
pub fn build(config: &Config, ports: Ports) -> (Router, openapi::OpenApi) {
    let metrics = Metrics::new();
    let deps = deps(config, ports, &metrics);
    let service = Service::new(NAME, VERSION, about()).metrics(metrics).codes(ProviderCode::ALL);
    let service = SLICES.iter().fold(service, |service, slice| (slice.install)(service, &deps));
    let (router, openapi) = service.build(&config.common);
    (router.layer(middleware::from_fn(break_on_the_wire)), openapi)
}

/// The operations of every slice, and what goes wrong with them.
#[must_use]
pub fn catalogue() -> Catalogue {
    Catalogue::new(SLICES.iter().flat_map(|slice| slice.chaos).copied())
}

fn deps(config: &Config, ports: Ports, metrics: &Metrics) -> Deps {
    let catalogue = Arc::new(catalogue());
    tracing::info!(seed = ports.seed, profile = %config.profile, "chaos");
    let profiles = Arc::new(Profiles::new(
        Arc::clone(&config.profile),
        Arc::clone(&catalogue),
        Arc::clone(&ports.clock),
    ));
    Deps {
        run: RunName::default_run(),
        store: ports.store,
        chaos: Arc::new(KeyedChaos::new(ports.seed, Arc::clone(&profiles))),
        tally: Arc::new(Tally::new(ports.clock.now())),
        clock: ports.clock,
        ids: ports.ids,
        catalogue,
        profiles,
        telemetry: Telemetry::new(metrics.registry()),
        timeout_delay: TimeoutDelay::new(config.timeout_delay),
        label_duration: config.label_duration,
    }
}

fn about() -> openapi::OpenApi {
    let info = InfoBuilder::new()
        .title("fake-stripe-chaos")
        .version(VERSION)
        .description(Some(
            "A payment, inventory, shipping and notification provider that misbehaves on purpose and keeps the truth.",
        ))
        .build();
    OpenApiBuilder::new().info(info).build()
}
