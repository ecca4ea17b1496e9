//! The engine: decides what happens to a request. Precedence: header, plan, profile.

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

/// What the attempts of one request are counted by, and its fate drawn by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ChaosKey {
    /// The order: plans go by it too.
    Order(OrderId),
    /// Where no order is known: the idempotency key, else the resource.
    Request(String),
    /// Where there is nothing that another request could have as well. There is only one attempt, and nobody
    /// counts it.
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

/// How often each operation was decided for each chaos key.
pub trait Attempts {
    /// # Errors
    /// When the store fails.
    fn attempts(&self, operation: Operation, key: &str) -> Result<u32, StoreError>;
    /// Sets how often it was. The oldest attempts of no order are forgotten where there are too many; an order
    /// that comes again after that would begin with attempt 1, so its attempts are never forgotten.
    ///
    /// # Errors
    /// When the store fails.
    fn set_attempts(&mut self, operation: Operation, key: &ChaosKey, attempts: u32)
    -> Result<(), StoreError>;
}

/// The planned scenarios of one operation of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedScript {
    /// How many attempts there had been when the plan was made; its first scenario is for the next.
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
    /// When the store fails, or too many orders have a plan that isn't used up.
    fn set_plan(
        &mut self,
        order: &OrderId,
        plan: BTreeMap<Operation, PlannedScript>,
    ) -> Result<(), StoreError>;
}

/// What a decision is asked for.
#[derive(Debug)]
pub struct DecisionRequest<'a> {
    pub operation: Operation,
    pub key: ChaosKey,
    /// What the request itself asks for.
    pub forced: Option<&'a Script>,
}

/// Decides what happens to a request, once for each attempt.
pub trait Chaos: Send + Sync {
    /// # Errors
    /// When the store fails.
    fn decide(&self, tx: &mut dyn Transaction, about: DecisionRequest<'_>) -> Result<Decision, StoreError>;
}

/// The provider's own engine: every decision is a pure function of seed, profile, operation, chaos key
/// and attempt.
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
