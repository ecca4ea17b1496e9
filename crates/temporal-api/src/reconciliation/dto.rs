//! Defines the bodies of reconciliations. Histories outlive the bodies, so they have types of their own.

use std::time::SystemTime;

use serde::Serialize;
use service_kit::time;
use utoipa::ToSchema;
use workflows::{
    reconciliation::{
        comparison::{Difference, End, OpenEffect},
        report::{Repair, Report, Reported},
    },
    time::rfc3339,
};

use crate::{
    gateway::{ListedWorkflow, Observed, ReconciliationSchedule, WorkflowId},
    order::{ErrorBody, RunBody},
};

/// Documents the body of a trigger.
#[derive(ToSchema)]
#[schema(as = Trigger)]
#[allow(dead_code, reason = "the schema alone is used")]
pub struct TriggerBody {
    /// Undoes the open effects of orders that did not ship. Without it, they are only reported.
    #[schema(default = false)]
    repair: Option<bool>,
}

/// Describes the schedule and the last runs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Reconciliation)]
pub struct ReconciliationBody {
    #[schema(example = true)]
    success: bool,
    paused: bool,
    /// Gives the reason for the last pause or resumption.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1h")]
    every: Option<String>,
    /// Says whether scheduled runs repair what they find.
    repair: bool,
    /// Counts the runs that were skipped, because the one before still ran.
    skipped_runs: i64,
    /// Counts the runs that were missed for longer than the catch-up window of one hour.
    missed_runs: i64,
    #[schema(value_type = Vec<String>)]
    next_runs: Vec<String>,
    /// Lists the running run, then the last ones that ended.
    last_runs: Vec<ReconciliationRunBody>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReconciliationRun)]
struct ReconciliationRunBody {
    workflow_id: String,
    #[serde(flatten)]
    run: RunBody,
    /// Is `running`, `completed`, `terminated` or `timed_out`.
    #[schema(example = "completed")]
    status: &'static str,
}

impl ReconciliationBody {
    pub fn new(schedule: ReconciliationSchedule, repair: bool, runs: Vec<ListedWorkflow>) -> Self {
        let every = schedule.every.and_then(|every| u64::try_from(every.as_millis()).ok());
        let moment = |at: SystemTime| rfc3339(Some(at));
        let run = |run: ListedWorkflow| ReconciliationRunBody {
            workflow_id: run.workflow_id.as_str().to_owned(),
            run: run.run.into(),
            status: run.status,
        };
        Self {
            success: true,
            paused: schedule.paused,
            note: schedule.note,
            every: every.map(time::duration_text),
            repair,
            skipped_runs: schedule.skipped,
            missed_runs: schedule.missed,
            next_runs: schedule.next_runs.into_iter().map(moment).collect(),
            last_runs: runs.into_iter().map(run).collect(),
        }
    }
}

/// Describes what a reconciliation found and repaired.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReconciliationReport)]
pub struct ReportBody {
    /// Is absent from the 202 of a result.
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<bool>,
    workflow_id: String,
    #[serde(flatten)]
    run: RunBody,
    /// Is `running`, `completed`, `cancelled`, or `failed`: an error that no retry can change ended it. After an end from
    /// outside it is `terminated` or `timed_out`.
    #[schema(example = "completed")]
    status: &'static str,
    /// Gives the reason if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
    /// Says whether this run repairs what it finds.
    repair: bool,
    /// Counts the orders that were compared.
    orders: u64,
    /// Counts those of them that still ran.
    running: u64,
    /// Counts the outcomes that the ledger did not have before.
    outcomes_recorded: u64,
    /// Counts the orders whose ledger contradicts the end of their workflow.
    contradiction_count: u64,
    /// Counts the orders that did not ship and left effects open.
    orphan_count: u64,
    repaired: u64,
    /// Counts the repairs that failed. The next run with `repair` tries them again.
    not_repaired: u64,
    contradictions: Vec<FindingBody>,
    orphans: Vec<FindingBody>,
    /// Counts the findings that these lists leave out.
    findings_omitted: u64,
}

/// Describes a difference of one order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReconciliationFinding)]
struct FindingBody {
    order_id: String,
    /// Is `orphan`, `unknown_order` (Temporal knows no workflow that caused the effects), `not_as_it_ended` (the ledger doesn't show what
    /// the end needs) or `other_outcome` (an observer recorded another end).
    #[schema(example = "orphan")]
    difference: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_id: Option<String>,
    /// Is the end of that workflow: `running`, `shipped`, `paid`, `failed`, `terminated` or `timed_out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "terminated")]
    end: Option<&'static str>,
    open: Vec<OpenEffectBody>,
    /// Counts the effects that this list leaves out.
    effects_omitted: u64,
    /// Is `none`, `repaired` or `failed`.
    #[schema(example = "repaired")]
    repair: &'static str,
    /// Gives the reason if the repair failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
}

/// Describes an effect in the ledger that nothing had undone.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OpenEffect)]
struct OpenEffectBody {
    /// Is `held`, `captured`, `reserved` or `labelled`.
    #[schema(example = "held")]
    effect: &'static str,
    resource: String,
    /// Is the idempotency key of the call that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Holds minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
}

impl From<OpenEffect> for OpenEffectBody {
    fn from(open: OpenEffect) -> Self {
        let OpenEffect { effect, resource, key, amount, currency } = open;
        Self { effect: effect.name(), resource, key, amount, currency }
    }
}

impl From<Reported> for FindingBody {
    fn from(Reported { finding, repair, effects_omitted }: Reported) -> Self {
        let (repair, error) = match repair {
            Repair::None => ("none", None),
            Repair::Repaired => ("repaired", None),
            Repair::Failed { error } => ("failed", Some(error.into())),
        };
        Self {
            order_id: finding.order_id,
            difference: finding.difference.name(),
            workflow_id: finding.workflow_id,
            end: finding.end.map(End::name),
            open: finding.open.into_iter().map(Into::into).collect(),
            effects_omitted,
            repair,
            error,
        }
    }
}

impl ReportBody {
    pub fn new(id: &WorkflowId, observed: Observed<Report>) -> Self {
        let status = observed.status(|report| report.status.name());
        let Observed { run, state: report, .. } = observed;
        let is_orphan = |one: &Reported| one.finding.difference == Difference::Orphan;
        let (orphans, contradictions): (Vec<_>, Vec<_>) = report.findings.into_iter().partition(is_orphan);
        let bodies = |findings: Vec<Reported>| findings.into_iter().map(Into::into).collect();
        Self {
            success: Some(true),
            workflow_id: id.as_str().to_owned(),
            run: run.into(),
            status,
            error: report.error.map(Into::into),
            repair: report.repair,
            orders: report.orders,
            running: report.running,
            outcomes_recorded: report.outcomes_recorded,
            contradiction_count: report.contradictions,
            orphan_count: report.orphans,
            repaired: report.repaired,
            not_repaired: report.not_repaired,
            contradictions: bodies(contradictions),
            orphans: bodies(orphans),
            findings_omitted: report.findings_omitted,
        }
    }

    /// Builds the result: `success` says whether it compared everything.
    pub fn of_result(id: &WorkflowId, observed: Observed<Report>) -> Self {
        Self { success: Some(observed.succeeded()), ..Self::new(id, observed) }
    }

    /// Builds the state of a run whose result is not available yet.
    pub fn of_now(id: &WorkflowId, observed: Observed<Report>) -> Self {
        Self { success: None, ..Self::new(id, observed) }
    }
}
