//! The reconciliation workflow: the pure comparison of an order, its messages, the report, and the sequence.

pub mod comparison;
pub mod messages;
pub mod report;
mod workflow;

pub use workflow::ReconciliationWorkflow;
