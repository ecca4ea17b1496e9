//! The HTTP endpoints of inventory.

mod dto;
mod handlers;
mod problems;

pub use handlers::routes;
pub use problems::InventoryCode;
