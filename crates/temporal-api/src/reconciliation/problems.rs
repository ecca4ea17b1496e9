//! Defines the error codes of reconciliations, and maps gateway errors to them.

use serde_json::Value;
use service_kit::{error_codes, problem::Problem};
use std::time::Duration;

use crate::{
    gateway::{GatewayError, WorkflowId},
    workflow::impersonal,
};

error_codes! {
    /// Lists the codes of the reconciliation endpoints, beside the codes of every service.
    pub enum ReconciliationCode {
        NoReport = "reconciliation_report_not_found", 404, "No reconciliation has run", final;
        AlreadyRunning = "reconciliation_already_running", 409, "A triggered reconciliation runs", final;
        NotScheduled = "reconciliation_not_scheduled", 503, "The schedule doesn't exist yet", retryable;
    }
}

pub fn no_report() -> Problem {
    Problem::new(
        ReconciliationCode::NoReport,
        "no reconciliation has run, or Temporal doesn't keep it any more",
    )
}

/// Returns the problem for a gateway error of the schedule.
pub fn schedule_problem(error: GatewayError) -> Problem {
    match error {
        GatewayError::NotFound => Problem::new(
            ReconciliationCode::NotScheduled,
            "the API creates the schedule when it starts, and somebody may have deleted it",
        )
        .retry_after(Duration::from_secs(1)),
        other => impersonal(other),
    }
}

/// Returns the problem for a gateway error of a run.
pub fn problem(id: &WorkflowId, error: GatewayError) -> Problem {
    match error {
        GatewayError::NotFound => no_report(),
        GatewayError::AlreadyExists { run_id } => {
            Problem::new(ReconciliationCode::AlreadyRunning, "a triggered reconciliation runs")
                .with("workflowId", Value::from(id.as_str()))
                .with("runId", Value::from(run_id))
        }
        other => impersonal(other),
    }
}
