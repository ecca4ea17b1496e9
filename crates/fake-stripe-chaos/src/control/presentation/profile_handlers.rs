//! The endpoints of profiles and of the audit.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Request, State},
    http::header::CONTENT_TYPE,
};
use service_kit::{
    json::{self, require_json},
    problem::Problem,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::profile_dto::{AuditResponse, ProfileParams, ProfileRequest, ProfileResponse, ProfilesResponse};
use crate::{
    control::application::ControlService,
    shared::{
        chaos::{Profile, Profiles},
        presentation::Params,
    },
};

type Control = State<Arc<ControlService>>;

/// The routes, over a service.
pub fn routes(service: Arc<ControlService>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(get_profile, put_profile, delete_profile))
        .routes(routes!(get_profiles))
        .routes(routes!(get_audit))
        .with_state(service)
}

/// The profile in force.
#[utoipa::path(get, path = "/chaos/profile", tag = "chaos", responses((status = 200, description = "The profile.", body = ProfileResponse)))]
async fn get_profile(State(control): Control) -> Result<Json<ProfileResponse>, Problem> {
    let in_force = control.profile_in_force().await?;
    Ok(Json(ProfileResponse::new(&in_force, control.profiles().configured())))
}

/// Put another profile in force, for good or for a while, by its name or whole; as TOML, too.
#[utoipa::path(
    put, path = "/chaos/profile", tag = "chaos", params(ProfileParams),
    request_body(content((ProfileRequest = "application/json"), (String = "application/toml"))),
    responses((status = 200, description = "The profile in force.", body = ProfileResponse))
)]
async fn put_profile(
    State(control): Control,
    Params(params): Params<ProfileParams>,
    request: Request,
) -> Result<Json<ProfileResponse>, Problem> {
    let ttl = params.try_into()?;
    let profile = read(request, control.profiles()).await?;
    let in_force = control.put_profile(profile, ttl).await?;
    Ok(Json(ProfileResponse::new(&in_force, control.profiles().configured())))
}

/// Bring back the profile that the provider was started with.
#[utoipa::path(delete, path = "/chaos/profile", tag = "chaos", responses((status = 200, description = "The profile in force.", body = ProfileResponse)))]
async fn delete_profile(State(control): Control) -> Result<Json<ProfileResponse>, Problem> {
    let in_force = control.take_profile_back().await?;
    Ok(Json(ProfileResponse::new(&in_force, control.profiles().configured())))
}

/// The profiles that can be named.
#[utoipa::path(get, path = "/chaos/profiles", tag = "chaos", responses((status = 200, description = "The profiles.", body = ProfilesResponse)))]
async fn get_profiles(State(control): Control) -> Json<ProfilesResponse> {
    Json(ProfilesResponse::new(control.profiles().known()))
}

/// What was drawn from the profile in force since the start, beside its weights.
#[utoipa::path(get, path = "/chaos/audit", tag = "chaos", responses((status = 200, description = "A test of each operation.", body = AuditResponse)))]
async fn get_audit(State(control): Control) -> Result<Json<AuditResponse>, Problem> {
    let (profile, audits) = control.audit().await?;
    Ok(Json(AuditResponse::new(&profile, &audits)))
}

/// A profile from a body in JSON or TOML.
async fn read(request: Request, profiles: &Profiles) -> Result<Arc<Profile>, Problem> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_toml =
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/toml"));
    if !is_toml {
        require_json(&request)?;
    }
    let body: Bytes = json::body(request, &()).await?;
    if is_toml {
        profiles.reading().toml(&String::from_utf8_lossy(&body))
    } else {
        profiles.reading().json(&body)
    }
}
