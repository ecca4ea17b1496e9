//! The errors of runs over HTTP.

use service_kit::{error_codes, problem::Problem};

use crate::{runs::application::RunError, shared::presentation::problems::ProviderCode};

error_codes! {
    /// See the module.
    pub enum RunsCode {
        TooMany = "too_many_runs", 409, "There are too many runs", final;
        OtherSeed = "run_has_other_seed", 409, "The run is there with another seed", final;
        IsDefault = "run_is_default", 409, "The default run is always there", final;
    }
}

impl From<RunError> for Problem {
    fn from(error: RunError) -> Self {
        let code = match error {
            RunError::Unknown(_) => return Self::new(ProviderCode::UnknownRun, error.to_string()),
            RunError::TooMany(_) => RunsCode::TooMany,
            RunError::OtherSeed(_) => RunsCode::OtherSeed,
            RunError::IsDefault => RunsCode::IsDefault,
            RunError::Store(error) => return error.into(),
        };
        Self::new(code, error.to_string())
    }
}
