//! Runs: many worlds on one server, told apart by a header or by the path's beginning.
//!
//! It has no `domain`: a run is a name, a seed and a store. Each run is a whole provider of its own, made
//! when it is asked for first.

mod application;
mod presentation;

use std::sync::Arc;

use axum::Router;
use utoipa_axum::router::OpenApiRouter;

pub use application::Registry;
pub use presentation::{RunsCode, choosing};

/// The routes that list, make and forget runs.
pub fn module(registry: Arc<Registry<Router>>) -> OpenApiRouter {
    presentation::routes(registry)
}
