//! A decision: the scenario of one request, with every input of the choice.

use std::{fmt, sync::Arc, time::Duration};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::scenario::Scenario;
use crate::shared::{ids::OrderId, operation::Operation, run::RunName};

/// All characters except the unreserved ones of RFC 3986.
const KEY_ESCAPES: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The name that attempts are counted by and that draws depend on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ChaosKey {
    /// The order. Plans use it, too.
    Order(OrderId),
    /// The idempotency key, else the resource, of a request without a known order.
    Request(String),
    /// A unique name for a request that has none. It has one attempt, which is not counted.
    Once(String),
}

impl ChaosKey {
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Order(order) => order.as_str(),
            Self::Request(key) | Self::Once(key) => key,
        }
    }
}

impl fmt::Display for ChaosKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The origin of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecisionSource {
    /// The profile, by a draw.
    Draw,
    /// The caller, by header.
    Header,
    /// The plan of the order.
    Plan,
}

impl DecisionSource {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Draw => "draw",
            Self::Header => "header",
            Self::Plan => "plan",
        }
    }
}

/// The scenario of one request, with the inputs of the choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub seed: u64,
    /// `name@hash`.
    pub profile: Arc<str>,
    pub operation: Operation,
    pub key: ChaosKey,
    /// The number of the decision for the operation and the chaos key, from 1.
    pub attempt: u32,
    pub scenario: Scenario,
    pub source: DecisionSource,
    /// The delay of the profile, if it is not the usual one. It is not stored with the answer, so a replay
    /// comes at once.
    pub delay: Option<Duration>,
}

impl Decision {
    /// Returns the `X-Chaos-Decision` of a first answer.
    #[must_use]
    pub fn header(&self, run: &RunName) -> String {
        self.format_header(run, self.source.name())
    }

    /// Returns the `X-Chaos-Decision` of a replayed answer.
    #[must_use]
    pub fn replay_header(&self, run: &RunName) -> String {
        self.format_header(run, "replay")
    }

    fn format_header(&self, run: &RunName, source: &str) -> String {
        let Self { seed, profile, operation, key, attempt, scenario, .. } = self;
        let (key, scenario) = (utf8_percent_encode(key.as_str(), &KEY_ESCAPES), scenario.name);
        format!(
            "seed={seed};profile={profile};run={run};op={operation};key={key};attempt={attempt};scenario={scenario};source={source}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{super::scenario::TIMEOUT_AFTER_COMMIT, *};

    #[test]
    fn a_decision_names_every_input_of_its_choice() {
        let decision = Decision {
            seed: 42,
            profile: "seed@0123abcd".into(),
            operation: Operation::new("payment.capture"),
            key: ChaosKey::Request("wf;run=1/50%".to_owned()),
            attempt: 2,
            scenario: TIMEOUT_AFTER_COMMIT,
            source: DecisionSource::Plan,
            delay: None,
        };
        let run = "suite-1".parse().unwrap();
        let prefix = "seed=42;profile=seed@0123abcd;run=suite-1;op=payment.capture;key=wf%3Brun%3D1%2F50%25;attempt=2;scenario=timeout_after_commit;source=";
        assert_eq!(decision.header(&run), format!("{prefix}plan"));
        assert_eq!(decision.replay_header(&run), format!("{prefix}replay"));
    }
}
