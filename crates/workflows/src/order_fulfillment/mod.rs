//! The order workflow: messages, the pure state machine, and the sequence.

pub mod messages;
pub mod state;
mod workflow;

pub use workflow::OrderFulfillment;
