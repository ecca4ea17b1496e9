//! The codes of founder's errors.

use serde_json::json;
use service_kit::problem::Problem;

use super::dto::SourceBody;
use crate::{
    parts::Context,
    strategies::{Strategy, UnknownStrategy},
};

service_kit::error_codes! {
    /// Why there is no user context.
    pub enum FounderCode {
        UnknownStrategy = "unknown_strategy", 400, "There is no such strategy", final;
        NothingAvailable = "nothing_available", 502, "No source gave anything", retryable;
    }
}

pub fn unknown_strategy(unknown: UnknownStrategy) -> Problem {
    Problem::new(FounderCode::UnknownStrategy, format!("strategy {unknown}"))
        .with("strategies", json!(Strategy::ALL.map(Strategy::name)))
}

/// Of a context without any part.
pub fn nothing_available(context: &Context) -> Problem {
    let errors: Vec<_> = context.ended().filter_map(|ended| ended.error()).collect();
    let sources: Vec<_> = context.ended().map(|ended| SourceBody::from(&ended)).collect();
    let problem = Problem::new(
        FounderCode::NothingAvailable,
        format!("No source gave anything: {}.", errors.join("; ")),
    )
    .with("sources", json!(sources));
    match context.retry_after() {
        Some(after) => problem.retry_after(after),
        None => problem,
    }
}
