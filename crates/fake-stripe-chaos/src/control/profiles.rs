//! The active profile: read it, override it, and list the named ones.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{Request, State},
    http::header::CONTENT_TYPE,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_kit::{
    config::duration,
    json::{self, require_json},
    problem::Problem,
    time::from_millis,
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::shared::{
    chaos::Profile,
    deps::Deps,
    presentation::{Params, problems},
    profiles::{ActiveProfile, Profiles, tables_as_json},
    store::StoreError,
};

pub fn routes(deps: &Arc<Deps>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(get_profile, put_profile, delete_profile))
        .routes(routes!(get_profiles))
        .with_state(Arc::clone(deps))
}

/// Show the active profile.
#[utoipa::path(get, path = "/chaos/profile", tag = "chaos", responses((status = 200, description = "The profile.", body = ProfileResponse)))]
async fn get_profile(State(deps): State<Arc<Deps>>) -> Result<Json<ProfileResponse>, Problem> {
    let active = deps.active_profile().await?;
    Ok(Json(ProfileResponse::new(&active, deps.profiles.configured())))
}

/// Override the configured profile, permanently or for a time, with a named or a complete one. TOML is accepted, too.
#[utoipa::path(
    put, path = "/chaos/profile", tag = "chaos", params(ProfileParams),
    request_body(content((ProfileRequest = "application/json"), (String = "application/toml"))),
    responses((status = 200, description = "The active profile.", body = ProfileResponse))
)]
async fn put_profile(
    State(deps): State<Arc<Deps>>,
    Params(params): Params<ProfileParams>,
    request: Request,
) -> Result<Json<ProfileResponse>, Problem> {
    let ttl = params.try_into()?;
    let profile = read(request, &deps.profiles).await?;
    let active = override_profile(&deps, profile, ttl).await?;
    Ok(Json(ProfileResponse::new(&active, deps.profiles.configured())))
}

/// Return to the configured profile.
#[utoipa::path(delete, path = "/chaos/profile", tag = "chaos", responses((status = 200, description = "The active profile.", body = ProfileResponse)))]
async fn delete_profile(State(deps): State<Arc<Deps>>) -> Result<Json<ProfileResponse>, Problem> {
    let active = reset_profile(&deps).await?;
    Ok(Json(ProfileResponse::new(&active, deps.profiles.configured())))
}

/// List the profiles that have a name.
#[utoipa::path(get, path = "/chaos/profiles", tag = "chaos", responses((status = 200, description = "The profiles.", body = ProfilesResponse)))]
async fn get_profiles(State(deps): State<Arc<Deps>>) -> Json<ProfilesResponse> {
    Json(ProfilesResponse::new(deps.profiles.named()))
}

/// Overrides the configured profile, permanently if there is no `ttl`.
async fn override_profile(
    deps: &Deps,
    profile: Arc<Profile>,
    ttl: Option<Duration>,
) -> Result<ActiveProfile, StoreError> {
    let until = ttl.map(|ttl| deps.clock.now().saturating_add(ttl));
    let profiles = Arc::clone(&deps.profiles);
    deps.store
        .transact(move |tx| {
            profiles.set_override(tx, profile, until)?;
            profiles.active(tx)
        })
        .await
}

/// Removes the override, so that the configured profile is active again.
async fn reset_profile(deps: &Deps) -> Result<ActiveProfile, StoreError> {
    let profiles = Arc::clone(&deps.profiles);
    deps.store
        .transact(move |tx| {
            profiles.clear_override(tx)?;
            profiles.active(tx)
        })
        .await
}

/// Reads a profile from a body in JSON or TOML.
async fn read(request: Request, profiles: &Profiles) -> Result<Arc<Profile>, Problem> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_toml =
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/toml"));
    if !is_toml {
        require_json(&request)?;
    }
    let body: Bytes = json::body(request, &()).await?;
    if is_toml {
        profiles.parser().toml(&String::from_utf8_lossy(&body))
    } else {
        profiles.parser().json(&body)
    }
}

/// A profile by its `name`, or a complete one with `operations`, `basedOn`, or both.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code, reason = "for the documentation: a profile is parsed with the catalogue")]
pub struct ProfileRequest {
    /// The name of a listed profile, or the own name of a complete one.
    #[schema(min_length = 1, max_length = 64, example = "payday")]
    name: Option<String>,
    /// The profile that has the tables of the other operations. Without it, the others always succeed.
    #[schema(example = "seed")]
    based_on: Option<String>,
    /// Operation, `payment.*` or `*` → scenario → weight, from 0 to 1 000 000 with at most six decimals; or
    /// `{weight, delay}`. The delay postpones the answer of a drawn scenario (`500ms`; at most 5 minutes).
    #[schema(
        value_type = Option<Object>,
        example = json!({"payment.authorize": {"success": 60, "rate_limited": 40}, "shipping.*": {"success": {"weight": 99.5, "delay": "500ms"}, "connection_reset": 0.5}})
    )]
    operations: Option<BTreeMap<String, BTreeMap<String, f64>>>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ProfileParams {
    /// The override ends after this time, and the previous profile is active again.
    #[param(value_type = Option<String>, example = "60s")]
    ttl: Option<String>,
}

impl TryFrom<ProfileParams> for Option<Duration> {
    type Error = Problem;

    fn try_from(params: ProfileParams) -> Result<Self, Problem> {
        let Some(text) = params.ttl else { return Ok(None) };
        match duration(&text) {
            Ok(ttl) if ttl.is_zero() => Err(problems::invalid_query("ttl", "must be longer than zero")),
            Ok(ttl) => Ok(Some(ttl)),
            Err(error) => Err(problems::invalid_query("ttl", error)),
        }
    }
}

/// The active profile.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfileResponse {
    #[schema(example = true)]
    success: bool,
    #[serde(flatten)]
    profile: ProfileView,
    /// True if it overrides the configured one.
    put: bool,
    /// The end of the override; null if it has none.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// The configured profile, `name@hash`.
    #[schema(example = "seed@0123abcd")]
    configured: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ProfileView {
    #[schema(example = "seed")]
    name: String,
    /// `name@hash`, as in the decisions.
    #[schema(example = "seed@0123abcd")]
    profile: String,
    /// Operation → scenario → weight, or weight and delay.
    #[schema(value_type = Object, example = json!({"payment.release": {"success": 90, "timeout": 5, "timeout_after_commit": 5}}))]
    operations: Value,
}

impl From<&Profile> for ProfileView {
    fn from(profile: &Profile) -> Self {
        Self {
            name: profile.name().to_owned(),
            profile: profile.to_string(),
            operations: tables_as_json(profile),
        }
    }
}

impl ProfileResponse {
    pub fn new(active: &ActiveProfile, configured: &Profile) -> Self {
        Self {
            success: true,
            profile: ProfileView::from(&*active.profile),
            put: active.is_override,
            until: active.until.map(|until| from_millis(until.millis())),
            configured: configured.to_string(),
        }
    }
}

/// The profiles that have a name.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProfilesResponse {
    #[schema(example = true)]
    success: bool,
    profiles: Vec<ProfileView>,
}

impl ProfilesResponse {
    pub fn new(named: &[Arc<Profile>]) -> Self {
        Self { success: true, profiles: named.iter().map(|profile| ProfileView::from(&**profile)).collect() }
    }
}
