//! The use cases of inventory, and their ports.

mod commands;
mod ports;
mod service;

pub use commands::{CONTEXT, RELEASE, RESERVE, RESTOCK, Release, Reserve, Restock};
pub use service::InventoryService;
