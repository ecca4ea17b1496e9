//! A decision: what was decided for one request, and everything that it was decided from.

use std::{sync::Arc, time::Duration};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{engine::ChaosKey, scenario::Scenario};
use crate::shared::{operation::Operation, run::RunName};

/// All but RFC 3986's unreserved characters.
const KEY_ESCAPES: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Who chose the scenario.
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

/// What was decided for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub seed: u64,
    /// `name@hash`.
    pub profile: Arc<str>,
    pub operation: Operation,
    pub key: ChaosKey,
    /// The how manieth decision this is for the operation and the chaos key; from 1.
    pub attempt: u32,
    pub scenario: Scenario,
    pub source: DecisionSource,
    /// How long the profile wants the answer held back, where that isn't as long as ever. It isn't kept with
    /// the answer: one that is given again comes at once.
    pub delay: Option<Duration>,
}

impl Decision {
    /// As the `X-Chaos-Decision` of an answer that a run gives for the first time.
    #[must_use]
    pub fn header(&self, run: &RunName) -> String {
        self.format_header(run, self.source.name())
    }

    /// As the `X-Chaos-Decision` of an answer that is given again.
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
    fn a_decision_names_all_that_it_was_made_from() {
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
