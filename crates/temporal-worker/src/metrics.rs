//! What the worker counts, beside what the SDK counts itself.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus::{IntCounterVec, Registry};
use service_kit::metrics::counter;
use workflows::activities::refusal::LEDGER_MISMATCH;

/// How an attempt of an activity ended.
#[derive(Debug, Clone, Copy)]
pub enum Outcome {
    Completed,
    /// It will be tried again, if attempts are left.
    Retryable,
    /// Refused for good.
    Final,
    Cancelled,
}

/// How many codes have a label of their own. A provider chooses its codes, and each label costs memory.
const MOST_CODES: usize = 100;
/// The label of all further codes.
const OTHER: &str = "other";

#[derive(Clone)]
pub struct ActivityMetrics {
    attempts: IntCounterVec,
    codes: Arc<Mutex<HashSet<String>>>,
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
            // Of an attempt that had none, and the one that alarms are for.
            codes: Arc::new(Mutex::new(["", LEDGER_MISMATCH].map(str::to_owned).into())),
        }
    }

    pub fn attempt(&self, activity: &str, outcome: Outcome, code: &str) {
        let outcome = match outcome {
            Outcome::Completed => "completed",
            Outcome::Retryable => "retryable",
            Outcome::Final => "final",
            Outcome::Cancelled => "cancelled",
        };
        self.attempts.with_label_values(&[activity, outcome, self.label(code)]).inc();
    }

    fn label<'a>(&self, code: &'a str) -> &'a str {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        if codes.contains(code) {
            return code;
        }
        if codes.len() < MOST_CODES {
            codes.insert(code.to_owned());
            return code;
        }
        OTHER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_thinks_up_codes_makes_no_endless_metrics() {
        let registry = Registry::new();
        let metrics = ActivityMetrics::new(&registry);
        for code in 0..10_000 {
            metrics.attempt("capturePayment", Outcome::Final, &format!("code_{code}"));
        }
        metrics.attempt("capturePayment", Outcome::Final, LEDGER_MISMATCH);
        let families = registry.gather();
        let counted = families[0].get_metric();
        assert_eq!(counted.len(), MOST_CODES, "98 of the provider's, one of ours, and the others together");
        let is_alarm = |label: &prometheus::proto::LabelPair| label.value() == LEDGER_MISMATCH;
        assert!(counted.iter().any(|metric| metric.get_label().iter().any(is_alarm)));
        let total: f64 = counted.iter().map(|metric| metric.get_counter().get_value()).sum();
        assert!((total - 10_001.0).abs() < f64::EPSILON, "{total}");
    }
}
