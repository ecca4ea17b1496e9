#![doc = include_str!("../README.md")]

mod config;
mod fetch;
mod parts;
mod presentation;
mod strategies;

use std::error::Error;

use axum::Router;
pub use config::Config;
use futures::FutureExt;
use presentation::{FounderCode, UserContextApi};
use service_kit::{
    auth::{self, Authenticator, roles::READERS_AND_CUSTOMERS},
    metrics::Metrics,
    serve,
    service::Service,
};
use user_context::Sources;
use utoipa::{OpenApi, openapi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "founder",
        description = "The location of a user, the weather there, and a cat fact. Three sources provide them: all at \
                       once, one after another, or as a stream. A missing part is null, and its reason is given."
    ),
    components(schemas(presentation::PartBody)),
    tags((name = "user context", description = "One answer from three sources."))
)]
struct About;

/// Runs founder until a signal stops it.
///
/// # Errors
/// Returns an error when the port is in use, the listener fails, or the HTTP client can't be set up.
pub async fn run(config: Config) -> Result<(), Box<dyn Error + Send + Sync>> {
    let stop = serve::stop_signal()?.shared();
    let listener = serve::bind(config.listen_addr).await?;
    let sources = Sources::start(&config.sources, config.tries).await?;
    auth::warn_if_open(&config.auth, config.listen_addr);
    let (app, _) = router(sources, &config);
    tracing::info!(address = %listener.local_addr()?, strategy = config.strategy.name(), "listening");
    Ok(serve::run(listener, app, stop, &config.common).await?)
}

/// Builds the router, for [`run`] and for tests. Readiness checks no dependency, since founder also answers when
/// sources fail.
pub fn router(sources: Sources, config: &Config) -> (Router, openapi::OpenApi) {
    let metrics = Metrics::new();
    let api = UserContextApi::new(sources, config, metrics.registry());
    Service::new("founder", env!("CARGO_PKG_VERSION"), About::openapi())
        .metrics(metrics)
        .codes(FounderCode::ALL)
        .authenticate(Authenticator::new(config.auth.clone()))
        .long_routes(auth::only(READERS_AND_CUSTOMERS, presentation::routes(api)))
        .build(&config.common)
}
