//! The worker's metrics, beside those of the SDK.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::{HistogramVec, IntCounterVec, IntGauge, Registry};
use service_kit::metrics::{FewLabels, counter, gauge, histogram};
use workflows::{
    activities::{reconciliation::Summary, refusal::LEDGER_MISMATCH},
    order_fulfillment::state::OrderStatus,
    reconciliation::report::ReconciliationStatus,
};

/// The end of an attempt of an activity.
#[derive(Debug, Clone, Copy)]
pub enum AttemptOutcome {
    Completed,
    /// Temporal retries, if attempts are left.
    Retryable,
    /// No retry follows.
    Final,
    Cancelled,
}

/// The maximum number of codes with their own label. The provider chooses its codes, and each label costs
/// memory.
const MAX_CODES: usize = 100;

/// The bounds of a histogram of orders, in seconds: from a quick order to one that waits for a day.
const ORDER_BUCKETS: &[f64] =
    &[1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0];
/// The bounds of a histogram of attempts, in seconds. A label takes 20 s.
const ATTEMPT_BUCKETS: &[f64] =
    &[0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 60.0];

/// The ends of orders.
#[derive(Clone)]
pub struct OrderMetrics {
    ended: IntCounterVec,
    seconds: HistogramVec,
}

impl OrderMetrics {
    pub fn new(registry: &Registry) -> Self {
        Self {
            ended: counter(
                registry,
                "orders_ended_total",
                "Orders that ended on this worker, by status.",
                &["status"],
            ),
            seconds: histogram(
                registry,
                "order_duration_seconds",
                "Time from the start of an order to its end, by status.",
                &["status"],
                ORDER_BUCKETS,
            ),
        }
    }

    pub fn record_end(&self, status: OrderStatus, time: Duration) {
        self.ended.with_label_values(&[status.name()]).inc();
        self.seconds.with_label_values(&[status.name()]).observe(time.as_secs_f64());
    }
}

#[derive(Clone)]
pub struct ActivityMetrics {
    attempts: IntCounterVec,
    seconds: HistogramVec,
    codes: FewLabels,
}

impl ActivityMetrics {
    pub fn new(registry: &Registry) -> Self {
        Self {
            attempts: counter(
                registry,
                "order_activity_attempts_total",
                "Attempts of activities that ended, by activity, outcome and the provider's code.",
                &["activity", "outcome", "code"],
            ),
            seconds: histogram(
                registry,
                "order_activity_duration_seconds",
                "Time of the attempts of activities, by activity and outcome.",
                &["activity", "outcome"],
                ATTEMPT_BUCKETS,
            ),
            // An attempt without a code has its own label. The one code that alarms watch has its own,
            // too.
            codes: FewLabels::with_known(MAX_CODES, ["", LEDGER_MISMATCH]),
        }
    }

    pub fn record_attempt(&self, activity: &str, outcome: AttemptOutcome, code: &str, time: Duration) {
        let outcome = match outcome {
            AttemptOutcome::Completed => "completed",
            AttemptOutcome::Retryable => "retryable",
            AttemptOutcome::Final => "final",
            AttemptOutcome::Cancelled => "cancelled",
        };
        self.attempts.with_label_values(&[activity, outcome, self.codes.label(code)]).inc();
        self.seconds.with_label_values(&[activity, outcome]).observe(time.as_secs_f64());
    }
}

/// The figures of the last reconciliation that this worker saw end.
#[derive(Clone)]
pub struct ReconciliationMetrics {
    ended_at: IntGauge,
    orders: IntGauge,
    contradictions: IntGauge,
    orphans: IntGauge,
    repaired: IntCounterVec,
    runs: IntCounterVec,
}

impl ReconciliationMetrics {
    pub fn new(registry: &Registry) -> Self {
        Self {
            ended_at: gauge(
                registry,
                "reconciliation_ended_timestamp_seconds",
                "When the last reconciliation ended; 0 before the first.",
            ),
            orders: gauge(registry, "reconciliation_orders", "Orders that the last reconciliation compared."),
            contradictions: gauge(
                registry,
                "reconciliation_contradictions",
                "Contradictions between ledger and executions in the last reconciliation.",
            ),
            orphans: gauge(
                registry,
                "reconciliation_orphans",
                "Orders of the last reconciliation that did not ship and left effects open.",
            ),
            repaired: counter(
                registry,
                "reconciliation_repairs_total",
                "Orphans that reconciliations tried to repair, by result.",
                &["result"],
            ),
            runs: counter(
                registry,
                "reconciliation_runs_total",
                "Reconciliations that ended, by status.",
                &["status"],
            ),
        }
    }

    /// Records the end of a run. Only a run that compared everything changes the figures.
    pub fn record(&self, summary: &Summary) {
        self.runs.with_label_values(&[summary.status.name()]).inc();
        self.repaired.with_label_values(&["repaired"]).inc_by(summary.repaired);
        self.repaired.with_label_values(&["failed"]).inc_by(summary.not_repaired);
        if summary.status != ReconciliationStatus::Completed {
            return;
        }
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.orders.set(number(summary.orders));
        self.contradictions.set(number(summary.contradictions));
        self.orphans.set(number(summary.orphans));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.ended_at.set(number(now.as_secs()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invented_codes_make_a_limited_number_of_metrics() {
        let registry = Registry::new();
        let metrics = ActivityMetrics::new(&registry);
        for code in 0..10_000 {
            metrics.record_attempt(
                "capturePayment",
                AttemptOutcome::Final,
                &format!("code_{code}"),
                Duration::ZERO,
            );
        }
        metrics.record_attempt("capturePayment", AttemptOutcome::Final, LEDGER_MISMATCH, Duration::ZERO);
        let families = registry.gather();
        let attempts = families.iter().find(|family| family.name() == "order_activity_attempts_total");
        let counted = attempts.unwrap().get_metric();
        assert_eq!(
            counted.len(),
            MAX_CODES,
            "98 codes of the provider, the alarm's code, and one label for the rest"
        );
        let is_alarm = |label: &prometheus::proto::LabelPair| label.value() == LEDGER_MISMATCH;
        assert!(counted.iter().any(|metric| metric.get_label().iter().any(is_alarm)));
        let total: f64 = counted.iter().map(|metric| metric.get_counter().get_value()).sum();
        assert!((total - 10_001.0).abs() < f64::EPSILON, "{total}");
    }
}
