//! Plans the schedules to try, from the attempts that earlier orders made. Pure.
//!
//! A fault at an attempt that no order makes changes nothing. So each new schedule is one that passed, plus one
//! fault at an attempt that an order made under it.

use std::collections::{BTreeMap, BTreeSet};

use crate::schedule::{Fault, Reached, SUCCESS, Schedule, Slot, slots};

/// Maps each operation to its scenarios.
pub type Catalogue = BTreeMap<String, Vec<String>>;

/// Holds a schedule to try, and its newest fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    base: Schedule,
    fault: Fault,
    pub schedule: Schedule,
}

/// Holds a schedule whose order ended well, and the attempts of that order.
#[derive(Debug, Clone)]
pub struct PassedTrial {
    pub candidate: Candidate,
    pub order: String,
    pub reached: Reached,
}

/// Plans the schedules of one exploration.
#[derive(Debug)]
pub struct Planner {
    catalogue: Catalogue,
    /// The number of attempts in a row that a lasting fault affects.
    lasting: u32,
    /// The operations whose faults were planned.
    learned: BTreeSet<String>,
    happy: Reached,
    /// The operations that only failing orders call.
    undos: BTreeSet<String>,
    planned: BTreeSet<Schedule>,
}

impl Planner {
    #[must_use]
    pub fn new(catalogue: Catalogue, lasting: u32) -> Self {
        Self {
            catalogue,
            lasting,
            learned: BTreeSet::new(),
            happy: Reached::new(),
            undos: BTreeSet::new(),
            planned: BTreeSet::from([Schedule::without_faults()]),
        }
    }

    /// Returns the operations that only failing orders call.
    #[must_use]
    pub const fn undos(&self) -> &BTreeSet<String> {
        &self.undos
    }

    /// Plans every single fault of every attempt of the happy order.
    pub fn singles(&mut self, happy: &Reached) -> Vec<Candidate> {
        self.learned.extend(happy.keys().cloned());
        self.happy.clone_from(happy);
        slots(happy).flat_map(|slot| self.faults_for(&Schedule::without_faults(), &slot)).collect()
    }

    /// Plans the next batch from schedules that passed. Repeats a fault for
    /// several attempts when the system retried. Adds the faults of operations that appeared for the first time.
    pub fn follow_ups(&mut self, passed: &[PassedTrial]) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for PassedTrial { candidate: Candidate { base, fault, .. }, reached, .. } in passed {
            let again = reached.get(&fault.operation).is_some_and(|attempts| *attempts > fault.first);
            if fault.times == 1 && self.lasting > 1 && again {
                candidates.extend(self.propose_once(base, fault.lasting(self.lasting)));
            }
        }
        for PassedTrial { candidate, reached, .. } in passed {
            let new: Vec<_> = reached.keys().filter(|name| !self.learned.contains(*name)).cloned().collect();
            for operation in new {
                self.learned.insert(operation.clone());
                self.undos.insert(operation.clone());
                let new_slots = slots(reached).filter(|slot| slot.operation == operation);
                candidates.extend(new_slots.flat_map(|slot| self.faults_for(&candidate.schedule, &slot)));
            }
        }
        candidates
    }

    /// Plans pairs: a second fault at every attempt that an order made under a first one. Leaves out a pair
    /// whose second fault failed alone, or whose first fault isn't reached under the second.
    pub fn pairs(&mut self, passed: &[PassedTrial]) -> Vec<Candidate> {
        let alone: BTreeMap<_, _> =
            passed.iter().map(|passed| (&passed.candidate.schedule, &passed.reached)).collect();
        let mut candidates = Vec::new();
        for PassedTrial { candidate: Candidate { schedule, .. }, reached, .. } in passed {
            if schedule.len() != 1 {
                continue;
            }
            for slot in slots(reached).filter(|slot| !schedule.covers(slot)) {
                let in_happy = self.happy.get(&slot.operation).is_some_and(|last| slot.attempt <= *last);
                let worth = |second: &Candidate| {
                    let single = Schedule::from_entries(std::slice::from_ref(&second.fault));
                    let reached_alone = alone.get(&single).copied();
                    !in_happy
                        || reached_alone
                            .is_some_and(|reached| slots(reached).any(|slot| schedule.covers(&slot)))
                };
                candidates.extend(self.faults_for(schedule, &slot).into_iter().filter(worth));
            }
        }
        candidates
    }

    fn faults_for(&mut self, base: &Schedule, slot: &Slot) -> Vec<Candidate> {
        let scenarios = self.catalogue.get(&slot.operation).cloned().unwrap_or_default();
        let faults = scenarios.iter().filter(|scenario| *scenario != SUCCESS);
        faults.filter_map(|scenario| self.propose_once(base, Fault::once(slot.clone(), scenario))).collect()
    }

    /// Returns a candidate, or none when its schedule was planned before.
    fn propose_once(&mut self, base: &Schedule, fault: Fault) -> Option<Candidate> {
        let schedule = base.with_fault(fault.clone())?;
        self.planned.insert(schedule.clone()).then(|| Candidate { base: base.clone(), fault, schedule })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        BTreeMap::from([
            ("charge".to_owned(), names(&["success", "timeout", "declined"])),
            ("label".to_owned(), names(&["success", "timeout"])),
            ("refund".to_owned(), names(&["success", "timeout"])),
        ])
    }

    fn reached(attempts: &[(&str, u32)]) -> Reached {
        attempts.iter().map(|(operation, attempts)| ((*operation).to_owned(), *attempts)).collect()
    }

    fn shown(candidates: &[Candidate]) -> Vec<String> {
        candidates.iter().map(|candidate| candidate.schedule.to_string()).collect()
    }

    fn passed(candidate: &Candidate, attempts: &[(&str, u32)]) -> PassedTrial {
        PassedTrial { candidate: candidate.clone(), order: String::new(), reached: reached(attempts) }
    }

    #[test]
    fn singles_are_each_fault_of_each_attempt_of_the_happy_order() {
        let singles = Planner::new(catalogue(), 5).singles(&reached(&[("charge", 2), ("label", 1)]));
        assert_eq!(
            shown(&singles),
            [
                "charge: timeout",
                "charge: declined",
                "charge: timeout (attempt 2)",
                "charge: declined (attempt 2)",
                "label: timeout",
            ]
        );
    }

    #[test]
    fn a_lasting_fault_is_planned_when_the_system_retries() {
        let mut planner = Planner::new(catalogue(), 5);
        let singles = planner.singles(&reached(&[("charge", 1)]));
        let next = planner
            .follow_ups(&[passed(&singles[0], &[("charge", 2)]), passed(&singles[1], &[("charge", 1)])]);
        assert_eq!(shown(&next), ["charge: timeout (attempts 1 to 5)"]);
        assert!(planner.follow_ups(&[passed(&next[0], &[("charge", 5)])]).is_empty());
    }

    #[test]
    fn faults_of_an_undo_are_planned_under_the_fault_that_caused_it() {
        let mut planner = Planner::new(catalogue(), 5);
        let singles = planner.singles(&reached(&[("charge", 1), ("label", 1)]));
        let under: Vec<_> =
            singles.iter().map(|single| passed(single, &[("charge", 1), ("refund", 1)])).collect();
        let next = planner.follow_ups(&under);
        assert_eq!(shown(&next), ["charge: timeout, refund: timeout"]);
        assert_eq!(planner.undos().iter().collect::<Vec<_>>(), ["refund"]);
        let lasting = planner.follow_ups(&[passed(&next[0], &[("charge", 1), ("refund", 2)])]);
        assert_eq!(shown(&lasting), ["charge: timeout, refund: timeout (attempts 1 to 5)"]);
    }

    #[test]
    fn pairs_use_real_attempts_and_are_planned_once() {
        let mut planner = Planner::new(catalogue(), 5);
        let singles = planner.singles(&reached(&[("charge", 1), ("label", 1)]));
        // A declined charge ends the order, so a pair with a label's timeout is nothing new. A timed out charge
        // is tried again, and a label's timeout leads to a refund.
        let all = [
            passed(&singles[0], &[("charge", 2), ("label", 1)]),
            passed(&singles[1], &[("charge", 1)]),
            passed(&singles[2], &[("charge", 1), ("label", 1), ("refund", 1)]),
        ];
        let pairs = planner.pairs(&all);
        assert_eq!(
            shown(&pairs),
            [
                "charge: timeout, charge: timeout (attempt 2)",
                "charge: timeout, charge: declined (attempt 2)",
                "charge: timeout, label: timeout",
                "label: timeout, refund: timeout",
            ]
        );
        assert!(planner.pairs(&all).is_empty());
    }
}
