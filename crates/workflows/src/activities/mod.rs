//! The definitions of the activities: input, output and name. The worker implements them.
#![allow(clippy::needless_pass_by_value, reason = "a definition has no body: the macro reads its signature")]

pub mod inventory;
pub mod notification;
pub mod payment;
pub mod reconciliation;
pub mod refusal;
pub mod shipping;
pub mod user_context;

use serde::{Deserialize, Serialize};

use crate::policies::retry_after_maximum_ms;

/// The details of a failed attempt, in its failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptDetails {
    /// Counted from 1.
    pub attempt: u32,
    /// The wait that `Retry-After` requests, within the limit of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// The part that is common to every call to the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallContext {
    pub order_id: String,
    pub idempotency_key: String,
    pub correlation_id: String,
    /// The maximum wait that `Retry-After` can request.
    #[serde(default = "retry_after_maximum_ms")]
    pub retry_after_maximum_ms: u64,
}

/// Undoes the effect of the forward call with this key. Blocks a forward call that hasn't run yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UndoInput {
    pub call: CallContext,
    /// The idempotency key of the forward call.
    pub forward_key: String,
}

/// The result of an undo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UndoOutput {
    pub found: UndoResult,
    /// The attempt that got the answer, counted from 1.
    pub attempt: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoResult {
    /// The effect is undone, now or before.
    Undone,
    /// The forward call had no effect, and can't have one any more.
    NothingToUndo,
}
