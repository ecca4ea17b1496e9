//! The activities: what goes in, what comes out, under which name. The worker implements them.
#![allow(clippy::needless_pass_by_value, reason = "a definition has no body: the macro reads its signature")]

pub mod inventory;
pub mod notification;
pub mod payment;
pub mod refusal;
pub mod shipping;
pub mod user_context;

use serde::{Deserialize, Serialize};

use crate::policies::retry_after_maximum_ms;

/// An attempt that failed, as the failure's details show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptDetails {
    /// Counted from 1.
    pub attempt: u32,
    /// How long the other side wants to be left alone, within the limit of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// What every call to the provider carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallContext {
    pub order_id: String,
    pub idempotency_key: String,
    pub correlation_id: String,
    /// The longest wait that a `Retry-After` can ask for.
    #[serde(default = "retry_after_maximum_ms")]
    pub retry_after_maximum_ms: u64,
}

/// Undoes whatever the forward call with this key did, and blocks it where it hasn't happened yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UndoInput {
    pub call: CallContext,
    /// The idempotency key of the forward call.
    pub forward_key: String,
}

/// What an undo found.
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
    /// The effect was there and is undone, now or before.
    Undone,
    /// The forward call never took effect, and never will.
    NothingToUndo,
}
