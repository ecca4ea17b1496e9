//! The return workflow: a shipped order comes back, as a whole or in part.

pub mod messages;
pub mod state;
mod workflow;

pub use workflow::ReturnWorkflow;
