//! Serves user contexts: requests, checks and answers.

mod dto;
mod handlers;
mod request;

use std::sync::Arc;

pub use dto::{ContextProgressBody, UserContextBody};
use service_kit::auth::{only, roles::OPERATORS};
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::policies::Timing;

use crate::gateway::{FlowGateway, UserContextFlow};

/// Holds the dependencies of the handlers.
#[derive(Clone)]
pub struct UserContexts {
    pub gateway: Arc<dyn FlowGateway<UserContextFlow>>,
    timing: Timing,
}

impl UserContexts {
    pub fn new(gateway: Arc<dyn FlowGateway<UserContextFlow>>, timing: Timing) -> Self {
        Self { gateway, timing }
    }
}

pub fn module(user_contexts: UserContexts) -> OpenApiRouter {
    only(
        OPERATORS,
        OpenApiRouter::new().routes(routes!(handlers::start_user_context)).with_state(user_contexts),
    )
}
