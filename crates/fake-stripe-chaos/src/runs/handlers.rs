//! The endpoints of runs, with their bodies.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Serialize;
use service_kit::{
    json::{Faults, FromJson, Node, OptionalJson},
    openapi::Fails,
    problem::Problem,
};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::registry::{Registry, RunInfo};
use crate::shared::{
    presentation::{AdminToken, problems},
    run::RunName,
};

type Runs = State<Arc<Registry<Router>>>;

/// Returns the routes that list, create and delete runs.
pub fn routes(registry: Arc<Registry<Router>>, admin: &AdminToken) -> OpenApiRouter {
    let routes = OpenApiRouter::new().routes(routes!(get_runs)).routes(routes!(put_run, delete_run));
    admin.guard(routes.with_state(registry))
}

fn name(text: &str) -> Result<RunName, Problem> {
    text.parse().map_err(|error| problems::invalid_path("run", error))
}

/// List the runs except the default one, with their seeds.
#[utoipa::path(get, path = "/runs", tag = "runs", responses((status = 200, description = "The runs.", body = RunsResponse)))]
async fn get_runs(State(runs): Runs) -> Result<Json<RunsResponse>, Problem> {
    Ok(Json(runs.list().await?.into()))
}

/// Create a run with a seed. A write to an unknown run creates it, with a derived seed.
#[utoipa::path(
    put, path = "/runs/{name}", tag = "runs", params(("name" = String, Path, example = "suite-1")),
    request_body(content = Option<RunRequest>, description = "The settings of the run."),
    responses(
        (status = 201, description = "The run is created.", body = RunResponse),
        (status = 200, description = "The run existed with this seed.", body = RunResponse),
        Fails<409>,
    )
)]
async fn put_run(
    State(runs): Runs,
    Path(text): Path<String>,
    OptionalJson(request): OptionalJson<RunRequest>,
) -> Result<(StatusCode, Json<RunResponse>), Problem> {
    let name = name(&text)?;
    let created = runs.create(&name, request.unwrap_or_default().seed).await?;
    let status = if created.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(RunResponse::new(&name, created.seed))))
}

/// Delete a run with its ledger, its journal and its settings.
#[utoipa::path(
    delete, path = "/runs/{name}", tag = "runs", params(("name" = String, Path, example = "suite-1")),
    responses((status = 200, description = "The run is deleted.", body = ForgottenRunResponse), Fails<404>, Fails<409>)
)]
async fn delete_run(
    State(runs): Runs,
    Path(text): Path<String>,
) -> Result<Json<ForgottenRunResponse>, Problem> {
    let name = name(&text)?;
    runs.delete(&name).await?;
    Ok(Json(ForgottenRunResponse::new(&name)))
}

/// The settings of a new run.
#[derive(Debug, Default, ToSchema)]
pub struct RunRequest {
    /// The number that all draws of the run start from, 0 to 2^64 - 1. Without it, the seed is derived from
    /// the server's seed and the run's name.
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

/// The runs except the default one.
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
