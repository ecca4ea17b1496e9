//! The user-context workflow: asks for location, weather and a cat fact, and tells what could be had.

pub mod messages;
pub mod state;
mod workflow;

pub use workflow::UserContextWorkflow;
