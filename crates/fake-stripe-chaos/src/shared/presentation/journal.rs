//! A line of the journal as a body has it.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use service_kit::time::from_millis;
use utoipa::ToSchema;

use crate::shared::{
    ids::{Key, OrderId},
    journal::JournalEntry,
};

/// One request and what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LineView {
    number: u64,
    /// When the request came.
    #[schema(format = DateTime)]
    at: String,
    #[schema(example = "payment.capture")]
    operation: &'static str,
    order_id: Option<String>,
    idempotency_key: Option<String>,
    correlation_id: String,
    /// Null where nothing was decided: a key in use, reused or buried.
    decision: Option<DecisionView>,
    replayed: bool,
    /// `success`, `nothing_to_undo` or an error's code; null while the request is being executed.
    #[schema(example = "timeout")]
    response: Option<&'static str>,
    /// From the request to its answer, a timeout's wait included.
    duration_ms: u64,
    /// The body, without anything personal.
    #[schema(value_type = Object)]
    body: Option<Box<RawValue>>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionView {
    #[schema(example = "timeout_after_commit")]
    scenario: &'static str,
    /// What was to happen to the ledger: `apply` or `skip`.
    #[schema(example = "apply")]
    effect: &'static str,
    /// Who chose: `draw`, `header` or `plan`.
    #[schema(example = "draw")]
    source: &'static str,
    chaos_key: String,
    attempt: u32,
    /// The decision wanted an effect, and the domain refused it or had nothing to do.
    overruled: bool,
}

impl From<(u64, Arc<JournalEntry>)> for LineView {
    fn from((number, line): (u64, Arc<JournalEntry>)) -> Self {
        let decision = line.decided.as_ref().map(|decided| DecisionView {
            scenario: decided.decision.scenario.name,
            effect: decided.decision.scenario.effect.name(),
            source: decided.decision.source.name(),
            chaos_key: decided.decision.key.to_string(),
            attempt: decided.decision.attempt,
            overruled: decided.overruled,
        });
        Self {
            number,
            at: from_millis(line.at.millis()),
            operation: line.operation.name(),
            order_id: line.order.as_ref().map(OrderId::to_string),
            idempotency_key: line.key.as_ref().map(Key::to_string),
            correlation_id: line.correlation.to_string(),
            decision,
            replayed: line.replayed,
            response: line.response,
            duration_ms: u64::try_from(line.duration.as_millis()).unwrap_or(u64::MAX),
            body: RawValue::from_string(line.body.to_string()).ok(),
        }
    }
}
