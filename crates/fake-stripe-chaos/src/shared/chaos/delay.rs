//! The wait before an answer, that of a timeout or what a profile says: the only sleep that chaos knows.

use std::time::Duration;

use super::{decision::Decision, scenario::Response};

/// How long a timeout keeps its caller waiting.
#[derive(Debug, Clone, Copy)]
pub struct TimeoutDelay(Duration);

impl TimeoutDelay {
    #[must_use]
    pub const fn new(delay: Duration) -> Self {
        Self(delay)
    }

    /// How long the answer of a decision is held back.
    #[must_use]
    pub fn for_decision(self, decision: &Decision) -> Duration {
        let usual = if decision.scenario.response == Response::Timeout { self.0 } else { Duration::ZERO };
        decision.delay.unwrap_or(usual)
    }
}

/// Holds an answer back.
#[expect(clippy::disallowed_methods, reason = "chaos delays an answer")]
pub async fn delay_answer(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}
