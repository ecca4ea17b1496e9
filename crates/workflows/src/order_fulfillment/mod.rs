//! The order workflow: messages, the pure state machine, the saga, and the sequence itself.

pub mod messages;
pub mod progress;
pub mod saga;
mod workflow;

pub use workflow::OrderFulfillment;
