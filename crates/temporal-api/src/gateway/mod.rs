//! What the API asks of Temporal. A port, so that handlers are tested without a server.

pub mod temporal;

use std::time::Duration;

use async_trait::async_trait;
use service_kit::correlation::CorrelationId;
use workflows::order_fulfillment::{messages::OrderInput, progress::OrderState};

/// The id of an order's workflow, as a path names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowId(String);

impl WorkflowId {
    /// `None` where no order can have this id.
    pub fn parse(text: &str) -> Option<Self> {
        let order = text.strip_prefix(&workflows::ids::order_workflow_id(""))?;
        crate::order::is_id(order).then(|| Self(text.to_owned()))
    }

    pub fn of_order(order_id: &str) -> Self {
        Self(workflows::ids::order_workflow_id(order_id))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A workflow that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    pub workflow_id: WorkflowId,
    pub run_id: String,
}

/// What waiting for an order gave.
#[derive(Debug, Clone)]
pub enum Awaited {
    Ended(OrderState),
    StillRunning,
}

#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// One runs, or has shipped.
    #[error("a workflow for this order exists")]
    AlreadyExists { run_id: Option<String> },
    #[error("no such workflow")]
    NotFound,
    #[error("no worker answered")]
    WorkerUnavailable,
    #[error("Temporal cannot be reached: {0}")]
    Unavailable(String),
    #[error("Temporal failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[async_trait]
pub trait OrderGateway: Send + Sync {
    /// Starts the order's workflow, unless one runs or has shipped.
    async fn start(&self, input: OrderInput, correlation: &CorrelationId) -> Result<Started, GatewayError>;

    /// The order's state, now or at its end.
    async fn state(&self, id: &WorkflowId) -> Result<OrderState, GatewayError>;

    /// Waits for the order's end.
    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited, GatewayError>;
}
