//! The messages of the batch workflows.

use serde::{Deserialize, Serialize};

use super::{chunk::ChunkProgress, state::Batch};
use crate::order_fulfillment::messages::OrderInput;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchInput {
    pub batch_id: String,
    /// The number of orders in all chunks.
    pub orders: u32,
    pub chunks: u32,
    /// The maximum number of orders that run at the same time.
    pub window: u32,
    /// The time in which all chunks must arrive. Before that, no order starts.
    pub receive_timeout_ms: u64,
    pub correlation_id: String,
    /// Set by continue-as-new only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Box<Batch>>,
}

/// An order of a batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchOrder {
    pub order: OrderInput,
    /// The amount in major units, for the search attribute only.
    pub total: String,
}

/// Update `addOrders`: one chunk of the orders.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddOrders {
    /// The number of the chunk, from 0.
    pub index: u32,
    pub orders: Vec<BatchOrder>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChunkInput {
    /// The workflow that gets the progress.
    pub batch_workflow_id: String,
    pub index: u32,
    pub orders: Vec<BatchOrder>,
}

/// Signal `allowOrders`: the number of orders of a chunk that may run at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allow {
    pub window: u32,
}

/// Signal `reportChunk`: the progress of a chunk so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChunkReport {
    pub index: u32,
    pub progress: ChunkProgress,
}
