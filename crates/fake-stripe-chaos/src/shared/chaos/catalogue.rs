//! The catalogue: every operation, its scenarios, and their default weights.

use std::collections::BTreeMap;

use super::{
    profile::{Share, Weight},
    scenario::{
        CONNECTION_RESET, CONNECTION_RESET_AFTER_COMMIT, INTERNAL_ERROR, MALFORMED_JSON,
        MALFORMED_JSON_AFTER_COMMIT, RATE_LIMITED, SUCCESS, Scenario, TIMEOUT, TIMEOUT_AFTER_COMMIT,
        TRUNCATED_BODY, TRUNCATED_BODY_AFTER_COMMIT,
    },
};
use crate::shared::operation::Operation;

/// The scenarios that can be forced on every operation, also those that its table does not draw.
const COMMON_SCENARIOS: [Scenario; 11] = [
    SUCCESS,
    TIMEOUT,
    TIMEOUT_AFTER_COMMIT,
    INTERNAL_ERROR,
    RATE_LIMITED,
    CONNECTION_RESET,
    CONNECTION_RESET_AFTER_COMMIT,
    TRUNCATED_BODY,
    TRUNCATED_BODY_AFTER_COMMIT,
    MALFORMED_JSON,
    MALFORMED_JSON_AFTER_COMMIT,
];

/// The chaos of one operation, as its context declares it.
#[derive(Debug, Clone, Copy)]
pub struct OperationChaos {
    pub operation: Operation,
    /// True for deliveries to the caller. They have no answer, so only their own scenarios apply.
    pub is_delivery: bool,
    /// The weights of profile `seed`, in the order of a draw.
    pub seed: &'static [(Scenario, u32)],
}

/// The operations of all contexts.
#[derive(Debug, Clone)]
pub struct Catalogue(Vec<OperationChaos>);

impl Catalogue {
    pub fn new(operations: impl IntoIterator<Item = OperationChaos>) -> Self {
        Self(operations.into_iter().collect())
    }

    pub fn operations(&self) -> impl Iterator<Item = &OperationChaos> {
        self.0.iter()
    }

    #[must_use]
    pub fn operation(&self, name: &str) -> Option<Operation> {
        self.0.iter().map(|entry| entry.operation).find(|operation| operation.name() == name)
    }

    /// Returns the tables with which every operation succeeds.
    #[must_use]
    pub fn success_tables(&self) -> BTreeMap<Operation, Vec<Share>> {
        let table = || vec![Share::new(SUCCESS, Weight::from_units(100))];
        self.0.iter().map(|entry| (entry.operation, table())).collect()
    }

    /// Returns every scenario that can be forced on an operation, each once.
    #[must_use]
    pub fn scenarios(&self, operation: Operation) -> Vec<Scenario> {
        let own = || self.0.iter().filter(|entry| entry.operation == operation);
        let is_delivery = own().any(|entry| entry.is_delivery);
        let mut scenarios = if is_delivery { Vec::new() } else { COMMON_SCENARIOS.to_vec() };
        let own = own().flat_map(|entry| entry.seed);
        for (scenario, _) in own {
            if !scenarios.contains(scenario) {
                scenarios.push(*scenario);
            }
        }
        scenarios
    }
}
