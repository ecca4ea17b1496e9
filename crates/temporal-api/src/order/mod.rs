//! Orders: what is asked, checked, answered.

mod dto;
mod handlers;
mod problems;
mod request;

use std::sync::Arc;

pub use problems::OrderCode;
pub use request::is_id;
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::policies::Timing;

use crate::gateway::OrderGateway;

/// What the handlers work with.
#[derive(Clone)]
pub struct Orders {
    gateway: Arc<dyn OrderGateway>,
    timing: Timing,
}

impl Orders {
    pub fn new(gateway: Arc<dyn OrderGateway>, timing: Timing) -> Self {
        Self { gateway, timing }
    }
}

/// The routes under the general request timeout, and those that wait longer.
pub fn module(orders: Orders) -> (OpenApiRouter, OpenApiRouter) {
    let routes = OpenApiRouter::new()
        .routes(routes!(handlers::place))
        .routes(routes!(handlers::status))
        .routes(routes!(handlers::progress))
        .with_state(orders.clone());
    let long = OpenApiRouter::new().routes(routes!(handlers::result)).with_state(orders);
    (routes, long)
}
