//! The report of a reconciliation: its progress, and everything that it found. Pure.

use serde::{Deserialize, Serialize};

use super::comparison::{Difference, Effect, Finding, OpenEffect};
use crate::{
    activities::reconciliation::{Compared, Summary},
    failure::StateError,
};

/// The maximum number of orphans in a report, and of contradictions. The rest are counted.
pub const MAX_FINDINGS: usize = 250;

/// The maximum number of effects of a finding in a report. An order has three.
const MAX_EFFECTS: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum ReconciliationStatus {
    Running,
    Completed,
    Cancelled,
    /// A final failure ended it before it compared everything.
    Failed,
}

impl ReconciliationStatus {
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

/// The source that is read page by page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Ledger,
    Executions,
}

/// The repair of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum Repair {
    /// Nobody asked for it, or no repair is safe.
    None,
    Repaired,
    Failed {
        error: StateError,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    #[serde(flatten)]
    pub finding: Finding,
    pub repair: Repair,
    /// The effects of the finding that are left out.
    #[serde(default)]
    pub effects_omitted: u64,
}

/// The report. Both the query and the result of the workflow return it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub status: ReconciliationStatus,
    pub repair: bool,
    /// Somebody cancelled it before its end.
    pub cancelling: bool,
    pub started_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// The failure that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StateError>,
    /// The orders that were compared: those of the ledger, and successful executions that it doesn't know.
    pub orders: u64,
    pub running: u64,
    pub outcomes_recorded: u64,
    pub contradictions: u64,
    pub orphans: u64,
    pub repaired: u64,
    pub not_repaired: u64,
    /// The first [`MAX_FINDINGS`] of each kind.
    pub findings: Vec<Reported>,
    pub findings_omitted: u64,
    /// The next page.
    pub source: Source,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl Report {
    #[must_use]
    pub fn new(repair: bool, started_at: String) -> Self {
        Self {
            status: ReconciliationStatus::Running,
            repair,
            cancelling: false,
            started_at,
            ended_at: None,
            error: None,
            orders: 0,
            running: 0,
            outcomes_recorded: 0,
            contradictions: 0,
            orphans: 0,
            repaired: 0,
            not_repaired: 0,
            findings: Vec::new(),
            findings_omitted: 0,
            source: Source::Ledger,
            after: None,
        }
    }

    /// Counts a page, and returns its findings. Their repairs follow by [`Self::add`].
    pub fn turn_page(&mut self, page: Compared) -> Vec<Finding> {
        self.orders = self.orders.saturating_add(page.orders);
        self.running = self.running.saturating_add(page.running);
        self.outcomes_recorded = self.outcomes_recorded.saturating_add(page.recorded);
        self.after = page.next;
        page.findings
    }

    /// Cancels it. Returns false after its end.
    pub fn cancel(&mut self) -> bool {
        self.cancelling |= self.status == ReconciliationStatus::Running;
        self.cancelling
    }

    /// Moves on to the next source after the last page of one. Returns false after the last source.
    pub fn has_next_page(&mut self) -> bool {
        match (self.after.is_some(), self.source) {
            (true, _) => true,
            (false, Source::Ledger) => {
                self.source = Source::Executions;
                true
            }
            (false, Source::Executions) => false,
        }
    }

    /// Returns the undos of a finding, in the order of a saga. Only orphans have any.
    #[must_use]
    pub fn undos(&self, finding: &Finding) -> Vec<(Effect, String)> {
        if !self.repair || finding.difference != Difference::Orphan {
            return Vec::new();
        }
        let mut effects: Vec<&OpenEffect> = finding.open.iter().collect();
        effects.sort_by_key(|one| one.effect);
        effects.into_iter().filter_map(|one| Some((one.effect, one.key.clone()?))).collect()
    }

    /// Adds a finding with its repair.
    pub fn add(&mut self, mut finding: Finding, repair: Repair) {
        match finding.difference {
            Difference::Orphan => self.orphans += 1,
            Difference::UnknownOrder | Difference::NotAsItEnded | Difference::OtherOutcome => {
                self.contradictions += 1;
            }
        }
        match repair {
            Repair::None => {}
            Repair::Repaired => self.repaired += 1,
            Repair::Failed { .. } => self.not_repaired += 1,
        }
        let is_orphan = finding.difference == Difference::Orphan;
        let listed = self.findings.iter().map(|one| one.finding.difference == Difference::Orphan);
        if listed.filter(|one| *one == is_orphan).count() >= MAX_FINDINGS {
            self.findings_omitted += 1;
            return;
        }
        let effects_omitted = finding.open.len().saturating_sub(MAX_EFFECTS) as u64;
        finding.open.truncate(MAX_EFFECTS);
        self.findings.push(Reported { finding, repair, effects_omitted });
    }

    /// Fails it.
    pub fn fail(&mut self, error: StateError) {
        self.error = Some(error);
    }

    pub fn end(&mut self, status: ReconciliationStatus, at: String) {
        self.status = status;
        self.ended_at = Some(at);
    }

    #[must_use]
    pub fn summary(&self, status: ReconciliationStatus, correlation_id: &str) -> Summary {
        Summary {
            correlation_id: correlation_id.to_owned(),
            status,
            orders: self.orders,
            contradictions: self.contradictions,
            orphans: self.orphans,
            repaired: self.repaired,
            not_repaired: self.not_repaired,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(difference: Difference, effects: &[Effect]) -> Finding {
        let one = |effect: &Effect| OpenEffect {
            effect: *effect,
            resource: "r".to_owned(),
            key: Some(effect.name().to_owned()),
            amount: None,
            currency: None,
        };
        let open = effects.iter().map(one).collect();
        Finding { difference, order_id: "1".to_owned(), workflow_id: None, end: None, open }
    }

    #[test]
    fn the_executions_follow_the_last_page_of_the_ledger() {
        let mut report = Report::new(false, String::new());
        let page = |next: Option<&str>| Compared { next: next.map(str::to_owned), ..Compared::default() };
        report.turn_page(page(Some("a")));
        assert!(report.has_next_page());
        assert_eq!((report.source, report.after.as_deref()), (Source::Ledger, Some("a")));
        report.turn_page(page(None));
        assert!(report.has_next_page());
        assert_eq!((report.source, report.after.as_deref()), (Source::Executions, None));
        report.turn_page(page(None));
        assert!(!report.has_next_page());
    }

    #[test]
    fn only_orphans_are_repaired_and_in_the_order_of_a_saga() {
        use Effect::{Captured, Held, Labelled, Reserved};
        let report = Report::new(true, String::new());
        let orphan = finding(Difference::Orphan, &[Held, Captured, Reserved, Labelled]);
        let undos: Vec<_> = report.undos(&orphan).into_iter().map(|(effect, _)| effect).collect();
        assert_eq!(undos, [Labelled, Captured, Reserved, Held]);
        for other in [Difference::UnknownOrder, Difference::NotAsItEnded, Difference::OtherOutcome] {
            assert!(report.undos(&finding(other, &[Held])).is_empty(), "{other:?}");
        }
        assert!(Report::new(false, String::new()).undos(&orphan).is_empty());
    }

    #[test]
    fn findings_beyond_the_limit_are_counted() {
        let mut report = Report::new(true, String::new());
        for _ in 0..MAX_FINDINGS + 3 {
            report.add(finding(Difference::NotAsItEnded, &[]), Repair::None);
        }
        report.add(finding(Difference::Orphan, &[]), Repair::Repaired);
        assert_eq!((report.findings.len(), report.findings_omitted), (MAX_FINDINGS + 1, 3));
        assert_eq!((report.orphans, report.repaired, report.contradictions), (1, 1, 253));
    }

    #[test]
    fn a_report_of_the_largest_findings_fits_into_a_payload() {
        let mut report = Report::new(true, String::new());
        let long = "x".repeat(255);
        let mut large = finding(Difference::Orphan, &[Effect::Held; 100]);
        for effect in &mut large.open {
            effect.key = Some(long.clone());
        }
        large.order_id = long;
        for _ in 0..2 * MAX_FINDINGS {
            report.add(large.clone(), Repair::Repaired);
            report.add(Finding { difference: Difference::UnknownOrder, ..large.clone() }, Repair::None);
        }
        assert_eq!(report.findings[0].effects_omitted, 95);
        // Temporal refuses payloads above 2 MiB.
        assert!(serde_json::to_vec(&report).unwrap().len() < 1_500_000);
    }
}
