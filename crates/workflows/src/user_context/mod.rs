//! The user-context workflow: fetches location, weather and a cat fact, and returns the available parts.

pub mod messages;
pub mod state;
mod workflow;

pub use workflow::UserContextWorkflow;
