#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::disallowed_methods))]

mod batch;
mod config;
mod fields;
mod gateway;
mod idempotency;
mod money;
mod open_orders;
mod order;
mod order_return;
mod payment;
mod reconciliation;
mod subscription;
#[cfg(test)]
mod tests;
mod user_context;
mod waiting;
mod workflow;

use std::{error::Error, sync::Arc, time::Duration};

use axum::{Extension, Router};
use batch::Batches;
pub use config::Config;
use console::Console;
use futures::FutureExt;
use gateway::{HistoryGateway, temporal::TemporalGateway};
use open_orders::OpenOrders;
use order::Orders;
use order_return::Returns;
use payment::Payments;
use reconciliation::Reconciliations;
use service_kit::{
    auth::{self, Authenticator},
    config::Common,
    health::Dependency,
    metrics::Metrics,
    serve,
    service::Service,
};
use subscription::Subscriptions;
use user_context::UserContexts;
use utoipa::{OpenApi, openapi};
use waiting::Waiting;
use workflows::reconciliation::messages::ReconciliationInput;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "temporal-api",
        description = "Starts orders, subscriptions, payments and user contexts as Temporal workflows, follows them and steers \
                       them. An order either ships, or leaves no money held, no stock reserved and no label open."
    ),
    tags(
        (name = "orders", description = "One order, one workflow `order-fulfillment-{orderId}`."),
        (name = "subscriptions", description = "Recurring orders: one workflow `subscription-{subscriptionId}`, one order in each period."),
        (name = "batches", description = "Many orders at once: one workflow `order-batch-{batchId}`, a limited number of running orders."),
        (name = "reconciliation", description = "Compares the provider's ledger with the ends of the workflows, on a schedule and on demand."),
        (name = "workflows", description = "Payments and user contexts; and any workflow, by its id."),
    )
)]
struct About;

/// Runs until a signal stops it.
///
/// # Errors
/// Fails if the port is taken or the listener fails.
pub async fn run(config: Config) -> Result<(), Box<dyn Error + Send + Sync>> {
    let stop = serve::stop_signal()?.shared();
    let listener = serve::bind(config.listen_addr).await?;
    let gateway = Arc::new(TemporalGateway::new(config.task_queue.clone()));
    let reconciliation = ReconciliationInput {
        repair: config.reconciliation_repair,
        correlation_id: None,
        page_size: config.reconciliation_page_size,
        timing: config.timing,
        resumed: None,
    };
    let connecting = tokio::spawn({
        let (gateway, settings) = (gateway.clone(), config.temporal.clone());
        let (every, input) = (config.reconciliation_every, reconciliation.clone());
        async move {
            gateway.clone().connect(settings).await;
            gateway.keep_reconciliation_schedule(every, input).await;
        }
    });
    let orders = Orders::new(gateway.clone(), config.timing);
    let services = Services {
        orders: orders.clone(),
        payments: Payments::new(gateway.clone(), config.timing, config.payment_cancel_window),
        user_contexts: UserContexts::new(gateway.clone(), config.timing),
        subscriptions: Subscriptions::new(
            gateway.clone(),
            config.timing,
            config.subscription_retry_after,
            config.subscription_periods_per_run,
        ),
        reconciliations: Reconciliations::new(gateway.clone(), &config.task_queue, reconciliation),
        batches: Batches::new(gateway.clone(), config.timing, config.batches),
        returns: Returns::new(gateway.clone(), orders, config.timing),
        history: gateway.clone(),
    };
    let approval_timeout = Duration::from_millis(config.timing.approval_timeout_ms);
    let metrics = Metrics::new().append(OpenOrders::new(gateway.clone(), approval_timeout).appendix());
    let authenticator = Authenticator::new(config.auth.clone());
    auth::warn_if_open(&config.auth, config.listen_addr);
    let console = Console::new(config.console, authenticator.clone())?;
    let (app, _) = router(
        services,
        gateway.dependency(),
        metrics,
        &config.common,
        config.max_waiting,
        console,
        authenticator,
    );
    tracing::info!(address = %config.listen_addr, task_queue = config.task_queue, "listening");
    let result = serve::run(listener, app, stop, &config.common).await;
    connecting.abort();
    Ok(result?)
}

/// Holds the dependencies of the endpoints.
struct Services {
    orders: Orders,
    payments: Payments,
    user_contexts: UserContexts,
    subscriptions: Subscriptions,
    reconciliations: Reconciliations,
    batches: Batches,
    returns: Returns,
    history: Arc<dyn HistoryGateway>,
}

/// Builds the only entry to the service, for `run` and for tests.
fn router(
    services: Services,
    temporal: Dependency,
    metrics: Metrics,
    common: &Common,
    max_waiting: usize,
    console: Console,
    authenticator: Authenticator,
) -> (Router, openapi::OpenApi) {
    let Services {
        orders,
        payments,
        user_contexts,
        subscriptions,
        reconciliations,
        batches,
        returns,
        history,
    } = services;
    let workflows = workflow::Workflows {
        orders: orders.clone(),
        payments: payments.clone(),
        user_contexts: user_contexts.clone(),
        subscriptions: subscriptions.clone(),
        reconciliations: reconciliations.clone(),
        batches: batches.clone(),
        returns: returns.clone(),
        history,
    };
    let (order_routes, long_order_routes) = order::module(orders);
    let (batch_routes, long_batch_routes) = batch::module(&batches);
    let (workflow_routes, long_workflow_routes) = workflow::module(workflows);
    let waiting = Extension(Waiting::new(max_waiting, metrics.registry()));
    Service::new("temporal-api", env!("CARGO_PKG_VERSION"), About::openapi())
        .metrics(metrics)
        .largest_body(batches.largest_body())
        .codes(batch::BatchCode::ALL)
        .codes(order::OrderCode::ALL)
        .codes(order_return::ReturnCode::ALL)
        .codes(subscription::SubscriptionCode::ALL)
        .codes(reconciliation::ReconciliationCode::ALL)
        .codes(workflow::WorkflowCode::ALL)
        .codes(console::ConsoleCode::ALL)
        .depends_on(temporal)
        .routes(order_routes)
        .routes(order_return::module(returns))
        .routes(payment::module(payments))
        .routes(user_context::module(user_contexts))
        .routes(subscription::module(subscriptions))
        .routes(reconciliation::module(reconciliations))
        .routes(batch_routes)
        .routes(workflow_routes)
        .long_routes(long_batch_routes)
        .long_routes(long_order_routes.layer(waiting.clone()))
        .long_routes(long_workflow_routes.layer(waiting))
        .authenticate(authenticator)
        .pages(|api| console.routes(api))
        .build(common)
}
