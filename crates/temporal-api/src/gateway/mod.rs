//! What the API asks of Temporal. A port, so that handlers are tested without a server.

pub mod temporal;
mod visibility;

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rust_decimal::Decimal;
use service_kit::correlation::CorrelationId;
use workflows::order_fulfillment::{
    messages::{OrderInput, Reason, Resolution},
    progress::{OrderError, OrderState, OrderStatus},
};

use crate::order::CustomerId;

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

/// What can be told to a running order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderSignal {
    Approve,
    Reject(Reason),
    Cancel(Reason),
    RetryCompensation,
    ResolveCompensation(Resolution),
}

/// Which orders a list shows. Everything in it is parsed, so that no text of a caller ever becomes
/// part of a visibility query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFilter {
    pub status: Option<OrderStatus>,
    pub customer: Option<CustomerId>,
    pub min_total: Option<Decimal>,
    pub max_total: Option<Decimal>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderPage {
    pub orders: Vec<ListedOrder>,
    /// Empty on the last page.
    pub next: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ListedOrder {
    pub workflow_id: String,
    pub run_id: String,
    pub order_id: String,
    pub customer_id: Option<String>,
    /// Minor units.
    pub amount: Option<u64>,
    pub status: Option<OrderStatus>,
    pub error: Option<OrderError>,
    pub started_at: Option<SystemTime>,
    pub closed_at: Option<SystemTime>,
}

/// What waiting for an order gave.
#[derive(Debug, Clone)]
pub enum Awaited {
    Ended(Box<OrderState>),
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
    #[error("the page token is none of this list's")]
    BadPageToken,
    #[error("the namespace doesn't know the search attributes")]
    NotSearchable,
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

    /// Tells a running order something; `NotFound` where it has ended.
    async fn signal(&self, id: &WorkflowId, signal: OrderSignal) -> Result<(), GatewayError>;

    /// Those that run first, then by their end, the last first.
    async fn list(&self, filter: &OrderFilter, limit: u8, page: Vec<u8>) -> Result<OrderPage, GatewayError>;
}
