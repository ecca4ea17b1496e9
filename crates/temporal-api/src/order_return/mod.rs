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
use service_kit::auth::{
    only,
    roles::{OPERATORS, READERS},
};
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
    let read = OpenApiRouter::new().routes(routes!(handlers::show_return)).with_state(returns.clone());
    let operate = OpenApiRouter::new().routes(routes!(handlers::return_order)).with_state(returns);
    only(READERS, read).merge(only(OPERATORS, operate))
}
