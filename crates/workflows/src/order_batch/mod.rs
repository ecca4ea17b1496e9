//! The batch workflows: one places the orders of a chunk, and one controls the chunks. Their messages and their pure
//! state machines.

pub mod chunk;
mod chunk_workflow;
pub mod messages;
pub mod state;
mod workflow;

pub use chunk_workflow::BatchChunkWorkflow;
pub use workflow::OrderBatchWorkflow;
