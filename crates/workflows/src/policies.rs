//! The timeouts and retries of every call, in one table.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use temporalio_workflow::{
    ActivityCancellationType, ActivityCloseTimeouts, ActivityOptions, RetryPolicy, WorkflowCancellationToken,
};

use crate::ids::Call;

/// The maximum wait that `Retry-After` can request, unless configured otherwise.
pub const RETRY_AFTER_MAXIMUM: Duration = Duration::from_mins(1);

/// The time in which a worker must take a call, beside its attempts and the waits between them.
const QUEUE: Duration = Duration::from_mins(2);

/// The time of one attempt of a call that is tried without an end.
const ENDLESS_ATTEMPT: Duration = Duration::from_mins(1);

/// The timeouts and the number of attempts of one kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Of one attempt.
    pub start_to_close: Duration,
    /// Of one HTTP call within an attempt.
    pub http_timeout: Duration,
    pub attempts: u32,
    /// Only for work that reports its progress and can be cancelled.
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
    pub const fn for_call(call: Call) -> Self {
        match call {
            Call::AuthorizePayment
            | Call::CapturePayment
            | Call::ChargePayment
            | Call::ReleasePayment
            | Call::RefundPayment
            | Call::RefundReturn
            | Call::GetLocation
            | Call::GetWeather
            | Call::GetCatFact => policy(30, 10, 3),
            Call::ReserveInventory
            | Call::ReleaseInventory
            | Call::RestockInventory
            | Call::CancelShippingLabel
            | Call::CancelReturnLabel => policy(30, 10, 2),
            Call::CreateShippingLabel | Call::CreateReturnLabel => {
                Policy { heartbeat: Some(Duration::from_secs(5)), ..policy(60, 45, 5) }
            }
            Call::SendNotification => policy(10, 8, 1),
        }
    }

    /// Returns the time of a whole call: its attempts, the maximum waits between them, and the wait for a
    /// worker.
    #[must_use]
    pub fn schedule_to_close(&self, timing: &Timing) -> Duration {
        let waits = timing.max_wait().saturating_mul(self.attempts.saturating_sub(1));
        self.start_to_close.saturating_mul(self.attempts).saturating_add(waits).saturating_add(QUEUE)
    }
}

/// The waits of a workflow in milliseconds. They are part of its input, so tests can shorten them, and a
/// running workflow keeps its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// The time for a manager's decision before the order is rejected.
    pub approval_timeout_ms: u64,
    /// The wait before an activity's second attempt; doubles up to the maximum.
    pub retry_initial_ms: u64,
    pub retry_maximum_ms: u64,
    /// The maximum wait that `Retry-After` can request.
    #[serde(default = "retry_after_maximum_ms")]
    pub retry_after_maximum_ms: u64,
    /// The wait before a failed compensation's second round; doubles up to the maximum.
    pub compensation_initial_ms: u64,
    pub compensation_maximum_ms: u64,
}

/// Returns the default for inputs that are older than the limit.
#[must_use]
pub fn retry_after_maximum_ms() -> u64 {
    u64::try_from(RETRY_AFTER_MAXIMUM.as_millis()).unwrap_or(u64::MAX)
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            approval_timeout_ms: 120_000,
            retry_initial_ms: 1_000,
            retry_maximum_ms: 10_000,
            retry_after_maximum_ms: retry_after_maximum_ms(),
            compensation_initial_ms: 30_000,
            compensation_maximum_ms: 600_000,
        }
    }
}

impl Timing {
    /// Returns the wait after a round (counted from 1) that left compensations pending.
    #[must_use]
    pub fn compensation_wait(&self, round: u32) -> Duration {
        doubled(self.compensation_initial_ms, round, self.compensation_maximum_ms)
    }

    /// Returns the wait after a failed attempt (counted from 1): the requested wait within its limit, or the
    /// default. It is at least a millisecond, the shortest timer.
    #[must_use]
    pub fn retry_wait(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        asked
            .map_or_else(
                || doubled(self.retry_initial_ms, attempt, self.retry_maximum_ms),
                |asked| asked.min(Duration::from_millis(self.retry_after_maximum_ms)),
            )
            .max(Duration::from_millis(1))
    }

    fn max_wait(&self) -> Duration {
        Duration::from_millis(self.retry_maximum_ms.max(self.retry_after_maximum_ms))
    }
}

/// Returns a wait that doubles each time, counted from 1, up to its maximum.
fn doubled(initial_ms: u64, time: u32, maximum_ms: u64) -> Duration {
    let doublings = time.saturating_sub(1).min(32);
    Duration::from_millis(initial_ms.saturating_mul(1 << doublings).min(maximum_ms))
}

/// Returns the options of one attempt at an undo. The workflow itself waits and retries.
#[must_use]
pub fn attempt_options(call: Call, timing: &Timing, token: WorkflowCancellationToken) -> ActivityOptions {
    options_of(call, Policy { attempts: 1, ..Policy::for_call(call) }, timing, token)
}

/// Returns the options of a call without an effect that is tried until it succeeds or is cancelled.
#[must_use]
pub fn endless_options(timing: &Timing, token: WorkflowCancellationToken) -> ActivityOptions {
    endless(ENDLESS_ATTEMPT, timing, token)
}

/// Returns the options of a call that nothing undoes. It is tried until its answer is certain.
#[must_use]
pub fn certain_options(call: Call, timing: &Timing) -> ActivityOptions {
    endless(Policy::for_call(call).start_to_close, timing, WorkflowCancellationToken::new())
}

fn endless(attempt: Duration, timing: &Timing, token: WorkflowCancellationToken) -> ActivityOptions {
    let retry = RetryPolicy::builder()
        .initial_interval(Duration::from_millis(timing.retry_initial_ms))
        .backoff_coefficient(2.0)
        .maximum_interval(Duration::from_millis(timing.retry_maximum_ms))
        .build();
    ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::StartToClose(attempt))
        .cancellation_type(ActivityCancellationType::TryCancel)
        .cancellation_token(token)
        .retry_policy(retry)
        .build()
}

/// Returns the options of a call. A step has the token of the workflow's scope, so a cancellation interrupts
/// it; an undo has its own token.
#[must_use]
pub fn activity_options(call: Call, timing: &Timing, token: WorkflowCancellationToken) -> ActivityOptions {
    options_of(call, Policy::for_call(call), timing, token)
}

fn options_of(
    call: Call,
    policy: Policy,
    timing: &Timing,
    token: WorkflowCancellationToken,
) -> ActivityOptions {
    let interruptible = policy.heartbeat.is_some();
    let retry = RetryPolicy::builder()
        .initial_interval(Duration::from_millis(timing.retry_initial_ms))
        .backoff_coefficient(2.0)
        .maximum_interval(Duration::from_millis(timing.retry_maximum_ms))
        .maximum_attempts(policy.attempts)
        .build();
    let timeouts = ActivityCloseTimeouts::ScheduleAndStartToClose {
        schedule_to_close: policy.schedule_to_close(timing),
        start_to_close: policy.start_to_close,
    };
    ActivityOptions::with_close_timeouts(timeouts)
        .activity_id(call.name())
        .maybe_heartbeat_timeout(policy.heartbeat)
        .cancellation_type(if interruptible {
            // The label's own answer shows if it exists; the undo starts after it.
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
    use crate::saga::Compensation;

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
            let policy = Policy::for_call(call);
            assert!(policy.http_timeout < policy.start_to_close, "{call:?}");
        }
    }

    /// Waits of 10 s and less count as the minute that a `Retry-After` can make of them.
    #[test]
    fn every_call_has_a_time_limit() {
        for (call, seconds) in [
            (Call::AuthorizePayment, 330),
            (Call::CapturePayment, 330),
            (Call::ChargePayment, 330),
            (Call::ReleasePayment, 330),
            (Call::RefundPayment, 330),
            (Call::GetLocation, 330),
            (Call::ReserveInventory, 240),
            (Call::ReleaseInventory, 240),
            (Call::CancelShippingLabel, 240),
            (Call::CreateShippingLabel, 660),
            (Call::SendNotification, 130),
        ] {
            let policy = Policy::for_call(call);
            assert_eq!(
                policy.schedule_to_close(&Timing::default()),
                Duration::from_secs(seconds),
                "{call:?}"
            );
            let options = activity_options(call, &Timing::default(), WorkflowCancellationToken::new());
            let ActivityCloseTimeouts::ScheduleAndStartToClose { schedule_to_close, start_to_close } =
                options.close_timeouts
            else {
                panic!("{call:?} has no end: {:?}", options.close_timeouts);
            };
            assert_eq!((schedule_to_close.as_secs(), start_to_close), (seconds, policy.start_to_close));
        }
        let endless = Timing { retry_after_maximum_ms: u64::MAX, ..Timing::default() };
        assert!(
            Policy::for_call(Call::CreateShippingLabel).schedule_to_close(&endless)
                > Duration::from_hours(24)
        );
    }

    #[test]
    fn an_undo_attempt_is_a_single_attempt_with_a_time_limit() {
        for compensation in Compensation::ORDER {
            let call = compensation.undo_call();
            let options = attempt_options(call, &Timing::default(), WorkflowCancellationToken::new());
            assert_eq!(options.retry_policy.map(|policy| policy.maximum_attempts()), Some(1));
            assert!(matches!(
                options.close_timeouts,
                ActivityCloseTimeouts::ScheduleAndStartToClose { schedule_to_close, .. }
                    if schedule_to_close == Policy::for_call(call).start_to_close + QUEUE
            ));
        }
    }

    #[test]
    fn a_requested_wait_counts_up_to_a_minute() {
        let timing = Timing::default();
        let wait = |asked| timing.retry_wait(1, Some(Duration::from_secs(asked))).as_millis();
        assert_eq!([0, 7, 60, 61, 86_400, u64::MAX].map(wait), [1, 7_000, 60_000, 60_000, 60_000, 60_000]);
        let waits: Vec<u64> = (1..=6).map(|attempt| timing.retry_wait(attempt, None).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn an_input_without_the_limit_has_the_default() {
        let input = serde_json::json!({
            "approvalTimeoutMs": 1, "retryInitialMs": 2, "retryMaximumMs": 3,
            "compensationInitialMs": 4, "compensationMaximumMs": 5,
        });
        let timing: Timing = serde_json::from_value(input).unwrap();
        assert_eq!((timing.retry_after_maximum_ms, timing.retry_maximum_ms), (60_000, 3));
    }

    #[test]
    fn the_wait_between_rounds_doubles_up_to_its_maximum() {
        let timing = Timing::default();
        let waits: Vec<u64> = (1..=7).map(|round| timing.compensation_wait(round).as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600]);
        assert_eq!(timing.compensation_wait(u32::MAX).as_secs(), 600);
    }
}
