//! The subscription workflow: messages, its recurrence, the pure state machine, and the sequence.

pub mod messages;
pub mod recurrence;
pub mod state;
mod workflow;

pub use workflow::SubscriptionWorkflow;
