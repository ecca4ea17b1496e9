//! The bodies of runs.

use serde::Serialize;
use service_kit::json::{Faults, FromJson, Node};
use utoipa::ToSchema;

use crate::{runs::application::RunInfo, shared::run::RunName};

/// How a run is to be made.
#[derive(Debug, Default, ToSchema)]
pub struct RunRequest {
    /// What every draw in it is made from, 0 to 2^64 - 1; without it, it follows from the server's seed and
    /// the run's name.
    #[schema(minimum = 0, example = 7)]
    pub seed: Option<u64>,
}

impl FromJson for RunRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["seed"], faults)?;
        let seed = object.optional_with("seed", faults, |node, faults| {
            let decimal = node.decimal(faults)?.normalize();
            let whole = if decimal.scale() == 0 { u64::try_from(decimal.mantissa()).ok() } else { None };
            whole.or_else(|| node.fault(faults, "must be an integer from 0 to 2^64 - 1"))
        });
        Some(Self { seed: seed? })
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RunResponse {
    #[schema(example = true)]
    success: bool,
    #[schema(example = "suite-1")]
    name: String,
    #[schema(example = 7)]
    seed: u64,
}

impl RunResponse {
    pub fn new(name: &RunName, seed: u64) -> Self {
        Self { success: true, name: name.to_string(), seed }
    }
}

/// The runs beside the default one.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunsResponse {
    #[schema(example = true)]
    success: bool,
    runs: Vec<RunView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RunView {
    #[schema(example = "suite-1")]
    name: String,
    #[schema(example = 7)]
    seed: u64,
}

impl From<Vec<RunInfo>> for RunsResponse {
    fn from(runs: Vec<RunInfo>) -> Self {
        let runs = runs.into_iter().map(|RunInfo { name, seed }| RunView { name, seed });
        Self { success: true, runs: runs.collect() }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ForgottenRunResponse {
    #[schema(example = true)]
    success: bool,
    #[schema(example = "suite-1")]
    forgotten: String,
}

impl ForgottenRunResponse {
    pub fn new(name: &RunName) -> Self {
        Self { success: true, forgotten: name.to_string() }
    }
}
