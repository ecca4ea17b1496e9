//! REST over Temporal: starts orders, and shows and steers them while they run.

mod config;
mod gateway;
mod order;
#[cfg(test)]
mod tests;

use std::{error::Error, sync::Arc};

use axum::Router;
pub use config::Config;
use futures::FutureExt;
use gateway::temporal::TemporalGateway;
use service_kit::{config::Common, health::Dependency, serve, service::Service};
use utoipa::{OpenApi, openapi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "temporal-api",
        description = "Starts orders as Temporal workflows, follows them and steers them. An order either ships, \
                       or leaves no money held, no stock reserved and no label open."
    ),
    tags((name = "orders", description = "One order, one workflow `order-fulfillment-{orderId}`."))
)]
struct About;

/// Runs until a signal stops it.
///
/// # Errors
/// When the port is taken or the listener fails.
pub async fn run(config: Config) -> Result<(), Box<dyn Error + Send + Sync>> {
    let stop = serve::stop_signal()?.shared();
    let listener = serve::bind(config.listen_addr).await?;
    let gateway = Arc::new(TemporalGateway::new(config.task_queue.clone()));
    let connecting = tokio::spawn(gateway.clone().connect(config.temporal.clone()));
    let orders = order::Orders::new(gateway.clone(), config.timing);
    let (app, _) = router(orders, gateway.dependency(), &config.common);
    tracing::info!(address = %config.listen_addr, task_queue = config.task_queue, "listening");
    let result = serve::run(listener, app, stop, config.common.shutdown_grace).await;
    connecting.abort();
    Ok(result?)
}

/// The one door to the service, for `run` and for tests.
fn router(orders: order::Orders, temporal: Dependency, common: &Common) -> (Router, openapi::OpenApi) {
    let (routes, long_routes) = order::module(orders);
    Service::new("temporal-api", env!("CARGO_PKG_VERSION"), About::openapi())
        .codes(order::OrderCode::ALL)
        .depends_on(temporal)
        .routes(routes)
        .long_routes(long_routes)
        .build(common)
}
