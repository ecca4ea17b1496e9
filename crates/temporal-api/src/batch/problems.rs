//! Defines the error codes of batches, and maps gateway errors and refusals to them.

use serde_json::Value;
use service_kit::{error_codes, problem::Problem};
use workflows::order_batch::state::BatchRefused;

use crate::{
    gateway::{GatewayError, WorkflowId},
    workflow::impersonal,
};

error_codes! {
    /// Lists the codes of the batch endpoints, beside the codes of every service.
    pub enum BatchCode {
        NotFound = "batch_not_found", 404, "There is no such batch", final;
        AlreadyExists = "batch_already_exists", 409, "A batch has or had this id", final;
        AlreadyClosed = "batch_already_closed", 409, "The batch has ended", final;
        AlreadyCancelling = "batch_already_cancelling", 409, "The batch is being cancelled", final;
        AlreadyPaused = "batch_already_paused", 409, "The batch is paused", final;
        NotPaused = "batch_not_paused", 409, "The batch is not paused", final;
        NotReceived = "batch_not_received", 409, "The batch has not received all its orders", retryable;
    }
}

pub fn not_found(id: &str) -> Problem {
    Problem::new(BatchCode::NotFound, format!("no batch has the id {id:?}"))
}

pub fn closed(detail: &str) -> Problem {
    Problem::new(BatchCode::AlreadyClosed, detail)
}

/// Returns the problem for a change that the batch refused.
pub fn refused(reason: BatchRefused) -> Problem {
    let code = match reason {
        BatchRefused::Ended | BatchRefused::NoSuchChunk => BatchCode::AlreadyClosed,
        BatchRefused::Cancelling => BatchCode::AlreadyCancelling,
        BatchRefused::Paused => BatchCode::AlreadyPaused,
        BatchRefused::NotPaused => BatchCode::NotPaused,
        BatchRefused::Receiving => BatchCode::NotReceived,
    };
    Problem::new(code, reason.to_string())
}

/// Returns the problem for a batch's gateway error.
pub fn problem(id: &WorkflowId, error: GatewayError) -> Problem {
    match error {
        GatewayError::NotFound => not_found(id.name()),
        GatewayError::Refused(why) => closed(&why),
        GatewayError::AlreadyExists { run_id } => {
            Problem::new(BatchCode::AlreadyExists, "a batch has or had this id")
                .with("workflowId", Value::from(id.as_str()))
                .with("runId", Value::from(run_id))
        }
        other => impersonal(other),
    }
}
