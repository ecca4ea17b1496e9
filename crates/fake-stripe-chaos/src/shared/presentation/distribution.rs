//! `GET /{context}/chaos/distribution`: the very table that draws are made from.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::shared::{
    chaos::{Share, Weight},
    deps::Deps,
    store::StoreError,
};

/// How often each operation of a context meets each scenario.
#[derive(Debug, Serialize, ToSchema)]
pub struct Distribution {
    #[schema(example = true)]
    success: bool,
    /// The profile in force, `name@hash`.
    #[schema(example = "seed@0123abcd")]
    profile: String,
    /// Operation → scenario → share.
    #[schema(example = json!({"capture": {"success": "70%", "already_captured": "20%", "timeout": "5%", "timeout_after_commit": "5%"}}))]
    distributions: BTreeMap<&'static str, BTreeMap<&'static str, String>>,
}

/// # Errors
/// When the store fails.
pub async fn distribution(deps: &Deps, context: &str) -> Result<Distribution, StoreError> {
    let profile = deps.active_profile().await?.profile;
    let distributions =
        profile.tables_of(context).map(|(operation, shares)| (operation.action(), percents(shares)));
    Ok(Distribution { success: true, profile: profile.to_string(), distributions: distributions.collect() })
}

fn percents(shares: &[Share]) -> BTreeMap<&'static str, String> {
    let weight = |weight: Weight| weight.as_millionths();
    let total: u64 = shares.iter().map(|share| weight(share.weight)).sum();
    let mut weights: BTreeMap<&'static str, u64> = BTreeMap::new();
    for share in shares {
        *weights.entry(share.scenario.name).or_default() += weight(share.weight);
    }
    weights.into_iter().map(|(name, weight)| (name, percent(weight, total))).collect()
}

/// A part of a whole, with at most two decimals, rounded half up, and none that say nothing: `40%`, `12.5%`, `33.33%`.
#[must_use]
pub fn percent(weight: u64, total: u64) -> String {
    if total == 0 {
        return "0%".to_owned();
    }
    let hundredths = (u128::from(weight) * 20_000 + u128::from(total)) / (u128::from(total) * 2);
    let (whole, fraction) = (hundredths / 100, hundredths % 100);
    match fraction {
        0 => format!("{whole}%"),
        _ if fraction % 10 == 0 => format!("{whole}.{}%", fraction / 10),
        _ => format!("{whole}.{fraction:02}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_written_with_the_decimals_it_needs() {
        let cases = [
            ((40, 100), "40%"),
            ((1, 8), "12.5%"),
            ((1, 3), "33.33%"),
            ((2, 3), "66.67%"),
            ((1, 1000), "0.1%"),
            ((3, 10_000), "0.03%"),
            ((0, 7), "0%"),
            ((0, 0), "0%"),
        ];
        for ((weight, total), text) in cases {
            assert_eq!(percent(weight, total), text);
        }
    }
}
