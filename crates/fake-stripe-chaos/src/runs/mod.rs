//! Runs: isolated providers on one server. A header or the beginning of the path selects one.
//!
//! It has no layers. `registry.rs` opens and deletes runs and knows no HTTP, so that its tests need none. Each run
//! is a complete provider, built at the first request to it.

mod handlers;
mod problems;
mod registry;
mod run_router;

pub use handlers::routes;
pub use problems::RunsCode;
pub use registry::Registry;
pub use run_router::run_router;
