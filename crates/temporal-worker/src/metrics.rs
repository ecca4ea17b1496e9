//! What the worker counts, beside what the SDK counts itself.

use prometheus::{IntCounterVec, Registry};
use service_kit::metrics::counter;

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
        }
    }

    pub fn attempt(&self, activity: &str, outcome: Outcome, code: &str) {
        let outcome = match outcome {
            Outcome::Completed => "completed",
            Outcome::Retryable => "retryable",
            Outcome::Final => "final",
            Outcome::Cancelled => "cancelled",
        };
        self.attempts.with_label_values(&[activity, outcome, code]).inc();
    }
}
