//! A script: the scenarios that a caller chose, one for each attempt.

use super::{catalogue::Catalogue, scenario::Scenario};
use crate::shared::operation::Operation;

/// At least one scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script(Vec<Scenario>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a scenario of {operation}; there are {}", valid.join(", "))]
pub struct UnknownScenario {
    pub name: String,
    pub operation: Operation,
    pub valid: Vec<&'static str>,
}

impl Script {
    /// Parses scenarios separated by commas, such as `timeout,timeout,success`. Blanks around them are ignored.
    ///
    /// # Errors
    /// Fails with the first scenario that the operation does not have.
    pub fn parse(text: &str, operation: Operation, catalogue: &Catalogue) -> Result<Self, UnknownScenario> {
        text.split(',')
            .map(|name| scenario(name.trim(), operation, catalogue))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Returns the scenario of an attempt, counted from 1. A script of one scenario holds for every attempt,
    /// since the header is part of the request.
    #[must_use]
    pub fn scenario_for(&self, attempt: u32) -> Option<Scenario> {
        match self.0.as_slice() {
            [only] => Some(*only),
            steps => scenario_at(steps, attempt),
        }
    }
}

/// Returns the scenario of an attempt, counted from 1, or none after the last step.
#[must_use]
pub(super) fn scenario_at(steps: &[Scenario], attempt: u32) -> Option<Scenario> {
    let index = usize::try_from(attempt.checked_sub(1)?).ok()?;
    steps.get(index).copied()
}

/// # Errors
/// When the operation has no such scenario.
pub fn scenario(
    name: &str,
    operation: Operation,
    catalogue: &Catalogue,
) -> Result<Scenario, UnknownScenario> {
    let scenarios = catalogue.scenarios(operation);
    scenarios.iter().copied().find(|scenario| scenario.name == name).ok_or_else(|| UnknownScenario {
        name: name.to_owned(),
        operation,
        valid: scenarios.iter().map(|scenario| scenario.name).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            catalogue::OperationChaos,
            scenario::{SUCCESS, TIMEOUT},
        },
        *,
    };

    const CAPTURE: Operation = Operation::new("payment.capture");
    const ALREADY: Scenario = Scenario::already_done("already_captured");

    fn parse(text: &str) -> Result<Script, UnknownScenario> {
        let seed = &[(ALREADY, 20), (SUCCESS, 80)];
        Script::parse(
            text,
            CAPTURE,
            &Catalogue::new([OperationChaos { is_delivery: false, operation: CAPTURE, seed }]),
        )
    }

    #[test]
    fn a_script_gives_each_attempt_its_scenario_and_then_nothing() {
        let script = parse("timeout, already_captured,success").unwrap();
        let given: Vec<_> = (1..=4).map(|attempt| script.scenario_for(attempt)).collect();
        assert_eq!(given, [Some(TIMEOUT), Some(ALREADY), Some(SUCCESS), None]);
    }

    #[test]
    fn a_single_name_holds_for_any_attempt() {
        assert_eq!(parse("timeout").unwrap().scenario_for(9), Some(TIMEOUT));
    }

    #[test]
    fn an_unknown_name_is_refused_with_all_the_valid_ones() {
        for text in ["timeout,nonsense", "out_of_stock", "", "timeout,"] {
            let refused = parse(text).unwrap_err();
            let (first, last) = (refused.valid.first().copied(), refused.valid.last().copied());
            assert_eq!((first, last), (Some("success"), Some("already_captured")));
            assert_eq!(refused.valid.len(), 12);
        }
    }
}
