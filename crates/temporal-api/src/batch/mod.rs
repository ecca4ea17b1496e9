//! Serves batches of orders: requests, checks and answers.

mod dto;
mod handlers;
mod problems;
mod request;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
pub use dto::BatchBody;
pub use problems::BatchCode;
use service_kit::auth::{
    only,
    roles::{OPERATORS, READERS},
};
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::policies::Timing;

use crate::{config::BatchLimits, gateway::BatchGateway};

/// Holds the dependencies of the handlers.
#[derive(Clone)]
pub struct Batches {
    pub gateway: Arc<dyn BatchGateway>,
    timing: Timing,
    limits: BatchLimits,
}

impl Batches {
    pub fn new(gateway: Arc<dyn BatchGateway>, timing: Timing, limits: BatchLimits) -> Self {
        Self { gateway, timing, limits }
    }

    /// Returns the largest body in bytes.
    pub fn largest_body(&self) -> usize {
        self.limits.body
    }
}

/// Returns the routes under the general request timeout, and the route that takes longer for a large batch.
pub fn module(batches: &Batches) -> (OpenApiRouter, OpenApiRouter) {
    let read = OpenApiRouter::new().routes(routes!(handlers::show_batch)).with_state(batches.clone());
    let operate = OpenApiRouter::new()
        .routes(routes!(handlers::pause_batch))
        .routes(routes!(handlers::resume_batch))
        .routes(routes!(handlers::cancel_batch))
        .with_state(batches.clone());
    let long = OpenApiRouter::new()
        .routes(routes!(handlers::create_batch))
        .layer(DefaultBodyLimit::max(batches.limits.body))
        .with_state(batches.clone());
    (only(READERS, read).merge(only(OPERATORS, operate)), only(OPERATORS, long))
}
