//! How a source can fail.

use std::time::Duration;

use service_kit::client::{CallError, Failure};

/// Why a source gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceFault {
    #[error("cannot be reached")]
    Unreachable,
    #[error("no answer in time")]
    Timeout,
    #[error("rate limited")]
    RateLimited { retry_after: Option<Duration> },
    /// Neither a success nor 429.
    #[error("answered {status}")]
    Status { status: u16, retry_after: Option<Duration> },
    /// No JSON, other JSON than agreed, or values that can't be.
    #[error("unexpected answer: {0}")]
    WrongShape(String),
    #[error("answered more than {0} bytes")]
    TooLarge(usize),
}

/// A source that gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct SourceError {
    pub fault: SourceFault,
    /// How often the source was asked; 0 where there was no time left to.
    pub attempts: u32,
}

impl SourceError {
    /// Whether asking again later can help.
    #[must_use]
    pub const fn retryable(&self) -> bool {
        match self.fault {
            SourceFault::Unreachable | SourceFault::Timeout | SourceFault::RateLimited { .. } => true,
            SourceFault::Status { status, .. } => status >= 500,
            SourceFault::WrongShape(_) | SourceFault::TooLarge(_) => false,
        }
    }

    /// When the source would like to be asked again.
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
