//! What the provider tells about each request: one log line and one metric.

use prometheus::{IntCounterVec, Registry};
use service_kit::metrics::counter;

use crate::shared::{ids::OrderId, journal::Line};

/// The label of what doesn't apply.
const NONE: &str = "none";

/// See the module.
#[derive(Clone)]
pub struct Telemetry {
    requests: IntCounterVec,
}

impl Telemetry {
    /// Registers the provider's metrics: once in a registry.
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

    pub fn tell(&self, line: &Line) {
        let decision = line.decided.as_ref().map(|decided| &decided.decision);
        let operation = line.operation.name();
        let scenario = decision.map_or(NONE, |decision| decision.scenario.name);
        let effect = match decision {
            Some(_) if line.replayed => "replay",
            Some(decision) => decision.scenario.effect.name(),
            None => NONE,
        };
        let outcome = line.response.unwrap_or(NONE);
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
            overruled = line.decided.as_ref().is_some_and(|decided| decided.overruled),
            "decided"
        );
    }
}
