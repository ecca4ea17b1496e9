//! A log line and a metric for each request, and gauges of the sizes of the runs.

use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Registry};
use service_kit::metrics::{self, counter, gauge, labelled_gauge};

use crate::shared::{
    ids::OrderId,
    journal::JournalEntry,
    store::{DroppedCounts, Sizes, Usage},
};

/// The value of a label that does not apply.
const NO_LABEL: &str = "none";

/// Records requests.
#[derive(Clone)]
pub struct Telemetry {
    requests: IntCounterVec,
}

impl Telemetry {
    /// Registers the provider's metrics. It can do so once in a registry.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let requests = counter(
            registry,
            "chaos_requests_total",
            "Operations asked for, by scenario, effect on the ledger and answer.",
            &["operation", "scenario", "effect", "outcome"],
        );
        Self { requests }
    }

    pub fn record(&self, line: &JournalEntry) {
        let decision = line.decided.as_ref().map(|decided| &decided.decision);
        let operation = line.operation.name();
        let scenario = decision.map_or(NO_LABEL, |decision| decision.scenario.name);
        let effect = match decision {
            Some(_) if line.replayed => "replay",
            Some(decision) => decision.scenario.effect.name(),
            None => NO_LABEL,
        };
        let outcome = line.response.unwrap_or(NO_LABEL);
        self.requests.with_label_values(&[operation, scenario, effect, outcome]).inc();
        tracing::info!(
            operation,
            scenario,
            effect,
            outcome,
            source = decision.map(|decision| decision.source.name()),
            attempt = decision.map(|decision| decision.attempt),
            order_id = line.order.as_ref().map(OrderId::as_str),
            idempotency_key = line.key.as_ref().map(crate::shared::ids::Key::as_str),
            correlation_id = &*line.correlation,
            millis = line.duration.as_secs_f64() * 1000.0,
            overruled = line.decided.as_ref().is_some_and(|decided| decided.overruled),
            "operation completed"
        );
    }
}

/// The sizes that grow with requests, summed over all runs. No label has a text of a caller.
#[derive(Clone)]
pub struct Gauges {
    registry: Registry,
    runs: IntGauge,
    ledger: IntGaugeVec,
    keys: IntGaugeVec,
    attempts: IntGaugeVec,
    plans: IntGauge,
    journal_lines: IntGauge,
    journal_bytes: IntGauge,
    dropped: IntCounterVec,
}

impl Gauges {
    /// Creates the gauges in a separate registry.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let one = |name: &str, help: &str| gauge(&registry, name, help);
        let many = |name: &str, help: &str, label: &str| labelled_gauge(&registry, name, help, &[label]);
        Self {
            runs: one("chaos_runs", "Runs that are there, the default one included."),
            ledger: many("chaos_ledger_size", "Records that the ledgers keep for good, by kind.", "kind"),
            keys: many(
                "chaos_idempotency_keys",
                "Idempotency keys that are remembered, by their result.",
                "led_to",
            ),
            attempts: many("chaos_attempt_keys", "Keys whose attempts are counted, by their kind.", "of"),
            plans: one("chaos_plans", "Orders that have a plan."),
            journal_lines: one("chaos_journal_lines", "Lines in the journals."),
            journal_bytes: one("chaos_journal_bytes", "The memory that the journals' lines take, about."),
            dropped: counter(
                &registry,
                "chaos_dropped_total",
                "Records dropped since the start, because a bound was reached or their time was over, by kind.",
                &["kind"],
            ),
            registry,
        }
    }

    /// Sets every gauge, and writes them in the Prometheus text format.
    #[must_use]
    pub fn text(&self, usage: &Usage) -> String {
        let Usage { runs, sizes, dropped } = usage;
        let Sizes {
            resources,
            entries,
            orders,
            tombstones,
            effects,
            refusals,
            in_flight,
            attempts_of_orders,
            attempts_of_requests,
            plans,
            journal_lines,
            journal_bytes,
        } = *sizes;
        self.runs.set(number(*runs));
        let ledger =
            [("entry", entries), ("resource", resources), ("order", orders), ("tombstone", tombstones)];
        let keys = [("effect", effects), ("refusal", refusals), ("in_flight", in_flight)];
        let attempts = [("order", attempts_of_orders), ("request", attempts_of_requests)];
        set(&self.ledger, &ledger);
        set(&self.keys, &keys);
        set(&self.attempts, &attempts);
        self.plans.set(number(plans));
        self.journal_lines.set(number(journal_lines));
        self.journal_bytes.set(number(journal_bytes));
        let DroppedCounts { attempts, refusals, journal_lines } = *dropped;
        for (kind, count) in [("attempts", attempts), ("refusal", refusals), ("journal_line", journal_lines)]
        {
            let counter = self.dropped.with_label_values(&[kind]);
            counter.inc_by(count.saturating_sub(counter.get()));
        }
        metrics::text(&self.registry)
    }
}

impl Default for Gauges {
    fn default() -> Self {
        Self::new()
    }
}

fn set(gauges: &IntGaugeVec, values: &[(&str, usize)]) {
    for (label, value) in values {
        gauges.with_label_values(&[*label]).set(number(*value));
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
