//! The bodies of profiles and of the audit.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_kit::{config::duration, problem::Problem, time::from_millis};
use utoipa::{IntoParams, ToSchema};

use crate::{
    control::application::OperationAudit,
    shared::{
        chaos::{InForce, Profile, tables_as_json},
        operation::Operation,
        presentation::{percent, problems},
    },
};

/// A profile by `name`, or whole: with `operations`, `basedOn`, or both.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code, reason = "for the documentation: a profile is read with the operations at hand")]
pub struct ProfileRequest {
    /// Of a profile that is known; or, of a whole one, its own.
    #[schema(min_length = 1, max_length = 64, example = "payday")]
    name: Option<String>,
    /// The profile from which the tables come that `operations` doesn't name; without it, those succeed.
    #[schema(example = "seed")]
    based_on: Option<String>,
    /// Operation, `payment.*` or `*` → scenario → weight, from 0 to 1 000 000 with at most six decimals; or
    /// `{weight, delay}`, where the delay is how long a drawn answer is held back (`500ms`; at most 5 minutes).
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
    /// After so long the profile before is back, by itself.
    #[param(value_type = Option<String>, example = "60s")]
    ttl: Option<String>,
}

impl TryFrom<ProfileParams> for Option<Duration> {
    type Error = Problem;

    fn try_from(params: ProfileParams) -> Result<Self, Problem> {
        let Some(text) = params.ttl else { return Ok(None) };
        match duration(&text) {
            Ok(ttl) if ttl.is_zero() => Err(problems::invalid_query("ttl", "must be longer than nothing")),
            Ok(ttl) => Ok(Some(ttl)),
            Err(why) => Err(problems::invalid_query("ttl", why)),
        }
    }
}

/// The profile in force.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfileResponse {
    #[schema(example = true)]
    success: bool,
    #[serde(flatten)]
    profile: ProfileView,
    /// Whether it was put in the place of the configured one.
    put: bool,
    /// When it makes way for the one before; null where it doesn't by itself.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// The one that the provider was started with, `name@hash`.
    #[schema(example = "seed@0123abcd")]
    configured: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ProfileView {
    #[schema(example = "seed")]
    name: String,
    /// `name@hash`, as decisions tell it.
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
    pub fn new(in_force: &InForce, configured: &Profile) -> Self {
        Self {
            success: true,
            profile: ProfileView::from(&*in_force.profile),
            put: in_force.put,
            until: in_force.until.map(|until| from_millis(until.millis())),
            configured: configured.to_string(),
        }
    }
}

/// The profiles that can be named.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProfilesResponse {
    #[schema(example = true)]
    success: bool,
    profiles: Vec<ProfileView>,
}

impl ProfilesResponse {
    pub fn new(known: &[Arc<Profile>]) -> Self {
        Self { success: true, profiles: known.iter().map(|profile| ProfileView::from(&**profile)).collect() }
    }
}

/// What was drawn from the profile in force, beside its weights.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditResponse {
    #[schema(example = true)]
    success: bool,
    #[schema(example = "seed@0123abcd")]
    profile: String,
    /// Every operation that the profile has a table for.
    operations: BTreeMap<&'static str, AuditView>,
}

/// Pearson's chi-square test of one operation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditView {
    #[schema(example = 1000)]
    draws: u64,
    scenarios: BTreeMap<&'static str, DrawnView>,
    #[schema(example = 1.7)]
    chi_square: f64,
    #[schema(example = 2)]
    degrees_of_freedom: u32,
    /// How probable it is that fair draws deviate as much as these, or more.
    #[schema(example = 0.43)]
    p_value: f64,
    /// `fits`; `deviates` where the p-value is below 0.001, or what has no weight was drawn;
    /// `too_few_draws` where a scenario is to be expected less than five times.
    #[schema(example = "fits")]
    verdict: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DrawnView {
    #[schema(example = 702)]
    drawn: u64,
    #[schema(example = "70.2%")]
    share: String,
    /// The share that the profile says.
    #[schema(example = "70%")]
    expected: String,
}

impl AuditResponse {
    pub fn new(profile: &Profile, audits: &BTreeMap<Operation, OperationAudit>) -> Self {
        let operations = audits.iter().map(|(operation, audit)| (operation.name(), AuditView::from(audit)));
        Self { success: true, profile: profile.to_string(), operations: operations.collect() }
    }
}

impl From<&OperationAudit> for AuditView {
    fn from(OperationAudit { scenarios, audited }: &OperationAudit) -> Self {
        let draws = scenarios.values().map(|scenario| scenario.drawn).sum();
        let weights = scenarios.values().map(|scenario| scenario.weight).sum();
        let scenarios = scenarios.iter().map(|(name, scenario)| {
            let view = DrawnView {
                drawn: scenario.drawn,
                share: percent(scenario.drawn, draws),
                expected: percent(scenario.weight, weights),
            };
            (*name, view)
        });
        Self {
            draws,
            scenarios: scenarios.collect(),
            chi_square: audited.chi_square,
            degrees_of_freedom: audited.degrees_of_freedom,
            p_value: audited.p_value,
            verdict: audited.verdict.name(),
        }
    }
}
