//! Founder: one answer from three sources, each of which may be slow, busy or broken.
//!
//! `parts` is what can be had of a source, `asking` has it from one, `strategies` say in which order they
//! are asked, and `presentation` speaks HTTP.

mod asking;
mod config;
mod parts;
mod presentation;
mod strategies;

use std::error::Error;

use axum::Router;
pub use config::Config;
use futures::FutureExt;
use presentation::{FounderCode, UserContexts};
use service_kit::{metrics::Metrics, serve, service::Service};
use user_context::Sources;
use utoipa::{OpenApi, openapi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "founder",
        description = "Where a user is, the weather there, and a cat fact: asked of three sources at once, one \
                       after another, or as a stream. What can't be had is null and told why."
    ),
    components(schemas(presentation::PartBody)),
    tags((name = "user context", description = "Three sources, one answer."))
)]
struct About;

/// Runs until a signal stops it.
///
/// # Errors
/// When the port is taken, the listener fails or no HTTP client can be made.
pub async fn run(config: Config) -> Result<(), Box<dyn Error + Send + Sync>> {
    let stop = serve::stop_signal()?.shared();
    let listener = serve::bind(config.listen_addr).await?;
    let sources = Sources::start(&config.sources, config.tries).await?;
    let (app, _) = router(sources, &config);
    tracing::info!(address = %listener.local_addr()?, strategy = config.strategy.name(), "listening");
    Ok(serve::run(listener, app, stop, &config.common).await?)
}

/// The one door to the service, for [`run`] and for tests. It depends on nothing: a source that is away is
/// what it is there to bear.
pub fn router(sources: Sources, config: &Config) -> (Router, openapi::OpenApi) {
    let metrics = Metrics::new();
    let contexts = UserContexts::new(sources, config, metrics.registry());
    Service::new("founder", env!("CARGO_PKG_VERSION"), About::openapi())
        .metrics(metrics)
        .codes(FounderCode::ALL)
        .long_routes(presentation::routes(contexts))
        .build(&config.common)
}
