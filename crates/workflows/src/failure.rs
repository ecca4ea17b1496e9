//! Why something failed: as a state shows it, as an activity told it, and as a workflow ends with it.

use serde::{Deserialize, Serialize};
use temporalio_common::{
    data_converters::TemporalSerializable,
    error::{ActivityExecutionError, ApplicationErrorCategory, ApplicationFailure, IncomingError},
};
use temporalio_workflow::WorkflowTermination;

use crate::activities::{Attempt, refusal::Refusal};

/// Why something failed, as a workflow's state shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateError {
    pub code: String,
    pub message: String,
}

impl StateError {
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }
}

/// What somebody did, with the reason they gave.
pub(crate) fn because(what: &str, reason: Option<String>) -> String {
    reason.map_or_else(|| what.to_owned(), |reason| format!("{what}: {reason}"))
}

/// A call that failed: what it means to the workflow, in the provider's words.
pub(crate) struct Failed {
    pub refusal: Refusal,
    pub error: StateError,
    /// Which attempt failed last, where it said so.
    pub attempt: Option<u32>,
}

impl Failed {
    /// What a failed activity says, without the wrappings that mean nothing to a reader.
    pub fn told_by(error: &ActivityExecutionError) -> Self {
        let unexpected = |code, message: &str| Self::new(Refusal::Unexpected, StateError::new(code, message));
        match error {
            ActivityExecutionError::Cancelled(_) => {
                Self::new(Refusal::NoAnswer, StateError::new("cancelled", "the call was interrupted"))
            }
            ActivityExecutionError::Serialization(error) => unexpected("serialization", &error.to_string()),
            ActivityExecutionError::Failed(failed) => match failed.cause() {
                Some(IncomingError::Application(cause)) => Self {
                    refusal: Refusal::from_failure(cause.type_name(), !cause.is_non_retryable()),
                    error: StateError::new(
                        cause.type_name().unwrap_or("unknown"),
                        cause.source_error().to_string(),
                    ),
                    attempt: cause.details::<Attempt>().ok().flatten().map(|told| told.attempt),
                },
                Some(IncomingError::Timeout(_)) => Self::new(
                    Refusal::NoAnswer,
                    StateError::new("activity_timeout", "the worker did not finish the call in time"),
                ),
                _ => unexpected("unknown", "the call failed"),
            },
            _ => unexpected("unknown", "the call failed"),
        }
    }

    const fn new(refusal: Refusal, error: StateError) -> Self {
        Self { refusal, error, attempt: None }
    }
}

/// The end of a workflow that failed: its type is the code, its details are the final state. Benign
/// ends are the business's own, and no error in Temporal's metrics.
pub(crate) fn ended<S: TemporalSerializable + Send + Sync + 'static>(
    code: &str,
    message: &str,
    benign: bool,
    state: S,
) -> WorkflowTermination {
    let category =
        if benign { ApplicationErrorCategory::Benign } else { ApplicationErrorCategory::Unspecified };
    ApplicationFailure::builder(message.to_owned())
        .type_name(code.to_owned())
        .non_retryable(true)
        .category(category)
        .details(state)
        .build()
        .into()
}
