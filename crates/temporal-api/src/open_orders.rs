//! Gauges of the running orders, which Temporal counts. Every replica of the API shows the same numbers.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures::FutureExt;
use prometheus::{IntGauge, IntGaugeVec, Registry};
use service_kit::metrics::{self, Appendix, gauge, labelled_gauge};
use tokio::{sync::Mutex, time::timeout};
use workflows::order_fulfillment::state::OrderStatus;

use crate::gateway::{GatewayError, temporal::TemporalGateway};

/// Limits the counts, however many tools scrape.
const MIN_INTERVAL: Duration = Duration::from_secs(5);

/// Limits the time of a count. A scrape must end before Prometheus' own limit, which would report the API as down.
const LIMIT: Duration = Duration::from_secs(1);

/// Counts the running orders at each scrape.
pub struct OpenOrders {
    gateway: Arc<TemporalGateway>,
    /// An approval that waits longer expires soon: three quarters of its time limit.
    expiring_after: Duration,
    registry: Registry,
    open: IntGaugeVec,
    expiring: IntGauge,
    counted_at: IntGauge,
    last: Mutex<Option<Instant>>,
}

impl OpenOrders {
    /// Creates the gauges.
    ///
    /// # Panics
    /// Never panics, since the names are valid, distinct constants.
    pub fn new(gateway: Arc<TemporalGateway>, approval_timeout: Duration) -> Arc<Self> {
        let registry = Registry::new();
        let open =
            labelled_gauge(&registry, "orders_open", "Running orders in Temporal, by status.", &["status"]);
        let expiring = gauge(
            &registry,
            "orders_approval_expiring",
            "Running orders that used three quarters of the time for their approval.",
        );
        let counted_at = gauge(
            &registry,
            "orders_counted_timestamp_seconds",
            "When the running orders were last counted; 0 before the first time.",
        );
        let expiring_after = approval_timeout.mul_f64(0.75);
        Arc::new(Self {
            gateway,
            expiring_after,
            registry,
            open,
            expiring,
            counted_at,
            last: Mutex::default(),
        })
    }

    /// Returns the gauges for `/metrics`. If Temporal can't count, they keep their values.
    pub fn appendix(self: Arc<Self>) -> Appendix {
        Arc::new(move || {
            let this = self.clone();
            async move {
                match timeout(LIMIT, this.count()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(%error, "counting the running orders failed"),
                    Err(_) => tracing::debug!("counting the running orders took too long"),
                }
                metrics::text(&this.registry)
            }
            .boxed()
        })
    }

    async fn count(&self) -> Result<(), GatewayError> {
        let mut last = self.last.lock().await;
        if last.is_some_and(|last| last.elapsed() < MIN_INTERVAL) {
            return Ok(());
        }
        *last = Some(Instant::now());
        let now = SystemTime::now();
        for status in OrderStatus::ALL.iter().filter(|status| !status.is_final()) {
            let count = self.gateway.count_orders(*status, now).await?;
            self.open.with_label_values(&[status.name()]).set(count);
        }
        let before = now.checked_sub(self.expiring_after).unwrap_or(UNIX_EPOCH);
        self.expiring.set(self.gateway.count_orders(OrderStatus::PendingApproval, before).await?);
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.counted_at.set(i64::try_from(seconds).unwrap_or(i64::MAX));
        Ok(())
    }
}
