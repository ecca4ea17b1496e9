//! The wait of a timeout: the only sleep that chaos knows.

use std::time::Duration;

use super::{
    decision::Decision,
    scenario::{Response, Scenario},
};

/// How long a timeout keeps its caller waiting.
#[derive(Debug, Clone, Copy)]
pub struct TimeoutDelay(Duration);

impl TimeoutDelay {
    #[must_use]
    pub const fn new(delay: Duration) -> Self {
        Self(delay)
    }

    /// How long the answer of a scenario is held back.
    #[must_use]
    pub fn of(self, scenario: Scenario) -> Duration {
        if scenario.response == Response::Timeout { self.0 } else { Duration::ZERO }
    }

    pub async fn wait(self, decision: &Decision) {
        let delay = self.of(decision.scenario);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }
}
