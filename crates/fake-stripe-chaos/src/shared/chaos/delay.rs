//! The delay of an answer, by a timeout or by a profile. Chaos sleeps nowhere else.

use std::time::Duration;

use super::{decision::Decision, scenario::Response};

/// The delay of a timeout.
#[derive(Debug, Clone, Copy)]
pub struct TimeoutDelay(Duration);

impl TimeoutDelay {
    #[must_use]
    pub const fn new(delay: Duration) -> Self {
        Self(delay)
    }

    /// Returns the delay of the answer of a decision.
    #[must_use]
    pub fn for_decision(self, decision: &Decision) -> Duration {
        let usual = if decision.scenario.response == Response::Timeout { self.0 } else { Duration::ZERO };
        decision.delay.unwrap_or(usual)
    }
}

/// Delays an answer.
#[expect(clippy::disallowed_methods, reason = "chaos delays an answer")]
pub async fn delay_answer(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}
