//! Serves returns of shipped orders: requests, checks and answers.

mod dto;
mod goods;
mod handlers;
mod problems;
mod request;

use std::sync::Arc;

pub use dto::ReturnBody;
pub use goods::Shipment;
pub use problems::ReturnCode;
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::policies::Timing;

use crate::{gateway::ReturnGateway, order::Orders};

/// Holds the dependencies of the handlers.
#[derive(Clone)]
pub struct Returns {
    pub gateway: Arc<dyn ReturnGateway>,
    orders: Orders,
    timing: Timing,
}

impl Returns {
    pub fn new(gateway: Arc<dyn ReturnGateway>, orders: Orders, timing: Timing) -> Self {
        Self { gateway, orders, timing }
    }
}

pub fn module(returns: Returns) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(handlers::return_order))
        .routes(routes!(handlers::show_return))
        .with_state(returns)
}
