//! The audit: compares the drawn scenarios with the weights of the active profile.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::Serialize;
use service_kit::problem::Problem;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::shared::{
    chaos::{ObservedDraws, Share, chi_square_test},
    deps::Deps,
    operation::Operation,
    presentation::percent,
};

pub fn routes(deps: &Arc<Deps>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(get_audit)).with_state(Arc::clone(deps))
}

/// Compare the scenarios drawn from the active profile since the start with its weights.
#[utoipa::path(get, path = "/chaos/audit", tag = "chaos", responses((status = 200, description = "A test of each operation.", body = AuditResponse)))]
async fn get_audit(State(deps): State<Arc<Deps>>) -> Result<Json<AuditResponse>, Problem> {
    let profile = deps.active_profile().await?.profile;
    let view = |(operation, shares): (Operation, &[Share])| {
        let drawn = deps.request_counts.draws(operation, profile.version());
        (operation.name(), AuditView::new(drawn, shares))
    };
    let operations = profile.tables().map(view).collect();
    Ok(Json(AuditResponse { success: true, profile: profile.to_string(), operations }))
}

/// The drawn scenarios of each operation, compared with the weights of the active profile.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditResponse {
    #[schema(example = true)]
    success: bool,
    #[schema(example = "seed@0123abcd")]
    profile: String,
    /// Every operation that has a table in the profile.
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
    /// The probability that fair draws deviate as much as these, or more.
    #[schema(example = 0.43)]
    p_value: f64,
    /// `fits`, `deviates` or `too_few_draws`. It deviates if the p-value is below 0.001, or if a scenario
    /// without a weight was drawn. There are too few draws if a scenario is expected less than five times.
    #[schema(example = "fits")]
    verdict: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DrawnView {
    #[schema(example = 702)]
    drawn: u64,
    #[schema(example = "70.2%")]
    share: String,
    /// The share in the profile.
    #[schema(example = "70%")]
    expected: String,
}

impl AuditView {
    fn new(drawn: BTreeMap<&'static str, u64>, shares: &[Share]) -> Self {
        let mut scenarios: BTreeMap<_, _> =
            drawn.into_iter().map(|(name, drawn)| (name, ObservedDraws { drawn, weight: 0 })).collect();
        for share in shares {
            let observed =
                scenarios.entry(share.scenario.name).or_insert(ObservedDraws { drawn: 0, weight: 0 });
            observed.weight += share.weight.as_millionths();
        }
        let audited = chi_square_test(&scenarios.values().copied().collect::<Vec<_>>());
        let total = scenarios.values().map(|scenario| scenario.drawn).sum();
        let weights = scenarios.values().map(|scenario| scenario.weight).sum();
        let scenarios = scenarios.iter().map(|(name, scenario)| {
            let view = DrawnView {
                drawn: scenario.drawn,
                share: percent(scenario.drawn, total),
                expected: percent(scenario.weight, weights),
            };
            (*name, view)
        });
        Self {
            draws: total,
            scenarios: scenarios.collect(),
            chi_square: audited.chi_square,
            degrees_of_freedom: audited.degrees_of_freedom,
            p_value: audited.p_value,
            verdict: audited.verdict.name(),
        }
    }
}
