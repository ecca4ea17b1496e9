//! Runs over HTTP.

mod choosing;
mod dto;
mod handlers;
mod problems;

pub use choosing::choosing;
pub use handlers::routes;
pub use problems::RunsCode;
