//! The engine: decides the scenario of a request. The header wins over the plan, the plan over the profile.

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{
    decision::{Decision, DecisionSource},
    draw::draw,
    profiles::Profiles,
    scenario::Scenario,
    script::{Script, scenario_at},
};
use crate::shared::{
    ids::OrderId,
    operation::Operation,
    store::{StoreError, Transaction},
};

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

/// The number of decisions for each operation and chaos key.
pub trait Attempts {
    /// # Errors
    /// When the store fails.
    fn attempts(&self, operation: Operation, key: &str) -> Result<u32, StoreError>;
    /// Sets the number of attempts. Beyond the limit, the store drops the oldest attempts without an order. It
    /// never drops those of an order, which would start again with attempt 1.
    ///
    /// # Errors
    /// When the store fails.
    fn set_attempts(&mut self, operation: Operation, key: &ChaosKey, attempts: u32)
    -> Result<(), StoreError>;
}

/// The planned scenarios of one operation of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedScript {
    /// The number of attempts before the plan. The first scenario is for the next attempt.
    pub after_attempt: u32,
    pub scenarios: Vec<Scenario>,
}

/// The plans of orders.
pub trait Plans {
    /// # Errors
    /// When the store fails.
    fn plan(&self, order: &OrderId, operation: Operation) -> Result<Option<PlannedScript>, StoreError>;
    /// Replaces the whole plan of an order.
    ///
    /// # Errors
    /// When the store fails, or too many orders have a plan with unused scenarios.
    fn set_plan(
        &mut self,
        order: &OrderId,
        plan: BTreeMap<Operation, PlannedScript>,
    ) -> Result<(), StoreError>;
}

/// The request that needs a decision.
#[derive(Debug)]
pub struct DecisionRequest<'a> {
    pub operation: Operation,
    pub key: ChaosKey,
    /// The scenarios of the header.
    pub forced: Option<&'a Script>,
}

/// Decides the scenario of a request, once for each attempt.
pub trait Chaos: Send + Sync {
    /// # Errors
    /// When the store fails.
    fn decide(&self, tx: &mut dyn Transaction, about: DecisionRequest<'_>) -> Result<Decision, StoreError>;
}

/// The engine of the provider. Each decision is a pure function of seed, profile, operation, chaos key and
/// attempt.
#[derive(Clone)]
pub struct KeyedChaos {
    seed: u64,
    profiles: Arc<Profiles>,
}

impl KeyedChaos {
    #[must_use]
    pub const fn new(seed: u64, profiles: Arc<Profiles>) -> Self {
        Self { seed, profiles }
    }
}

impl Chaos for KeyedChaos {
    fn decide(&self, tx: &mut dyn Transaction, about: DecisionRequest<'_>) -> Result<Decision, StoreError> {
        let DecisionRequest { operation, key, forced } = about;
        let attempt = tx.attempts(operation, key.as_str())?.saturating_add(1);
        tx.set_attempts(operation, &key, attempt)?;

        let profile = self.profiles.active(tx)?.profile;
        let planned = match &key {
            ChaosKey::Order(order) => tx.plan(order, operation)?,
            ChaosKey::Request(_) | ChaosKey::Once(_) => None,
        };
        let by_header = forced.and_then(|script| script.scenario_for(attempt));
        let by_plan =
            planned.and_then(|plan| scenario_at(&plan.scenarios, attempt.saturating_sub(plan.after_attempt)));
        let (scenario, source, delay) = match (by_header, by_plan) {
            (Some(scenario), _) => (scenario, DecisionSource::Header, None),
            (None, Some(scenario)) => (scenario, DecisionSource::Plan, None),
            (None, None) => {
                let drawn = draw(self.seed, profile.name(), operation, key.as_str(), attempt);
                let delay = profile.share(operation, drawn).and_then(|share| share.delay);
                (profile.choose(operation, drawn), DecisionSource::Draw, delay)
            }
        };
        let (seed, profile) = (self.seed, Arc::clone(profile.version()));
        Ok(Decision { seed, profile, operation, key, attempt, scenario, source, delay })
    }
}
