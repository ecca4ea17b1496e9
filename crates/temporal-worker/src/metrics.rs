//! What the worker counts, beside what the SDK counts itself.

use prometheus::{IntCounterVec, Registry};
use service_kit::metrics::{FewLabels, counter};

/// There are some fifty codes; whoever is called could invent more.
const MOST_CODES: usize = 200;

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

#[derive(Clone)]
pub struct ActivityMetrics {
    attempts: IntCounterVec,
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
            codes: FewLabels::new(MOST_CODES),
        }
    }

    pub fn attempt(&self, activity: &str, outcome: Outcome, code: &str) {
        let outcome = match outcome {
            Outcome::Completed => "completed",
            Outcome::Retryable => "retryable",
            Outcome::Final => "final",
            Outcome::Cancelled => "cancelled",
        };
        self.attempts.with_label_values(&[activity, outcome, self.codes.label(code)]).inc();
    }
}
