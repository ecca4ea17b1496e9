//! Defines the error codes of any workflow, and maps gateway errors to them.

use std::{fmt::Display, time::Duration};

use serde_json::Value;
use service_kit::{error_codes, problem::Problem};

use crate::gateway::GatewayError;

error_codes! {
    /// Lists the codes of the endpoints of any workflow, orders too, beside the codes of every service.
    pub enum WorkflowCode {
        NotFound = "workflow_not_found", 404, "There is no such workflow", final;
        AlreadyExists = "workflow_already_exists", 409, "The workflow runs already or has succeeded", final;
        AlreadyClosed = "workflow_already_closed", 409, "The workflow has ended, or can't be stopped any more", final;
        AlreadyCancelling = "workflow_already_cancelling", 409, "The workflow is being cancelled", final;
        ChangedMeanwhile = "workflow_changed_meanwhile", 409, "The workflow changed meanwhile", retryable;
        IdempotencyKeyReused = "idempotency_key_reused", 409, "The idempotency key was used for something else", final;
        InvalidHeader = "invalid_header", 400, "A header does not fit", final;
        InvalidQuery = "invalid_query", 400, "A query parameter does not fit", final;
        TooManyWaiting = "too_many_waiting", 503, "There are too many event streams and long polls", retryable;
        WorkerUnavailable = "worker_unavailable", 503, "No worker answered", retryable;
        TemporalUnavailable = "temporal_unavailable", 503, "Temporal cannot be reached", retryable;
    }
}

pub fn not_found(id: &str) -> Problem {
    Problem::new(WorkflowCode::NotFound, format!("no workflow has the id {id:?}"))
}

/// Returns the problem for a change that was refused, but would not be any more.
pub fn changed_meanwhile() -> Problem {
    Problem::new(WorkflowCode::ChangedMeanwhile, "the workflow changed meanwhile; repeat the request")
}

pub fn invalid_query(name: &str, what: impl Display) -> Problem {
    Problem::new(WorkflowCode::InvalidQuery, format!("{name} {what}"))
}

/// Returns the problem for a workflow's gateway error.
pub fn problem(id: &str, error: GatewayError) -> Problem {
    match error {
        GatewayError::NotFound => not_found(id),
        GatewayError::AlreadyExists { run_id } => {
            Problem::new(WorkflowCode::AlreadyExists, "a workflow with this id runs already or has succeeded")
                .with("workflowId", Value::from(id))
                .with("runId", Value::from(run_id))
        }
        other => impersonal(other),
    }
}

/// Returns the problem for a request that could stay open, if there is no place for it.
pub fn too_many_waiting() -> Problem {
    Problem::new(WorkflowCode::TooManyWaiting, "too many event streams and long polls are open")
        .retry_after(Duration::from_secs(1))
}

/// Returns the problem for a gateway error that would be the same for any workflow.
pub fn impersonal(error: GatewayError) -> Problem {
    match error {
        GatewayError::KeyReused { workflow_id } => Problem::new(
            WorkflowCode::IdempotencyKeyReused,
            "the key was used before for another workflow or with another body",
        )
        .with("workflowId", Value::from(workflow_id)),
        GatewayError::BadPageToken => invalid_query("pageToken", "is none that this list gave"),
        GatewayError::WorkerUnavailable => Problem::new(
            WorkflowCode::WorkerUnavailable,
            "no worker answered for the workflow; it goes on once one runs",
        )
        .retry_after(Duration::from_secs(1)),
        GatewayError::Unavailable(why) => {
            tracing::warn!(why, "Temporal is unavailable");
            Problem::new(WorkflowCode::TemporalUnavailable, "Temporal cannot be reached")
                .retry_after(Duration::from_secs(1))
        }
        error => Problem::internal(&error),
    }
}
