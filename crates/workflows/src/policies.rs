//! Every timeout and retry of every call, in one table.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use temporalio_workflow::{
    ActivityCancellationType, ActivityOptions, RetryPolicy, WorkflowCancellationToken,
};

use crate::ids::Call;

/// How long one kind of call may take and how often it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Of one attempt.
    pub start_to_close: Duration,
    /// Of one HTTP call within an attempt.
    pub http_timeout: Duration,
    pub attempts: u32,
    /// Only for work that reports its progress and can be interrupted.
    pub heartbeat: Option<Duration>,
}

const fn policy(start_to_close: u64, http_timeout: u64, attempts: u32) -> Policy {
    Policy {
        start_to_close: Duration::from_secs(start_to_close),
        http_timeout: Duration::from_secs(http_timeout),
        attempts,
        heartbeat: None,
    }
}

impl Policy {
    #[must_use]
    pub const fn of(call: Call) -> Self {
        match call {
            Call::AuthorizePayment
            | Call::CapturePayment
            | Call::ChargePayment
            | Call::ReleasePayment
            | Call::RefundPayment
            | Call::GetLocation
            | Call::GetWeather
            | Call::GetCatFact => policy(30, 10, 3),
            Call::ReserveInventory | Call::ReleaseInventory | Call::CancelShippingLabel => policy(30, 10, 2),
            Call::CreateShippingLabel => {
                Policy { heartbeat: Some(Duration::from_secs(5)), ..policy(60, 45, 5) }
            }
            Call::SendNotification => policy(10, 8, 1),
        }
    }
}

/// The waits of a workflow, part of its input so that tests can shorten them and a running one keeps
/// those that it started with. Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// How long a manager may take before the order is rejected.
    pub approval_timeout_ms: u64,
    /// The wait before an activity's second attempt; doubles up to the maximum.
    pub retry_initial_ms: u64,
    pub retry_maximum_ms: u64,
    /// The wait before a failed compensation's second round; doubles up to the maximum.
    pub compensation_initial_ms: u64,
    pub compensation_maximum_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            approval_timeout_ms: 120_000,
            retry_initial_ms: 1_000,
            retry_maximum_ms: 10_000,
            compensation_initial_ms: 30_000,
            compensation_maximum_ms: 600_000,
        }
    }
}

impl Timing {
    /// The wait after a round of compensation that left something undone; rounds count from 1.
    #[must_use]
    pub fn compensation_wait(&self, round: u32) -> Duration {
        let doublings = round.saturating_sub(1).min(32);
        let millis = self.compensation_initial_ms.saturating_mul(1 << doublings);
        Duration::from_millis(millis.min(self.compensation_maximum_ms))
    }
}

/// A call's options in the workflow. The token decides what interrupts it: the workflow's scope for a
/// step, a detached one for an undo.
#[must_use]
pub fn options(call: Call, timing: &Timing, token: WorkflowCancellationToken) -> ActivityOptions {
    let policy = Policy::of(call);
    let interruptible = policy.heartbeat.is_some();
    let retry = RetryPolicy::builder()
        .initial_interval(Duration::from_millis(timing.retry_initial_ms))
        .backoff_coefficient(2.0)
        .maximum_interval(Duration::from_millis(timing.retry_maximum_ms))
        .maximum_attempts(policy.attempts)
        .build();
    ActivityOptions::with_start_to_close_timeout(policy.start_to_close)
        .activity_id(call.name())
        .maybe_heartbeat_timeout(policy.heartbeat)
        .cancellation_type(if interruptible {
            // The label's own answer says whether it exists; only then is the undo started.
            ActivityCancellationType::WaitCancellationCompleted
        } else {
            // Undo by key races the call, and the provider's tombstone decides.
            ActivityCancellationType::TryCancel
        })
        .cancellation_token(token)
        .retry_policy(retry)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_outlasts_its_http_call() {
        for call in [
            Call::AuthorizePayment,
            Call::ReserveInventory,
            Call::CreateShippingLabel,
            Call::SendNotification,
            Call::ChargePayment,
            Call::GetLocation,
        ] {
            let policy = Policy::of(call);
            assert!(policy.http_timeout < policy.start_to_close, "{call:?}");
        }
    }

    #[test]
    fn the_wait_between_rounds_doubles_up_to_its_maximum() {
        let timing = Timing::default();
        let waits: Vec<u64> = (1..=7).map(|round| timing.compensation_wait(round).as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600]);
        assert_eq!(timing.compensation_wait(u32::MAX).as_secs(), 600);
    }
}
