//! What an operation answers, before anybody thinks of HTTP.

use crate::shared::{
    chaos::{INTERNAL_ERROR, RATE_LIMITED, Response, SUCCESS, Scenario, TIMEOUT, WireFault},
    ids::Key,
    operation::Operation,
    resource::{Part, Resource, Snapshot},
    store::StoreError,
};

/// The name of [`Answer::NothingToUndo`] in journal and metrics.
pub const NOTHING_TO_UNDO: &str = "nothing_to_undo";

/// The answer, and how it came about.
#[derive(Debug)]
pub struct Reply<R: Resource> {
    pub answer: Answer<R>,
    /// The decision that was made, or made earlier, for the answer.
    pub decision: Option<String>,
    /// The answer was given before.
    pub replayed: bool,
    /// How the answer breaks on its way, if it does.
    pub wire_fault: Option<WireFault>,
}

#[derive(Debug)]
pub enum Answer<R: Resource> {
    /// It is done.
    Done {
        seen: Snapshot<R>,
        part: Option<Part>,
    },
    /// Nothing stands that the key did; the key is buried if it never did anything.
    NothingToUndo {
        key: Key,
    },
    /// The domain refuses, or a scenario has it look so.
    Refused {
        error: R::Error,
        seen: Option<Snapshot<R>>,
    },
    /// The provider fails, or gives no answer in time.
    Chaos {
        scenario: Scenario,
    },
    /// The idempotency key can't be used for this.
    KeyRefused(KeyRefusal),
    StoreFailed(StoreError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    #[error("the first request with this idempotency key is still being executed")]
    InUse,
    #[error("this idempotency key was used for another path or body")]
    Reused,
    #[error("what this idempotency key stands for was undone before it was executed")]
    Tombstoned,
    #[error("the key that is to be undone belongs to {0}")]
    OtherOperation(Operation),
}

impl KeyRefusal {
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InUse => "idempotency_key_in_use",
            Self::Reused => "idempotency_key_reused",
            Self::Tombstoned => "undone_before_execution",
            Self::OtherOperation(_) => "key_of_another_operation",
        }
    }
}

impl<R: Resource> Answer<R> {
    /// The word for it in journal and metrics: `success`, or the code of an error.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Done { .. } => SUCCESS.name,
            Self::NothingToUndo { .. } => NOTHING_TO_UNDO,
            Self::Refused { error, .. } => R::code(error),
            Self::Chaos { scenario } => match scenario.response {
                Response::Timeout => TIMEOUT.name,
                Response::RateLimited => RATE_LIMITED.name,
                _ => INTERNAL_ERROR.name,
            },
            Self::KeyRefused(refusal) => refusal.code(),
            Self::StoreFailed(StoreError::RunDeleted) => "unknown_run",
            Self::StoreFailed(_) => "store_unavailable",
        }
    }
}
