//! The activities: each is one call to somebody else, observed the same way.

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
pub use shipping::Shipping;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tracing::Instrument;
pub use user_context::UserContext;
use workflows::{
    activities::{CallContext, Found, Undone},
    policies::RETRY_AFTER_MAXIMUM,
};

use ::user_context::Sources;

use crate::{
    failure::CallError,
    metrics::{ActivityMetrics, Outcome},
    provider::Provider,
};

/// What all activities share.
#[derive(Clone)]
pub struct Shared(Arc<Parts>);

struct Parts {
    provider: Provider,
    sources: Sources,
    metrics: ActivityMetrics,
}

impl Shared {
    pub fn new(provider: Provider, sources: Sources, metrics: ActivityMetrics) -> Self {
        Self(Arc::new(Parts { provider, sources, metrics }))
    }

    fn provider(&self) -> &Provider {
        &self.0.provider
    }

    fn sources(&self) -> &Sources {
        &self.0.sources
    }

    /// Runs an attempt: its log lines carry the workflow's correlation id, its end is counted and logged
    /// once, and its error becomes what Temporal and the workflow read.
    async fn observe<T>(
        &self,
        ctx: &ActivityContext,
        work: impl Into<Work<'_>>,
        attempt: impl Future<Output = Result<T, Ended>>,
    ) -> Result<T, ActivityError> {
        let Work { correlation_id, order_id, longest_wait } = work.into();
        let info = ctx.info();
        let activity = info.activity_type.clone();
        let span =
            tracing::info_span!("activity", correlation_id, order_id, activity, attempt = info.attempt);
        let started = Instant::now();
        let result = attempt.instrument(span.clone()).await;
        let _entered = span.enter();
        let millis = started.elapsed().as_secs_f64() * 1000.0;
        let metrics = &self.0.metrics;
        match result {
            Ok(value) => {
                tracing::info!(millis, "activity completed");
                metrics.attempt(&activity, Outcome::Completed, "");
                Ok(value)
            }
            Err(Ended::Cancelled) => {
                tracing::info!(millis, "activity cancelled");
                metrics.attempt(&activity, Outcome::Cancelled, "");
                Err(ActivityError::cancelled())
            }
            Err(Ended::Failed(error)) => {
                let outcome = if error.retryable { Outcome::Retryable } else { Outcome::Final };
                tracing::warn!(
                    millis,
                    code = error.code,
                    retryable = error.retryable,
                    "activity failed: {error}"
                );
                metrics.attempt(&activity, outcome, &error.code);
                Err(ActivityError::application(error.into_failure(info.attempt, longest_wait)))
            }
        }
    }
}

/// What an activity works for.
struct Work<'a> {
    correlation_id: &'a str,
    order_id: Option<&'a str>,
    /// The longest that a `Retry-After` can make it wait.
    longest_wait: Duration,
}

impl<'a> Work<'a> {
    /// Work for no order.
    const fn of(correlation_id: &'a str) -> Self {
        Self { correlation_id, order_id: None, longest_wait: RETRY_AFTER_MAXIMUM }
    }
}

impl<'a> From<&'a CallContext> for Work<'a> {
    fn from(call: &'a CallContext) -> Self {
        Self {
            correlation_id: &call.correlation_id,
            order_id: Some(&call.order_id),
            longest_wait: Duration::from_millis(call.retry_after_maximum_ms),
        }
    }
}

/// How an attempt ended without a result.
enum Ended {
    Failed(CallError),
    Cancelled,
}

impl From<CallError> for Ended {
    fn from(error: CallError) -> Self {
        Self::Failed(error)
    }
}

/// What an undo tells the workflow.
fn undone(ctx: &ActivityContext, found: Found) -> Undone {
    Undone { found, attempt: ctx.info().attempt }
}
