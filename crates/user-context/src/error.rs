//! The errors of sources.

use std::time::Duration;

use service_kit::client::{CallError, Failure};

/// The failure of a call to a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceFault {
    #[error("cannot be reached")]
    Unreachable,
    #[error("no answer in time")]
    Timeout,
    #[error("rate limited")]
    RateLimited { retry_after: Option<Duration> },
    /// Any status except a success and 429.
    #[error("answered {status}")]
    Status { status: u16, retry_after: Option<Duration> },
    /// The answer isn't JSON, has another structure, or has invalid values.
    #[error("unexpected answer: {0}")]
    WrongShape(String),
    #[error("answered more than {0} bytes")]
    TooLarge(usize),
}

/// A failed call to a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct SourceError {
    pub fault: SourceFault,
    /// The number of calls to the source; 0 if the deadline had passed before the first one.
    pub attempts: u32,
}

impl SourceError {
    /// Returns true when a later call can succeed.
    #[must_use]
    pub const fn retryable(&self) -> bool {
        match self.fault {
            SourceFault::Unreachable | SourceFault::Timeout | SourceFault::RateLimited { .. } => true,
            SourceFault::Status { status, .. } => status >= 500,
            SourceFault::WrongShape(_) | SourceFault::TooLarge(_) => false,
        }
    }

    /// Returns the delay that the source asks for before the next call.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.fault {
            SourceFault::RateLimited { retry_after } | SourceFault::Status { retry_after, .. } => retry_after,
            _ => None,
        }
    }
}

impl From<CallError> for SourceError {
    fn from(CallError { failure, retry_after, attempts }: CallError) -> Self {
        let fault = match failure {
            Failure::Unreachable => SourceFault::Unreachable,
            Failure::Timeout => SourceFault::Timeout,
            Failure::Status(429) => SourceFault::RateLimited { retry_after },
            Failure::Status(status) => SourceFault::Status { status, retry_after },
            Failure::TooLarge(bytes) => SourceFault::TooLarge(bytes),
        };
        Self { fault, attempts }
    }
}
