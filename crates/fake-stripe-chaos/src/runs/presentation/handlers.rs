//! The endpoints of runs.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
};
use service_kit::{json::OptionalJson, openapi::Fails, problem::Problem};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::dto::{ForgottenRunResponse, RunRequest, RunResponse, RunsResponse};
use crate::{
    runs::application::Registry,
    shared::{presentation::problems, run::RunName},
};

type Runs = State<Arc<Registry<Router>>>;

/// The routes, over a registry.
pub fn routes(registry: Arc<Registry<Router>>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(get_runs)).routes(routes!(put_run, delete_run)).with_state(registry)
}

fn name(text: &str) -> Result<RunName, Problem> {
    text.parse().map_err(|error| problems::invalid_path("run", error))
}

/// The runs beside the default one, with their seeds.
#[utoipa::path(get, path = "/runs", tag = "runs", responses((status = 200, description = "The runs.", body = RunsResponse)))]
async fn get_runs(State(runs): Runs) -> Result<Json<RunsResponse>, Problem> {
    Ok(Json(runs.list().await?.into()))
}

/// Make a run, to give it a seed; without that, it is made by being used.
#[utoipa::path(
    put, path = "/runs/{name}", tag = "runs", params(("name" = String, Path, example = "suite-1")),
    request_body(content = Option<RunRequest>, description = "How it is to be made."),
    responses(
        (status = 201, description = "It is made.", body = RunResponse),
        (status = 200, description = "It was there.", body = RunResponse),
        Fails<409>,
    )
)]
async fn put_run(
    State(runs): Runs,
    Path(text): Path<String>,
    OptionalJson(request): OptionalJson<RunRequest>,
) -> Result<(StatusCode, Json<RunResponse>), Problem> {
    let name = name(&text)?;
    let made = runs.make(&name, request.unwrap_or_default().seed).await?;
    let status = if made.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(RunResponse::new(&name, made.seed))))
}

/// Forget a run and all that it had.
#[utoipa::path(
    delete, path = "/runs/{name}", tag = "runs", params(("name" = String, Path, example = "suite-1")),
    responses((status = 200, description = "It is forgotten.", body = ForgottenRunResponse), Fails<404>, Fails<409>)
)]
async fn delete_run(
    State(runs): Runs,
    Path(text): Path<String>,
) -> Result<Json<ForgottenRunResponse>, Problem> {
    let name = name(&text)?;
    runs.forget(&name).await?;
    Ok(Json(ForgottenRunResponse::new(&name)))
}
