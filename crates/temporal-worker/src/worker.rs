//! Assembles the worker: connection, activities, workflows, health and metrics.

use std::{
    error::Error,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use service_kit::{
    client,
    health::Dependency,
    metrics::{Appendix, Metrics},
    serve::{self, Limits},
    service::Service,
};
use temporal_connection::search_attributes;
use temporalio_client::Client;
use temporalio_common::{
    telemetry::{
        PrometheusExporterOptions, TelemetryOptions, metrics::CoreMeter, start_prometheus_metric_exporter,
    },
    worker::{WorkerDeploymentOptions, build_id_from_current_exe},
};
use temporalio_sdk::{
    Runtime, Worker, WorkerOptions,
    runtime::{
        PollerBehavior, RuntimeOptions,
        worker_tuner::{FixedSizeSlotSupplier, TunerHolder},
    },
};
use tokio::sync::oneshot;
use user_context::{Sources, Tries};
use utoipa::OpenApi;
use workflows::{
    order_batch::{BatchChunkWorkflow, OrderBatchWorkflow},
    order_fulfillment::OrderFulfillment,
    order_return::ReturnWorkflow,
    payment::PaymentWorkflow,
    reconciliation::ReconciliationWorkflow,
    subscription::SubscriptionWorkflow,
    user_context::UserContextWorkflow,
};

use crate::{
    activities::{ActivityDeps, Inventory, Notification, Payment, Reconciliation, Shipping, UserContext},
    config::Config,
    deployment::Deployment,
    metrics::OrderMetrics,
    order_ends,
    provider::Provider,
};

/// Limits the workflow tasks. They are short, so a few at a time keep two cores busy.
const WORKFLOW_SLOTS: usize = 100;
const POLLERS: usize = 10;
/// Limits the SDK's part of the metrics, in bytes. Usually it has some 100 KB.
const MAX_SDK_METRICS: usize = 8 * 1024 * 1024;
/// The grace of health and metrics requests after the last activity.
const HEALTH_GRACE: Duration = Duration::from_secs(1);

#[derive(OpenApi)]
#[openapi(info(
    title = "temporal-worker",
    description = "Health and metrics of the worker that runs the workflows."
))]
struct ApiDoc;

/// Runs the worker until a signal stops it.
///
/// # Errors
/// Fails if the port is in use, or the worker stops with an error.
pub async fn run(config: Config) -> Result<(), Box<dyn Error + Send + Sync>> {
    let stop = serve::stop_signal()?.shared();
    let listener = serve::bind(config.metrics_addr).await?;
    let (runtime, sdk_metrics) = runtime()?;
    let metrics = Metrics::new().append(sdk_metrics);
    let provider = Provider::new(&config.provider_url)?.with_admin_token(config.provider_token.clone());
    // Temporal retries.
    let sources = Sources::start(&config.sources, Tries::ONCE).await?;
    let state = Arc::new(PollingState::default());

    let (app, _) = Service::new("temporal-worker", env!("CARGO_PKG_VERSION"), ApiDoc::openapi())
        .metrics(metrics.clone())
        .depends_on(state.clone().temporal_dependency())
        .depends_on(state.clone().polling_dependency())
        .depends_on(provider_dependency(provider.clone()))
        .build(&config.common);
    // Health and metrics stay until the last activity ends, so that an operator sees the worker drain.
    let (drained, last) = oneshot::channel::<()>();
    let end = last.map(|_| ());
    let limits = Limits { grace: HEALTH_GRACE, ..Limits::from(&config.common) };
    let health = tokio::spawn(serve::run(listener, app, end, limits));
    tracing::info!(address = %config.metrics_addr, task_queue = config.task_queue, "worker starting");

    let connected = tokio::select! {
        () = stop.clone() => None,
        client = connect(&config) => Some(client),
    };
    if let Some(client) = connected {
        let activities = ActivityDeps::new(provider, sources, metrics.registry());
        let ends = order_ends::interceptor(OrderMetrics::new(metrics.registry()));
        let mut options = options(&config, &activities, &client)?;
        options.workflow_interceptor(ends);
        let mut worker = Worker::new(&runtime, client.clone(), options)?;
        let shut_down = worker.shutdown_handle();
        state.mark_polling(client);
        let deployment = config.deployment.as_ref();
        tracing::info!(
            task_queue = config.task_queue,
            deployment = deployment.map(|deployment| deployment.name.as_str()),
            build_id = deployment.map(|deployment| deployment.build_id.as_str()),
            "worker polling"
        );
        let stopping = async {
            stop.await;
            state.mark_draining();
            shut_down();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            result = worker.run() => result?,
            () = stopping => {}
        }
    }
    drop(drained);
    health.await??;
    Ok(())
}

async fn connect(config: &Config) -> Client {
    let client = temporal_connection::connect_with_retry(&config.temporal).await;
    search_attributes::ensure_with_retry(&client).await;
    client
}

fn options(
    config: &Config,
    shared: &ActivityDeps,
    client: &Client,
) -> Result<WorkerOptions, Box<dyn Error + Send + Sync>> {
    let reconciliation = Reconciliation {
        deps: shared.clone(),
        client: client.clone(),
        task_queue: config.task_queue.clone(),
    };
    let activities = config.max_concurrent_activities;
    let tuner = TunerHolder::builder()
        .workflow_task_slot_supplier(FixedSizeSlotSupplier::new(WORKFLOW_SLOTS))
        .activity_task_slot_supplier(FixedSizeSlotSupplier::new(activities))
        .local_activity_task_slot_supplier(FixedSizeSlotSupplier::new(activities))
        .nexus_task_slot_supplier(FixedSizeSlotSupplier::new(1))
        .build();
    let deployment = config.deployment.as_ref();
    let deployment = deployment.map_or_else(
        || WorkerDeploymentOptions::from_build_id(build_id_from_current_exe().to_owned()),
        Deployment::options,
    );
    Ok(WorkerOptions::new(config.task_queue.clone())
        .deployment_options(deployment)
        .register_workflow::<OrderFulfillment>()?
        .register_workflow::<PaymentWorkflow>()?
        .register_workflow::<UserContextWorkflow>()?
        .register_workflow::<SubscriptionWorkflow>()?
        .register_workflow::<ReconciliationWorkflow>()?
        .register_workflow::<OrderBatchWorkflow>()?
        .register_workflow::<BatchChunkWorkflow>()?
        .register_workflow::<ReturnWorkflow>()?
        .register_activities(reconciliation)
        .register_activities(Payment(shared.clone()))
        .register_activities(Inventory(shared.clone()))
        .register_activities(Shipping(shared.clone()))
        .register_activities(Notification(shared.clone()))
        .register_activities(UserContext(shared.clone()))
        .tuner(tuner)
        .workflow_task_poller_behavior(PollerBehavior::SimpleMaximum(POLLERS))
        .activity_task_poller_behavior(PollerBehavior::SimpleMaximum(POLLERS))
        // The default, half of a label's heartbeat timeout, would delay a cancellation too long.
        .max_heartbeat_throttle_interval(Duration::from_secs(1))
        .default_heartbeat_throttle_interval(Duration::from_secs(1))
        .graceful_shutdown_period(config.common.shutdown_grace)
        .build())
}

/// Starts the SDK's runtime. Its metrics have their own listener on a free loopback port.
fn runtime() -> Result<(Runtime, Appendix), Box<dyn Error + Send + Sync>> {
    let exporter = start_prometheus_metric_exporter(
        PrometheusExporterOptions::builder()
            .socket_addr(([127, 0, 0, 1], 0).into())
            .counters_total_suffix(true)
            .unit_suffix(true)
            .use_seconds_for_durations(true)
            .build(),
    )?;
    let telemetry = TelemetryOptions::builder().metrics(exporter.meter.clone() as Arc<dyn CoreMeter>).build();
    let options = RuntimeOptions::builder().telemetry_options(telemetry).build()?;
    let runtime = Runtime::from_current_tokio(options)?;

    let http = client::build(Duration::from_secs(2))?;
    let url = format!("http://{}/metrics", exporter.bound_addr);
    let appendix: Appendix = Arc::new(move || {
        let request = http.get(&url);
        async move {
            match read_metrics(request).await {
                Ok(Some(text)) => String::from_utf8_lossy(&text).into_owned(),
                Ok(None) => format!("# the SDK's metrics have more than {MAX_SDK_METRICS} bytes\n"),
                Err(error) => format!("# the SDK's metrics could not be read: {error}\n"),
            }
        }
        .boxed()
    });
    Ok((runtime, appendix))
}

async fn read_metrics(request: reqwest::RequestBuilder) -> reqwest::Result<Option<Vec<u8>>> {
    client::bounded(request.send().await?, MAX_SDK_METRICS).await
}

/// The connection and the phase of the worker, for its health checks.
#[derive(Default)]
struct PollingState {
    /// Set when the worker starts to poll.
    client: OnceLock<Client>,
    draining: AtomicBool,
}

impl PollingState {
    fn mark_polling(&self, client: Client) {
        // Only the first call sets it.
        let _ = self.client.set(client);
    }

    fn mark_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn polling_state(&self) -> Result<(), String> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("draining".to_owned());
        }
        self.client.get().map(|_| ()).ok_or_else(|| "not polling yet".to_owned())
    }

    fn temporal_dependency(self: Arc<Self>) -> Dependency {
        Dependency::new("temporal", move || {
            let client = self.client.get().cloned();
            async move {
                match client {
                    Some(client) => temporal_connection::ping(&client).await,
                    None => Err("not connected yet".to_owned()),
                }
            }
        })
    }

    fn polling_dependency(self: Arc<Self>) -> Dependency {
        Dependency::new("polling", move || std::future::ready(self.polling_state()))
    }
}

fn provider_dependency(provider: Provider) -> Dependency {
    Dependency::new("provider", move || {
        let provider = provider.clone();
        async move { provider.ping().await }
    })
}
