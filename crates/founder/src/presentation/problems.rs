//! The error codes of founder.

use serde_json::json;
use service_kit::problem::Problem;

use super::dto::SourceBody;
use crate::{
    parts::CollectedParts,
    strategies::{Strategy, UnknownStrategy},
};

service_kit::error_codes! {
    /// The reasons why there is no user context.
    pub enum FounderCode {
        UnknownStrategy = "unknown_strategy", 400, "There is no such strategy", final;
        NothingAvailable = "nothing_available", 502, "No source gave anything", retryable;
    }
}

pub fn unknown_strategy(unknown: UnknownStrategy) -> Problem {
    Problem::new(FounderCode::UnknownStrategy, format!("strategy {unknown}"))
        .with("strategies", json!(Strategy::ALL.map(Strategy::name)))
}

/// Returns the problem of a context without any part.
pub fn nothing_available(context: &CollectedParts) -> Problem {
    let errors: Vec<_> = context.outcomes().filter_map(|outcome| outcome.error()).collect();
    let sources: Vec<_> = context.outcomes().map(|outcome| SourceBody::from(&outcome)).collect();
    let problem =
        Problem::new(FounderCode::NothingAvailable, format!("Every source failed: {}.", errors.join("; ")))
            .with("sources", json!(sources));
    match context.retry_after() {
        Some(after) => problem.retry_after(after),
        None => problem,
    }
}
