//! Decides the scenario of a request. The header wins over the plan, the plan over the profile.

use std::sync::Arc;

use super::{
    decision::{ChaosKey, Decision, DecisionSource},
    draw::draw,
    profile::Profile,
    scenario::Scenario,
    script::{Script, scenario_at},
};
use crate::shared::operation::Operation;

/// One attempt at an operation.
#[derive(Debug)]
pub struct Attempt<'a> {
    pub operation: Operation,
    pub key: ChaosKey,
    /// The number of the attempt for the operation and the chaos key, from 1.
    pub number: u32,
    /// The scenarios of the header.
    pub forced: Option<&'a Script>,
}

/// The planned scenarios of one operation of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedScript {
    /// The number of attempts before the plan. The first scenario is for the next attempt.
    pub after_attempt: u32,
    pub scenarios: Vec<Scenario>,
}

impl PlannedScript {
    fn scenario_for(&self, attempt: u32) -> Option<Scenario> {
        scenario_at(&self.scenarios, attempt.saturating_sub(self.after_attempt))
    }
}

/// Decides the scenario of an attempt. The same arguments give the same decision, so a decision can be repeated.
#[must_use]
pub fn decide(attempt: Attempt<'_>, plan: Option<&PlannedScript>, profile: &Profile, seed: u64) -> Decision {
    let Attempt { operation, key, number, forced } = attempt;
    let by_header = forced.and_then(|script| script.scenario_for(number));
    let by_plan = plan.and_then(|plan| plan.scenario_for(number));
    let (scenario, source, delay) = match (by_header, by_plan) {
        (Some(scenario), _) => (scenario, DecisionSource::Header, None),
        (None, Some(scenario)) => (scenario, DecisionSource::Plan, None),
        (None, None) => {
            let drawn = draw(seed, profile.name(), operation, key.as_str(), number);
            let delay = profile.share(operation, drawn).and_then(|share| share.delay);
            (profile.choose(operation, drawn), DecisionSource::Draw, delay)
        }
    };
    let profile = Arc::clone(profile.version());
    Decision { seed, profile, operation, key, attempt: number, scenario, source, delay }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            catalogue::{Catalogue, OperationChaos},
            profile::ProfileName,
            scenario::{SUCCESS, TIMEOUT, TIMEOUT_AFTER_COMMIT},
        },
        *,
    };

    const CAPTURE: Operation = Operation::new("payment.capture");

    fn decide_attempt(number: u32, forced: Option<&str>, plan: Option<&PlannedScript>) -> Decision {
        let seed_weights: &'static [_] = &[(SUCCESS, 100)];
        let catalogue =
            Catalogue::new([OperationChaos { is_delivery: false, operation: CAPTURE, seed: seed_weights }]);
        let forced = forced.map(|text| Script::parse(text, CAPTURE, &catalogue).unwrap());
        let key = ChaosKey::Request("order-1".to_owned());
        let attempt = Attempt { operation: CAPTURE, key, number, forced: forced.as_ref() };
        decide(attempt, plan, &Profile::built_in(ProfileName::Seed, &catalogue), 7)
    }

    fn plan_after(after_attempt: u32) -> PlannedScript {
        PlannedScript { after_attempt, scenarios: vec![TIMEOUT] }
    }

    #[test]
    fn the_header_wins_over_the_plan_and_the_plan_over_the_profile() {
        let header = decide_attempt(1, Some("timeout_after_commit"), Some(&plan_after(0)));
        assert_eq!((header.scenario, header.source), (TIMEOUT_AFTER_COMMIT, DecisionSource::Header));
        let plan = decide_attempt(1, None, Some(&plan_after(0)));
        assert_eq!((plan.scenario, plan.source), (TIMEOUT, DecisionSource::Plan));
        let profile = decide_attempt(1, None, None);
        assert_eq!((profile.scenario, profile.source), (SUCCESS, DecisionSource::Draw));
    }

    #[test]
    fn a_plan_counts_from_the_attempt_after_it_was_set() {
        let sources = (3..=5).map(|number| decide_attempt(number, None, Some(&plan_after(3))).source);
        let expected = [DecisionSource::Draw, DecisionSource::Plan, DecisionSource::Draw];
        assert!(sources.eq(expected));
    }

    #[test]
    fn the_same_arguments_give_the_same_decision() {
        assert_eq!(decide_attempt(2, None, None), decide_attempt(2, None, None));
    }
}
