//! The truth over HTTP.

mod dto;
mod handlers;
mod problems;

pub use handlers::routes;
pub use problems::TruthCode;
