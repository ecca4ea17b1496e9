//! What a context was asked and what became of it: counts and shares, the drawn ones beside the profile's.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use service_kit::{problem::Problem, time::from_millis};
use utoipa::{IntoParams, ToSchema};

use super::{distribution::percent, journal::LineView, problems};
use crate::shared::{
    chaos::Profile,
    deps::Deps,
    journal::CAPACITY,
    operation::Operation,
    request_counts::{Counts, RequestCounts},
    store::StoreError,
};

/// How many recent requests are shown when no number is asked for.
const DEFAULT_RECENT: usize = 10;

/// The requests of a context since the provider started, or since its stats were reset.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    #[schema(example = true)]
    success: bool,
    #[schema(format = DateTime)]
    since: String,
    /// The profile in force, `name@hash`.
    #[schema(example = "seed@0123abcd")]
    profile: String,
    #[schema(example = 10)]
    total_requests: u64,
    /// Those that were told to have succeeded.
    #[schema(example = 7)]
    successful: u64,
    #[schema(example = 3)]
    failed: u64,
    #[schema(example = "70%")]
    success_rate: String,
    operations: BTreeMap<&'static str, OperationStats>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationStats {
    #[schema(example = 10)]
    total_requests: u64,
    #[schema(example = 7)]
    successful: u64,
    #[schema(example = 3)]
    failed: u64,
    /// Those that got an answer which was given before.
    #[schema(example = 1)]
    replayed: u64,
    /// What was decided, by whomever, beside what the profile says.
    scenarios: BTreeMap<&'static str, ScenarioStats>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ScenarioStats {
    /// How often it was decided.
    #[schema(example = 4)]
    count: u64,
    /// Of all decisions.
    #[schema(example = "44.44%")]
    share: String,
    /// How often it was drawn from the profile in force, since the start.
    #[schema(example = 4)]
    drawn: u64,
    /// The share that the profile says.
    #[schema(example = "40%")]
    configured: String,
}

/// # Errors
/// When the store fails.
pub async fn stats(deps: &Deps, context: &str) -> Result<Stats, StoreError> {
    let profile = deps.active_profile().await?.profile;
    let (mut total, mut successful, mut operations) = (0, 0, BTreeMap::new());
    for operation in deps.catalogue.operations().map(|entry| entry.operation) {
        if operation.context() == context {
            let counts = deps.request_counts.for_operation(operation);
            total += counts.requests;
            successful += counts.successful;
            operations
                .insert(operation.action(), of_operation(operation, &counts, &profile, &deps.request_counts));
        }
    }
    Ok(Stats {
        success: true,
        since: from_millis(deps.request_counts.counted_since(context).millis()),
        profile: profile.to_string(),
        total_requests: total,
        successful,
        failed: total - successful,
        success_rate: percent(successful, total),
        operations,
    })
}

fn of_operation(
    operation: Operation,
    counts: &Counts,
    profile: &Profile,
    request_counts: &RequestCounts,
) -> OperationStats {
    let drawn = request_counts.draws(operation, profile.version());
    let weights: u64 = profile.table(operation).iter().map(|share| share.weight.as_millionths()).sum();
    let weight_of = |name: &str| -> u64 {
        let shares = profile.table(operation).iter().filter(|share| share.scenario.name == name);
        shares.map(|share| share.weight.as_millionths()).sum()
    };
    let decided: u64 = counts.scenarios.values().sum();
    let names = profile.table(operation).iter().map(|share| share.scenario.name);
    let scenarios = names.chain(counts.scenarios.keys().copied()).map(|name| {
        let count = counts.scenarios.get(name).copied().unwrap_or_default();
        let stats = ScenarioStats {
            count,
            share: percent(count, decided),
            drawn: drawn.get(name).copied().unwrap_or_default(),
            configured: percent(weight_of(name), weights),
        };
        (name, stats)
    });
    OperationStats {
        total_requests: counts.requests,
        successful: counts.successful,
        failed: counts.requests - counts.successful,
        replayed: counts.replayed,
        scenarios: scenarios.collect(),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecentParams {
    /// 1 to 10 000; 10 where there is none.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10_000)]
    limit: Option<String>,
}

impl TryFrom<RecentParams> for usize {
    type Error = Problem;

    fn try_from(params: RecentParams) -> Result<Self, Problem> {
        limit(params.limit, DEFAULT_RECENT)
    }
}

/// How many lines of the journal are asked for.
///
/// # Errors
/// 400 where that isn't a number of lines that the journal can have.
pub fn limit(text: Option<String>, default: usize) -> Result<usize, Problem> {
    match text.map(|text| text.parse()) {
        None => Ok(default),
        Some(Ok(limit)) if (1..=CAPACITY).contains(&limit) => Ok(limit),
        Some(_) => {
            let why = format!("must be an integer from 1 to {CAPACITY}");
            Err(problems::invalid_query("limit", why))
        }
    }
}

/// The last requests to a context, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecentRequests {
    #[schema(example = true)]
    success: bool,
    requests: Vec<LineView>,
}

/// # Errors
/// When the store fails.
pub async fn recent(deps: &Deps, context: &'static str, limit: usize) -> Result<RecentRequests, StoreError> {
    let lines = deps.store.transact(move |tx| {
        let mut lines = Vec::new();
        tx.visit_lines(&mut |number, line| {
            if line.operation.context() == context {
                lines.push((number, Arc::clone(line)));
            }
            lines.len() < limit
        })?;
        Ok(lines)
    });
    Ok(RecentRequests { success: true, requests: lines.await?.into_iter().map(LineView::from).collect() })
}

#[derive(Debug, Serialize, ToSchema)]
pub struct StatsReset {
    #[schema(example = true)]
    success: bool,
    /// Since when it is counted now.
    #[schema(format = DateTime)]
    since: String,
}

/// Counts a context's requests anew; draws, journal and ledger stay.
pub fn reset_stats(deps: &Deps, context: &str) -> StatsReset {
    let now = deps.clock.now();
    deps.request_counts.reset(context, now);
    StatsReset { success: true, since: from_millis(now.millis()) }
}
