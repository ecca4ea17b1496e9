//! Payments: what is asked, checked, answered.

mod dto;
mod handlers;
mod request;

use std::{sync::Arc, time::Duration};

pub use dto::PaymentBody;
use tokio::time::Instant;
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::{payment::progress::PaymentState, policies::Timing};

use crate::gateway::{Awaited, FlowGateway, GatewayError, PaymentFlow, WorkflowId};

/// Between two looks at a payment that isn't charged yet.
const LOOK: Duration = Duration::from_millis(300);

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

    /// Waits until the card is charged, or the payment has come to another end.
    pub async fn charged(
        &self,
        id: &WorkflowId,
        at_most: Duration,
    ) -> Result<Awaited<PaymentState>, GatewayError> {
        let deadline = Instant::now() + at_most;
        loop {
            let answer = self.gateway.state(id).await;
            let left = deadline.saturating_duration_since(Instant::now());
            match answer {
                Ok(seen) if seen.is_closed() || seen.succeeded() => {
                    return Ok(Awaited::Ended(Box::new(seen)));
                }
                // A worker that is away comes back.
                Ok(_) | Err(GatewayError::WorkerUnavailable) if left.is_zero() => {
                    return Ok(Awaited::StillRunning);
                }
                Ok(_) | Err(GatewayError::WorkerUnavailable) => {}
                Err(error) => return Err(error),
            }
            if let Awaited::Ended(end) = self.gateway.wait(id, LOOK.min(left)).await? {
                return Ok(Awaited::Ended(end));
            }
        }
    }
}

pub fn module(payments: Payments) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(handlers::start)).with_state(payments)
}
