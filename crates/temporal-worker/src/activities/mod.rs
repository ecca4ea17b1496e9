//! The activities. Each is one call to another system; `run_attempt` logs and counts them all.

#[allow(
    dead_code,
    reason = "the macro names each activity by a constant that only local workflows would use"
)]
mod inventory;
#[allow(
    dead_code,
    reason = "the macro names each activity by a constant that only local workflows would use"
)]
mod notification;
#[allow(
    dead_code,
    reason = "the macro names each activity by a constant that only local workflows would use"
)]
mod payment;
#[allow(
    dead_code,
    reason = "the macro names each activity by a constant that only local workflows would use"
)]
mod reconciliation;
#[allow(
    dead_code,
    reason = "the macro names each activity by a constant that only local workflows would use"
)]
mod shipping;
#[allow(
    dead_code,
    reason = "the macro names each activity by a constant that only local workflows would use"
)]
mod user_context;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub use inventory::Inventory;
pub use notification::Notification;
pub use payment::Payment;
use prometheus::Registry;
pub use reconciliation::Reconciliation;
pub use shipping::Shipping;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tracing::Instrument;
pub use user_context::UserContext;
use workflows::{
    activities::{CallContext, UndoOutput, UndoResult},
    policies::RETRY_AFTER_MAXIMUM,
};

use ::user_context::Sources;

use crate::{
    failure::CallError,
    metrics::{ActivityMetrics, AttemptOutcome, ReconciliationMetrics},
    provider::Provider,
};

/// The dependencies of all activities.
#[derive(Clone)]
pub struct ActivityDeps(Arc<ActivityDepsInner>);

struct ActivityDepsInner {
    provider: Provider,
    sources: Sources,
    metrics: ActivityMetrics,
    reconciliation: ReconciliationMetrics,
}

impl ActivityDeps {
    pub fn new(provider: Provider, sources: Sources, registry: &Registry) -> Self {
        let (metrics, reconciliation) =
            (ActivityMetrics::new(registry), ReconciliationMetrics::new(registry));
        Self(Arc::new(ActivityDepsInner { provider, sources, metrics, reconciliation }))
    }

    fn reconciliation_metrics(&self) -> &ReconciliationMetrics {
        &self.0.reconciliation
    }

    fn provider(&self) -> &Provider {
        &self.0.provider
    }

    fn sources(&self) -> &Sources {
        &self.0.sources
    }

    /// Runs an attempt, and counts and logs its end once. Its log lines carry the workflow's correlation id.
    /// Its error becomes a failure that Temporal and the workflow can read.
    async fn run_attempt<T>(
        &self,
        ctx: &ActivityContext,
        work: impl Into<LogFields<'_>>,
        attempt: impl Future<Output = Result<T, AttemptError>>,
    ) -> Result<T, ActivityError> {
        let LogFields { correlation_id, order_id, max_wait } = work.into();
        let info = ctx.info();
        let activity = info.activity_type.clone();
        let span =
            tracing::info_span!("activity", correlation_id, order_id, activity, attempt = info.attempt);
        let started = Instant::now();
        let result = attempt.instrument(span.clone()).await;
        let _entered = span.enter();
        let time = started.elapsed();
        let millis = time.as_secs_f64() * 1000.0;
        let metrics = &self.0.metrics;
        match result {
            Ok(value) => {
                tracing::info!(millis, "activity completed");
                metrics.record_attempt(&activity, AttemptOutcome::Completed, "", time);
                Ok(value)
            }
            Err(AttemptError::Cancelled) => {
                tracing::info!(millis, "activity cancelled");
                metrics.record_attempt(&activity, AttemptOutcome::Cancelled, "", time);
                Err(ActivityError::cancelled())
            }
            Err(AttemptError::Failed(error)) => {
                let outcome = if error.retryable { AttemptOutcome::Retryable } else { AttemptOutcome::Final };
                tracing::warn!(
                    millis,
                    code = error.code,
                    retryable = error.retryable,
                    "activity failed: {error}"
                );
                metrics.record_attempt(&activity, outcome, &error.code, time);
                Err(ActivityError::application(error.into_failure(info.attempt, max_wait)))
            }
        }
    }
}

/// The log fields of an attempt, and the limit of its waits.
struct LogFields<'a> {
    correlation_id: &'a str,
    order_id: Option<&'a str>,
    /// The longest wait that `Retry-After` can cause.
    max_wait: Duration,
}

impl<'a> LogFields<'a> {
    /// Returns the fields of work for no order.
    const fn of(correlation_id: &'a str) -> Self {
        Self { correlation_id, order_id: None, max_wait: RETRY_AFTER_MAXIMUM }
    }
}

impl<'a> From<&'a CallContext> for LogFields<'a> {
    fn from(call: &'a CallContext) -> Self {
        Self {
            correlation_id: &call.correlation_id,
            order_id: Some(&call.order_id),
            max_wait: Duration::from_millis(call.retry_after_maximum_ms),
        }
    }
}

/// The end of an attempt without a result.
enum AttemptError {
    Failed(CallError),
    Cancelled,
}

impl From<CallError> for AttemptError {
    fn from(error: CallError) -> Self {
        Self::Failed(error)
    }
}

/// Returns the result of an undo with the number of its attempt.
fn undo_output(ctx: &ActivityContext, found: UndoResult) -> UndoOutput {
    UndoOutput { found, attempt: ctx.info().attempt }
}
