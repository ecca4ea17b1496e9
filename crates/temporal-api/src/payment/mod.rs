//! Serves payments: requests, checks and answers.

mod dto;
mod handlers;
mod request;

use std::{sync::Arc, time::Duration};

pub use dto::PaymentBody;
use service_kit::auth::{only, roles::OPERATORS};
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::{payment::state::PaymentState, policies::Timing};

use crate::gateway::{Awaited, FlowGateway, GatewayError, PaymentFlow, WorkflowId};

/// Separates two reads of a payment that is not charged yet.
const POLL_INTERVAL: Duration = Duration::from_millis(300);

/// Holds the dependencies of the handlers.
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

    /// Waits until the card is charged, or the payment has ended in another way.
    pub async fn charged(
        &self,
        id: &WorkflowId,
        at_most: Duration,
    ) -> Result<Awaited<PaymentState>, GatewayError> {
        // Even a very short timeout allows one read.
        let first = self.answer(id).await?;
        if let Some(answer) = first {
            return Ok(answer);
        }
        let looking = async {
            loop {
                if let ended @ Awaited::Ended(_) = self.gateway.wait(id, POLL_INTERVAL).await? {
                    return Ok(ended);
                }
                if let Some(answer) = self.answer(id).await? {
                    return Ok(answer);
                }
            }
        };
        tokio::time::timeout(at_most, looking).await.unwrap_or(Ok(Awaited::StillRunning))
    }

    /// Returns the state, if it shows the outcome of the charge.
    async fn answer(&self, id: &WorkflowId) -> Result<Option<Awaited<PaymentState>>, GatewayError> {
        match self.gateway.state(id).await {
            Ok(seen) if seen.is_closed() || seen.succeeded() => Ok(Some(Awaited::Ended(Box::new(seen)))),
            // A worker that is absent comes back.
            Ok(_) | Err(GatewayError::WorkerUnavailable) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

pub fn module(payments: Payments) -> OpenApiRouter {
    only(OPERATORS, OpenApiRouter::new().routes(routes!(handlers::start_payment)).with_state(payments))
}
