//! Payments: what is asked, checked, answered.

mod dto;
mod handlers;
mod request;

use std::{sync::Arc, time::Duration};

pub use dto::PaymentBody;
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::policies::Timing;

use crate::gateway::{FlowGateway, PaymentFlow};

/// What the handlers work with.
#[derive(Clone)]
pub struct Payments {
    pub gateway: Arc<dyn FlowGateway<PaymentFlow>>,
    timing: Timing,
    cancel_window: Duration,
}

impl Payments {
    pub fn new(gateway: Arc<dyn FlowGateway<PaymentFlow>>, timing: Timing, cancel_window: Duration) -> Self {
        Self { gateway, timing, cancel_window }
    }
}

pub fn module(payments: Payments) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(handlers::start)).with_state(payments)
}
