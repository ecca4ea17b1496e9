//! The error codes of runs.

use service_kit::{error_codes, problem::Problem};

use super::registry::RunError;
use crate::shared::presentation::problems::ProviderCode;

error_codes! {
    /// The error codes of runs.
    pub enum RunsCode {
        TooManyRuns = "too_many_runs", 409, "There are too many runs", final;
        SeedMismatch = "run_has_other_seed", 409, "The run exists with another seed", final;
        DefaultRun = "run_is_default", 409, "The default run always exists", final;
    }
}

impl From<RunError> for Problem {
    fn from(error: RunError) -> Self {
        let code = match error {
            RunError::Unknown(_) => return Self::new(ProviderCode::UnknownRun, error.to_string()),
            RunError::TooManyRuns(_) => RunsCode::TooManyRuns,
            RunError::SeedMismatch(_) => RunsCode::SeedMismatch,
            RunError::DefaultRun => RunsCode::DefaultRun,
            RunError::Store(error) => return error.into(),
        };
        Self::new(code, error.to_string())
    }
}
