//! A schedule: the faults for one order's calls. Pure; the provider takes it as a plan.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// The scenario without a fault.
pub const SUCCESS: &str = "success";
/// The longest script that a plan may have. Successes fill each script up to it, since the profile decides after
/// the end of a script.
const SCRIPT_LENGTH: u32 = 100;

/// Maps each operation to the number of its attempts for one order.
pub type Reached = BTreeMap<String, u32>;

/// Maps each operation to its scenarios, one for each attempt, as the provider takes it.
pub type Plan = BTreeMap<String, Vec<String>>;

/// Names one attempt of one operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    pub operation: String,
    /// From 1.
    pub attempt: u32,
}

/// Returns every attempt of a [`Reached`].
pub fn slots(reached: &Reached) -> impl Iterator<Item = Slot> {
    reached.iter().flat_map(|(operation, attempts)| {
        (1..=*attempts).map(|attempt| Slot { operation: operation.clone(), attempt })
    })
}

/// Holds a scenario for one attempt of an operation, or for several in a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fault {
    pub operation: String,
    /// The first affected attempt, from 1.
    pub first: u32,
    /// The number of affected attempts, from 1.
    pub times: u32,
    pub scenario: String,
}

impl Fault {
    #[must_use]
    pub fn once(slot: Slot, scenario: &str) -> Self {
        let Slot { operation, attempt } = slot;
        Self { operation, first: attempt, times: 1, scenario: scenario.to_owned() }
    }

    #[must_use]
    pub fn lasting(&self, times: u32) -> Self {
        Self { times, ..self.clone() }
    }

    const fn end(&self) -> u32 {
        self.first.saturating_add(self.times)
    }

    #[must_use]
    pub fn covers(&self, slot: &Slot) -> bool {
        self.operation == slot.operation && (self.first..self.end()).contains(&slot.attempt)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.operation == other.operation && self.first < other.end() && other.first < self.end()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, first, times, scenario } = self;
        write!(f, "{operation}: {scenario}")?;
        match (first, times) {
            (1, 1) => Ok(()),
            (first, 1) => write!(f, " (attempt {first})"),
            (first, _) => write!(f, " (attempts {first} to {})", self.end() - 1),
        }
    }
}

/// Holds faults, at most one for each attempt; every other attempt succeeds.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Schedule(BTreeSet<Fault>);

impl Schedule {
    /// Returns a schedule without a fault.
    #[must_use]
    pub fn without_faults() -> Self {
        Self::default()
    }

    /// Adds a fault; returns none when one of its attempts has a fault already.
    #[must_use]
    pub fn with_fault(&self, fault: Fault) -> Option<Self> {
        let free = !self.0.iter().any(|taken| taken.overlaps(&fault));
        free.then(|| Self(self.0.iter().cloned().chain([fault]).collect()))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn covers(&self, slot: &Slot) -> bool {
        self.0.iter().any(|fault| fault.covers(slot))
    }

    /// Splits the faults into single attempts, as far as an order reached them.
    #[must_use]
    pub fn entries(&self, reached: &Reached) -> Vec<Fault> {
        let met = |fault: &Fault, slot: &Slot| fault.covers(slot).then(|| fault.scenario.clone());
        slots(reached)
            .filter_map(|slot| {
                let scenario = self.0.iter().find_map(|fault| met(fault, &slot))?;
                Some(Fault::once(slot, &scenario))
            })
            .collect()
    }

    /// Joins single attempts into a schedule; equal ones in a row become one fault.
    #[must_use]
    pub fn from_entries(entries: &[Fault]) -> Self {
        let mut faults: Vec<Fault> = Vec::new();
        let sorted: BTreeSet<_> = entries.iter().cloned().collect();
        for entry in sorted {
            match faults.last_mut() {
                Some(last)
                    if last.operation == entry.operation
                        && last.scenario == entry.scenario
                        && last.end() == entry.first =>
                {
                    last.times += entry.times;
                }
                _ => faults.push(entry),
            }
        }
        Self(faults.into_iter().collect())
    }

    /// Returns the schedule as a plan. Each operation gets a script of full length, so that the active profile
    /// never decides.
    #[must_use]
    pub fn plan<'a>(&self, operations: impl IntoIterator<Item = &'a str>) -> Plan {
        let scripts = operations.into_iter().map(|operation| (operation.to_owned(), self.script(operation)));
        scripts.collect()
    }

    /// Returns the plan without trailing successes, for a provider whose profile never fails.
    #[must_use]
    pub fn short_plan(&self) -> Plan {
        let operations: BTreeSet<_> = self.0.iter().map(|fault| fault.operation.as_str()).collect();
        let mut plan = self.plan(operations);
        for script in plan.values_mut() {
            let length = script.iter().rposition(|scenario| scenario != SUCCESS).map_or(0, |last| last + 1);
            script.truncate(length);
        }
        plan
    }

    fn script(&self, operation: &str) -> Vec<String> {
        let scenario = |attempt| {
            let slot = Slot { operation: operation.to_owned(), attempt };
            let fault = self.0.iter().find(|fault| fault.covers(&slot));
            fault.map_or(SUCCESS, |fault| fault.scenario.as_str()).to_owned()
        };
        (1..=SCRIPT_LENGTH).map(scenario).collect()
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("no fault");
        }
        for (index, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(operation: &str, first: u32, times: u32, scenario: &str) -> Fault {
        Fault { operation: operation.to_owned(), first, times, scenario: scenario.to_owned() }
    }

    fn schedule(faults: &[Fault]) -> Schedule {
        faults
            .iter()
            .fold(Schedule::without_faults(), |schedule, fault| schedule.with_fault(fault.clone()).unwrap())
    }

    #[test]
    fn a_plan_has_every_attempt_of_every_operation() {
        let plan = schedule(&[fault("a", 2, 2, "timeout")]).plan(["a", "b"]);
        assert_eq!(plan["a"][..5], ["success", "timeout", "timeout", "success", "success"]);
        assert!(plan["b"].iter().all(|scenario| scenario == SUCCESS));
        assert_eq!((plan["a"].len(), plan["b"].len()), (100, 100));
    }

    #[test]
    fn a_short_plan_ends_with_the_last_fault() {
        let plan = schedule(&[fault("a", 2, 1, "timeout"), fault("b", 1, 1, "lost")]).short_plan();
        assert_eq!(
            plan,
            BTreeMap::from([
                ("a".to_owned(), vec!["success".to_owned(), "timeout".to_owned()]),
                ("b".to_owned(), vec!["lost".to_owned()]),
            ])
        );
    }

    #[test]
    fn an_attempt_has_at_most_one_fault() {
        let lasting = schedule(&[fault("a", 2, 3, "timeout")]);
        assert_eq!(lasting.with_fault(fault("a", 4, 1, "lost")), None);
        assert!(lasting.with_fault(fault("a", 5, 1, "lost")).is_some());
        assert!(lasting.with_fault(fault("b", 2, 1, "lost")).is_some());
    }

    #[test]
    fn entries_are_the_reached_attempts_and_join_to_faults() {
        let lasting =
            schedule(&[fault("a", 1, 5, "timeout"), fault("b", 1, 1, "lost"), fault("c", 9, 1, "lost")]);
        let reached = Reached::from([("a".to_owned(), 3), ("b".to_owned(), 1), ("c".to_owned(), 1)]);
        let entries = lasting.entries(&reached);
        assert_eq!(entries.len(), 4);
        assert_eq!(
            Schedule::from_entries(&entries),
            schedule(&[fault("a", 1, 3, "timeout"), fault("b", 1, 1, "lost")])
        );
        assert_eq!(
            Schedule::from_entries(&[entries[2].clone(), entries[0].clone()]),
            schedule(&[fault("a", 1, 1, "timeout"), fault("a", 3, 1, "timeout")])
        );
    }

    #[test]
    fn a_schedule_is_shown_as_text() {
        let shown =
            schedule(&[fault("a", 1, 1, "lost"), fault("b", 2, 1, "x"), fault("c", 1, 5, "y")]).to_string();
        assert_eq!(shown, "a: lost, b: x (attempt 2), c: y (attempts 1 to 5)");
        assert_eq!(Schedule::without_faults().to_string(), "no fault");
    }
}
