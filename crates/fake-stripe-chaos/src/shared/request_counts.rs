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

/// The maximum number of profiles whose draws are counted for each operation. The oldest is dropped.
const MAX_PROFILES: usize = 16;

/// Counts requests, scenarios and draws.
pub struct RequestCounts {
    started_at: Timestamp,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    counts: BTreeMap<Operation, Counts>,
    /// The draws of each operation by profile, the newest profile last. No reset clears them.
    draws: BTreeMap<Operation, Vec<Draws>>,
    anew: BTreeMap<String, Timestamp>,
}

/// A profile as `name@hash`, and the number of draws of each scenario.
type Draws = (Arc<str>, BTreeMap<&'static str, u64>);

/// The counts of one operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    pub requests: u64,
    /// The requests with a successful answer.
    pub successful: u64,
    /// The requests with a replayed answer.
    pub replayed: u64,
    /// The number of decisions for each scenario, of any origin.
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

    /// Returns the number of draws of each scenario, for an operation and a profile (`name@hash`).
    #[must_use]
    pub fn draws(&self, operation: Operation, profile: &str) -> BTreeMap<&'static str, u64> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let of_profile = |(known, _): &&(Arc<str>, _)| **known == *profile;
        let drawn = state.draws.get(&operation).and_then(|profiles| profiles.iter().find(of_profile));
        drawn.map(|(_, drawn)| drawn.clone()).unwrap_or_default()
    }

    /// Returns the start of the counts of a context.
    #[must_use]
    pub fn counted_since(&self, context: &str) -> Timestamp {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.anew.get(context).copied().unwrap_or(self.started_at)
    }

    /// Resets the counts of a context. The draws stay.
    pub fn reset(&self, context: &str, now: Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.counts.retain(|operation, _| operation.context() != context);
        state.anew.insert(context.to_owned(), now);
    }
}
