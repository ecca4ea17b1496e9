//! The records of compensations in a workflow's state. Pure.

use serde::{Deserialize, Serialize};

use super::Compensation;
use crate::failure::StateError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompensationStatus {
    /// An attempt runs.
    Running,
    /// An attempt failed. The next one starts after a wait, or at once by `retryCompensation`.
    Waiting,
    /// Undone, now or before.
    Completed,
    /// The step had no effect, and can't have one any more.
    NothingToUndo,
    /// Its attempts of this round are used up. The next round tries again.
    Failed,
    /// Undone by hand.
    Resolved,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompensationRecord {
    pub name: Compensation,
    pub status: CompensationStatus,
    pub timestamp: String,
    pub attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StateError>,
    /// The actor and the note of a resolution by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl CompensationStatus {
    /// Returns true if the compensation can be resolved by hand.
    #[must_use]
    pub const fn is_resolvable(self) -> bool {
        matches!(self, Self::Running | Self::Waiting | Self::Failed)
    }
}

/// The outcome of a compensation's attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompensationOutcome {
    pub compensation: Compensation,
    pub status: CompensationStatus,
    /// The number of new attempts.
    pub attempts: u32,
    pub error: Option<StateError>,
}

/// The records of the compensations, in the order of their first attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CompensationRecords(Vec<CompensationRecord>);

impl CompensationRecords {
    pub fn iter(&self) -> std::slice::Iter<'_, CompensationRecord> {
        self.0.iter()
    }

    /// Records the start of an attempt.
    pub fn record_start(&mut self, name: Compensation, at: &str) {
        let record = self.entry(name);
        record.status = CompensationStatus::Running;
        at.clone_into(&mut record.timestamp);
    }

    pub fn record_outcome(&mut self, outcome: CompensationOutcome, at: &str) {
        let record = self.entry(outcome.compensation);
        record.status = outcome.status;
        record.attempts = record.attempts.saturating_add(outcome.attempts);
        record.error = outcome.error;
        at.clone_into(&mut record.timestamp);
    }

    /// Records a resolution by hand. An attempt that it interrupts counts.
    pub fn record_resolution(&mut self, name: Compensation, note: String, at: &str) {
        let record = self.entry(name);
        if record.status == CompensationStatus::Running {
            record.attempts = record.attempts.saturating_add(1);
        }
        record.status = CompensationStatus::Resolved;
        record.note = Some(note);
        at.clone_into(&mut record.timestamp);
    }

    fn entry(&mut self, name: Compensation) -> &mut CompensationRecord {
        let index = self.0.iter().position(|record| record.name == name).unwrap_or_else(|| {
            self.0.push(CompensationRecord {
                name,
                status: CompensationStatus::Failed,
                timestamp: String::new(),
                attempts: 0,
                error: None,
                note: None,
            });
            self.0.len() - 1
        });
        &mut self.0[index]
    }
}

impl<'a> IntoIterator for &'a CompensationRecords {
    type Item = &'a CompensationRecord;
    type IntoIter = std::slice::Iter<'a, CompensationRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for CompensationRecords {
    type Item = CompensationRecord;
    type IntoIter = std::vec::IntoIter<CompensationRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The state machine of a workflow with compensations.
pub trait RecordsCompensations {
    /// Returns the records. The caller changes them, so a caller of the workflow sees a new version.
    fn compensations_mut(&mut self) -> &mut CompensationRecords;
    /// Starts a round of compensation.
    fn enter_compensating(&mut self);
    /// Ends a round that left compensations pending.
    fn enter_compensation_failed(&mut self);

    /// Records the start of an attempt at an undo.
    fn start_undo(&mut self, name: Compensation, at: &str) {
        self.compensations_mut().record_start(name, at);
    }

    /// Records the outcome of a compensation.
    fn record_compensation(&mut self, outcome: CompensationOutcome, at: &str) {
        self.compensations_mut().record_outcome(outcome, at);
    }

    /// Records a compensation that was done by hand.
    fn record_resolution(&mut self, name: Compensation, note: String, at: &str) {
        self.compensations_mut().record_resolution(name, note, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CompensationStatus::{Completed, Failed, Resolved, Running, Waiting};

    const UNDO: Compensation = Compensation::RefundPayment;

    fn outcome(status: CompensationStatus, attempts: u32) -> CompensationOutcome {
        let error = (status != Completed).then(|| StateError::new("internal_error", "something broke"));
        CompensationOutcome { compensation: UNDO, status, attempts, error }
    }

    fn shown(compensations: &CompensationRecords) -> (CompensationStatus, u32, bool) {
        let record = compensations.iter().next().unwrap();
        (record.status, record.attempts, record.error.is_some())
    }

    #[test]
    fn attempts_add_up_over_rounds_and_the_last_error_stays_until_success() {
        let mut compensations = CompensationRecords::default();
        compensations.record_start(UNDO, "1");
        assert_eq!(shown(&compensations), (Running, 0, false));
        compensations.record_outcome(outcome(Waiting, 1), "2");
        assert_eq!(shown(&compensations), (Waiting, 1, true));
        compensations.record_start(UNDO, "3");
        assert_eq!(shown(&compensations), (Running, 1, true));
        // No worker had started the attempt.
        compensations.record_outcome(outcome(Failed, 0), "4");
        assert_eq!(shown(&compensations), (Failed, 1, true));
        compensations.record_start(UNDO, "5");
        compensations.record_outcome(outcome(Completed, 1), "6");
        assert_eq!(shown(&compensations), (Completed, 2, false));
    }

    #[test]
    fn an_attempt_interrupted_by_a_resolution_counts_and_a_wait_does_not() {
        for (waits, attempts) in [(false, 2), (true, 1)] {
            let mut compensations = CompensationRecords::default();
            compensations.record_start(UNDO, "1");
            compensations.record_outcome(outcome(Waiting, 1), "2");
            if !waits {
                compensations.record_start(UNDO, "3");
            }
            compensations.record_resolution(UNDO, "ops: by hand".to_owned(), "4");
            assert_eq!(shown(&compensations), (Resolved, attempts, true));
        }
    }
}
