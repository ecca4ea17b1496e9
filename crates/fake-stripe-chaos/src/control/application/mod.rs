//! What chaos can be told.

mod commands;
mod service;

pub use commands::Plan;
pub use service::{ControlService, OperationAudit};
