//! Assembles the provider for `main` and for the tests.

use std::sync::Arc;

use axum::Router;
use futures::FutureExt;
use service_kit::{
    auth::AuthCode,
    layers,
    metrics::{Appendix, Metrics},
    service::Service,
};
use utoipa::openapi::{self, InfoBuilder, OpenApiBuilder};

use crate::{
    SLICES,
    config::{Config, LedgerLocation},
    ledger_gauges::LedgerGauges,
    runs::{self, Registry, RunsCode},
    shared::{
        chaos::{Catalogue, TimeoutDelay, random_seed},
        clock::{Clock, SystemClock},
        deps::Deps,
        ids::{Ids, RandomIds},
        presentation::problems::ProviderCode,
        profiles::Profiles,
        request_counts::RequestCounts,
        run::{RunName, load_seed, store_seed},
        store::{MemoryStores, OpenError, SqliteStores, Store, StoreError, Stores, Transaction},
        telemetry::{Gauges, Telemetry},
    },
    stripe,
};

pub const NAME: &str = "fake-stripe-chaos";
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The ports to the outside of the process.
#[derive(Clone)]
pub struct Ports {
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    /// The store of the default run.
    pub store: Arc<dyn Store>,
    /// The stores of all runs.
    pub stores: Arc<dyn Stores>,
    /// The number that all draws of the default run start from.
    pub seed: u64,
}

/// A reason for which no store could be opened.
#[derive(Debug, thiserror::Error)]
pub enum PortsError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Ports {
    /// Returns the machine's clock, random ids, and the configured store and seed.
    ///
    /// # Errors
    /// Fails if the store cannot be opened.
    pub async fn from_config(config: &Config) -> Result<Self, PortsError> {
        let stores: Arc<dyn Stores> = match &config.ledger {
            LedgerLocation::Memory => Arc::new(MemoryStores::within(config.limits)),
            LedgerLocation::Sqlite(file) => {
                Arc::new(SqliteStores::open_within(file, Arc::new(catalogue()), config.limits)?)
            }
        };
        let store = stores.open(RunName::default_run().as_str()).await?;
        let seed = config.seed.unwrap_or_else(random_seed);
        Ok(Self { clock: Arc::new(SystemClock), ids: Arc::new(RandomIds), store, stores, seed })
    }

    /// Takes the stored seed of the default run if none is configured, and stores the seed. So the same orders
    /// draw the same scenarios after a restart, as long as the ledger exists.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn with_stored_seed(mut self, configured: Option<u64>) -> Result<Self, StoreError> {
        let new = self.seed;
        let choose = move |tx: &mut dyn Transaction| {
            let seed = configured.or(load_seed(tx)?).unwrap_or(new);
            store_seed(tx, seed)?;
            Ok(seed)
        };
        self.seed = self.store.transact(choose).await?;
        Ok(self)
    }
}

/// Builds the provider's router and its OpenAPI document.
pub fn build(config: &Config, ports: Ports) -> (Router, openapi::OpenApi) {
    tracing::info!(seed = ports.seed, profile = %config.profile, "chaos configured");
    let file = match &config.ledger {
        LedgerLocation::Memory => None,
        LedgerLocation::Sqlite(file) => Some(file.clone()),
    };
    let ledger = LedgerGauges::new(Arc::clone(&ports.store), Arc::clone(&ports.clock), file);
    let metrics = Metrics::new().append(measured(&ports.stores, ledger));
    let builder = RunBuilder {
        config: config.clone(),
        clock: ports.clock,
        ids: ports.ids,
        catalogue: Arc::new(catalogue()),
        telemetry: Telemetry::new(metrics.registry()),
        metrics: metrics.clone(),
    };
    let default_run = builder.service(&builder.deps(RunName::default_run(), ports.seed, ports.store));
    let build_run = move |run, seed, store| {
        stripe::layer(
            builder.service(&builder.deps(run, seed, store)).build_undocumented(&builder.config.common),
        )
    };
    let registry = Arc::new(Registry::new(ports.stores, ports.seed, config.max_runs, Box::new(build_run)));
    let (default_run, openapi) = default_run
        .codes(RunsCode::ALL)
        .codes(AuthCode::ALL)
        .routes(runs::routes(Arc::clone(&registry), &config.admin))
        .build(&config.common);
    let dress =
        |router| stripe::layer(layers::around(router, &config.common, metrics, config.common.body_limit));
    (runs::run_router(stripe::layer(default_run), registry, dress), openapi)
}

/// Returns the gauges of the sizes of all runs and of the default run's ledger, measured at each scrape.
fn measured(stores: &Arc<dyn Stores>, ledger: LedgerGauges) -> Appendix {
    let (stores, sizes, ledger) = (Arc::clone(stores), Gauges::new(), Arc::new(ledger));
    Arc::new(move || {
        let (stores, sizes, ledger) = (Arc::clone(&stores), sizes.clone(), Arc::clone(&ledger));
        async move {
            let usage = stores.usage().await.map(|usage| sizes.text(&usage));
            let parts = [("the runs", usage), ("the ledger", ledger.text().await)];
            let text = parts.into_iter().map(|(name, part)| {
                part.unwrap_or_else(|error| {
                    tracing::error!(%error, "measuring {name} failed");
                    String::new()
                })
            });
            text.collect()
        }
        .boxed()
    })
}

/// Returns the operations of every slice with their scenarios.
#[must_use]
pub fn catalogue() -> Catalogue {
    Catalogue::new(SLICES.iter().flat_map(|slice| slice.chaos).copied())
}

/// The parts that all runs share.
struct RunBuilder {
    config: Config,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    catalogue: Arc<Catalogue>,
    telemetry: Telemetry,
    metrics: Metrics,
}

impl RunBuilder {
    fn deps(&self, run: RunName, seed: u64, store: Arc<dyn Store>) -> Deps {
        let profiles = Arc::new(Profiles::new(
            Arc::clone(&self.config.profile),
            Arc::clone(&self.catalogue),
            Arc::clone(&self.clock),
        ));
        Deps {
            run,
            store,
            seed,
            request_counts: Arc::new(RequestCounts::new(self.clock.now())),
            clock: Arc::clone(&self.clock),
            ids: Arc::clone(&self.ids),
            catalogue: Arc::clone(&self.catalogue),
            profiles,
            telemetry: self.telemetry.clone(),
            timeout_delay: TimeoutDelay::new(self.config.timeout_delay),
            label_duration: self.config.label_duration,
            admin: self.config.admin.clone(),
        }
    }

    /// Builds the whole provider of one run.
    fn service(&self, deps: &Deps) -> Service {
        let service =
            Service::new(NAME, VERSION, api_info()).metrics(self.metrics.clone()).codes(ProviderCode::ALL);
        SLICES.iter().fold(service, |service, slice| (slice.install)(service, deps))
    }
}

fn api_info() -> openapi::OpenApi {
    let info = InfoBuilder::new()
        .title("fake-stripe-chaos")
        .version(VERSION)
        .description(Some(
            "A payment, inventory, shipping and notification provider that injects faults and records every effect in its ledger.\n\n\
             A request can use an isolated run with its own seed, profile, ledger and journal. The header \
             `X-Chaos-Run: <name>` or the path prefix `/runs/{name}` selects it.",
        ))
        .build();
    OpenApiBuilder::new().info(info).build()
}
