//! What can be asked of inventory, and what that needs.

mod commands;
mod ports;
mod service;

pub use commands::{CONTEXT, RELEASE, RESERVE, Release, Reserve};
pub use service::InventoryService;
