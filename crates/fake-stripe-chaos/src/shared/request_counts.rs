//! Counts the requests of each operation and their scenarios, since the start or the last reset.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::shared::{
    chaos::{DecisionSource, SUCCESS},
    clock::Timestamp,
    journal::JournalEntry,
    operation::Operation,
    protocol::NOTHING_TO_UNDO,
};

/// The draws of how many profiles are remembered for each operation; older ones are forgotten.
const MAX_PROFILES: usize = 16;

/// See the module.
pub struct RequestCounts {
    started_at: Timestamp,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    counts: BTreeMap<Operation, Counts>,
    /// The draws of each operation by profile, the newest profile last. They are never counted anew.
    draws: BTreeMap<Operation, Vec<Draws>>,
    anew: BTreeMap<String, Timestamp>,
}

/// How often each scenario was drawn from a profile, told as `name@hash`.
type Draws = (Arc<str>, BTreeMap<&'static str, u64>);

/// What happened to the requests of one operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    pub requests: u64,
    /// Of these, told to have succeeded.
    pub successful: u64,
    /// Of these, answered from what the idempotency key had led to.
    pub replayed: u64,
    /// How often each scenario was decided, by whomever.
    pub scenarios: BTreeMap<&'static str, u64>,
}

impl RequestCounts {
    #[must_use]
    pub fn new(started_at: Timestamp) -> Self {
        Self { started_at, state: Mutex::default() }
    }

    pub fn count(&self, line: &JournalEntry) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { counts, draws, .. } = &mut *state;
        let counts = counts.entry(line.operation).or_default();
        counts.requests += 1;
        if line.response.is_some_and(|name| [SUCCESS.name, NOTHING_TO_UNDO].contains(&name)) {
            counts.successful += 1;
        }
        if line.replayed {
            counts.replayed += 1;
            return;
        }
        let Some(decision) = line.decided.as_ref().map(|decided| &decided.decision) else { return };
        let scenario = decision.scenario.name;
        *counts.scenarios.entry(scenario).or_default() += 1;
        if decision.source != DecisionSource::Draw {
            return;
        }
        let profiles = draws.entry(line.operation).or_default();
        if let Some((_, drawn)) = profiles.iter_mut().find(|(profile, _)| *profile == decision.profile) {
            *drawn.entry(scenario).or_default() += 1;
            return;
        }
        if profiles.len() == MAX_PROFILES {
            profiles.remove(0);
        }
        profiles.push((Arc::clone(&decision.profile), BTreeMap::from([(scenario, 1)])));
    }

    #[must_use]
    pub fn for_operation(&self, operation: Operation) -> Counts {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.counts.get(&operation).cloned().unwrap_or_default()
    }

    /// How often each scenario was drawn for an operation from a profile, told as `name@hash`.
    #[must_use]
    pub fn draws(&self, operation: Operation, profile: &str) -> BTreeMap<&'static str, u64> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let of_profile = |(known, _): &&(Arc<str>, _)| **known == *profile;
        let drawn = state.draws.get(&operation).and_then(|profiles| profiles.iter().find(of_profile));
        drawn.map(|(_, drawn)| drawn.clone()).unwrap_or_default()
    }

    /// Since when a context's requests are counted.
    #[must_use]
    pub fn counted_since(&self, context: &str) -> Timestamp {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.anew.get(context).copied().unwrap_or(self.started_at)
    }

    /// Counts the requests of a context anew; the draws are counted on.
    pub fn reset(&self, context: &str, now: Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.counts.retain(|operation, _| operation.context() != context);
        state.anew.insert(context.to_owned(), now);
    }
}
