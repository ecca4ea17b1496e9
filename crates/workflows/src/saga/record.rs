//! What became of each undo, as a workflow's state shows it. Pure.

use serde::{Deserialize, Serialize};

use super::Compensation;
use crate::failure::StateError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompensationStatus {
    /// Undone, now or before.
    Completed,
    /// The step had never taken effect, and now never will.
    NothingToUndo,
    /// Its attempts are used up for now; it will be tried again.
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
    /// Who resolved it by hand, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An undo that ran in a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    pub compensation: Compensation,
    pub status: CompensationStatus,
    /// Those of this round.
    pub attempts: u32,
    pub error: Option<StateError>,
}

/// The undos that were tried, in the order of their first try.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Compensations(Vec<CompensationRecord>);

impl Compensations {
    pub fn iter(&self) -> std::slice::Iter<'_, CompensationRecord> {
        self.0.iter()
    }

    pub fn ran(&mut self, ran: Ran, at: &str) {
        let record = self.record(ran.compensation);
        record.status = ran.status;
        record.attempts = record.attempts.saturating_add(ran.attempts);
        record.error = ran.error;
        at.clone_into(&mut record.timestamp);
    }

    /// Somebody undid it by hand.
    pub fn resolved(&mut self, name: Compensation, note: String, at: &str) {
        let record = self.record(name);
        record.status = CompensationStatus::Resolved;
        record.note = Some(note);
        at.clone_into(&mut record.timestamp);
    }

    fn record(&mut self, name: Compensation) -> &mut CompensationRecord {
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

impl<'a> IntoIterator for &'a Compensations {
    type Item = &'a CompensationRecord;
    type IntoIter = std::slice::Iter<'a, CompensationRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Compensations {
    type Item = CompensationRecord;
    type IntoIter = std::vec::IntoIter<CompensationRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
