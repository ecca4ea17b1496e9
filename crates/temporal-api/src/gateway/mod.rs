//! What the API asks of Temporal. Ports, so that handlers are tested without a server.

mod observed;
pub mod temporal;
mod visibility;

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rust_decimal::Decimal;
use service_kit::correlation::CorrelationId;
use workflows::{
    failure::StateError,
    ids,
    order_fulfillment::{
        messages::OrderInput,
        state::{OrderState, OrderStatus},
    },
    payment::{messages::PaymentInput, state::PaymentState},
    saga::{Reason, Resolution},
    user_context::{messages::UserContextInput, state::UserContextState},
};

pub use observed::{Observed, Outside, Run, Shown};

use crate::{fields, idempotency::Claim, order::CustomerId};

/// Which workflow it is, as its id tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Order,
    Payment,
    UserContext,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Order, Self::Payment, Self::UserContext];

    fn prefix(self) -> String {
        match self {
            Self::Order => ids::order_workflow_id(""),
            Self::Payment => ids::payment_workflow_id(""),
            Self::UserContext => ids::user_context_workflow_id(""),
        }
    }

    /// What can follow the prefix: an order's id, or whatever else named the work.
    fn fits(self, name: &str) -> bool {
        match self {
            Self::Order => fields::is_id(name),
            Self::Payment | Self::UserContext => CorrelationId::parse(name).is_some(),
        }
    }
}

/// The id of a workflow, as a path names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowId {
    kind: Kind,
    text: String,
}

impl WorkflowId {
    /// `None` where no workflow of ours can have this id.
    pub fn parse(text: &str) -> Option<Self> {
        Kind::ALL.into_iter().find_map(|kind| {
            let name = text.strip_prefix(&kind.prefix())?;
            kind.fits(name).then(|| Self { kind, text: text.to_owned() })
        })
    }

    pub fn of_order(order_id: &str) -> Self {
        Self { kind: Kind::Order, text: ids::order_workflow_id(order_id) }
    }

    pub fn of_payment(reference: &str) -> Self {
        Self { kind: Kind::Payment, text: ids::payment_workflow_id(reference) }
    }

    pub fn of_user_context(user: &str) -> Self {
        Self { kind: Kind::UserContext, text: ids::user_context_workflow_id(user) }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// A workflow that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    pub workflow_id: WorkflowId,
    pub run_id: String,
}

/// What became of a request to start a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    Started(Started),
    /// The same request started it before, under the same key.
    Replayed {
        started: Started,
        /// The one that it was started with.
        correlation_id: Option<String>,
    },
    /// It runs, and the same request started it; under another key, or without one.
    Running {
        started: Started,
        /// Of an order, where its search attributes tell it.
        status: Option<OrderStatus>,
    },
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
    pub status: Option<Shown>,
    pub customer: Option<CustomerId>,
    pub min_total: Option<Decimal>,
    pub max_total: Option<Decimal>,
}

impl OrderFilter {
    /// Reports whether the filter asks for more than Temporal knows of any workflow.
    pub fn needs_search_attributes(&self) -> bool {
        let own = matches!(self.status, Some(Shown::Own(_)));
        own || self.customer.is_some() || self.min_total.is_some() || self.max_total.is_some()
    }
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
    /// `None` for orders that were placed before there was more than one currency.
    pub currency: Option<String>,
    pub status: Option<Shown>,
    pub error: Option<StateError>,
    pub started_at: Option<SystemTime>,
    pub closed_at: Option<SystemTime>,
}

/// What waiting for a workflow gave: its final state.
#[derive(Debug, Clone)]
pub enum Awaited<S> {
    Ended(Box<Observed<S>>),
    StillRunning,
}

impl<S> Awaited<S> {
    pub fn map<T>(self, change: impl FnOnce(Observed<S>) -> T) -> Option<T> {
        match self {
            Self::Ended(observed) => Some(change(*observed)),
            Self::StillRunning => None,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// One runs, or has succeeded.
    #[error("a workflow with this id exists")]
    AlreadyExists { run_id: Option<String> },
    /// The key started another workflow, or this one by another request.
    #[error("the idempotency key was used for something else")]
    KeyReused { workflow_id: String },
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
    /// Starts the order's workflow, unless one runs or has shipped, or the same request did before.
    async fn start(
        &self,
        input: OrderInput,
        claim: &Claim,
        correlation: &CorrelationId,
    ) -> Result<Begun, GatewayError>;

    /// Returns the order's state, now or at its end.
    async fn state(&self, id: &WorkflowId) -> Result<Observed<OrderState>, GatewayError>;

    /// Waits for the order's end.
    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited<OrderState>, GatewayError>;

    /// Tells a running order something; `NotFound` where it has ended.
    async fn signal(&self, id: &WorkflowId, signal: OrderSignal) -> Result<(), GatewayError>;

    /// Those that run first, then by their end, the last first.
    async fn list(&self, filter: &OrderFilter, limit: u8, page: Vec<u8>) -> Result<OrderPage, GatewayError>;
}

/// A workflow that is started, followed and cancelled, and nothing more.
pub trait Flow: Send + Sync + 'static {
    type Input: Send + 'static;
    type State: Send + 'static;
}

/// `paymentWorkflow`.
pub struct PaymentFlow;

impl Flow for PaymentFlow {
    type Input = PaymentInput;
    type State = PaymentState;
}

/// `userContextWorkflow`.
pub struct UserContextFlow;

impl Flow for UserContextFlow {
    type Input = UserContextInput;
    type State = UserContextState;
}

#[async_trait]
pub trait FlowGateway<F: Flow>: Send + Sync {
    /// Starts the workflow, unless one with this id runs, or mustn't be repeated, or the same request
    /// started it before.
    async fn start(
        &self,
        id: &WorkflowId,
        input: F::Input,
        claim: &Claim,
        correlation: &CorrelationId,
    ) -> Result<Begun, GatewayError>;

    /// Returns the workflow's state, now or at its end.
    async fn state(&self, id: &WorkflowId) -> Result<Observed<F::State>, GatewayError>;

    /// Waits for the workflow's end.
    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited<F::State>, GatewayError>;

    /// Asks a running workflow to stop in its own way; `NotFound` where it has ended.
    async fn cancel(&self, id: &WorkflowId, reason: Reason) -> Result<(), GatewayError>;
}

/// One event of a history, without what went in or came out: that can be personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEvent {
    pub id: i64,
    /// As Temporal's documentation writes it, e.g. `ActivityTaskScheduled`.
    pub kind: String,
    pub at: Option<SystemTime>,
    /// Of the activity, signal or workflow that it is about.
    pub name: Option<String>,
    /// The code of what failed.
    pub failure: Option<String>,
}

/// One page of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    pub events: Vec<HistoryEvent>,
    /// Empty on the last page.
    pub next: Vec<u8>,
}

#[async_trait]
pub trait HistoryGateway: Send + Sync {
    /// The history of the workflow's last run, oldest event first.
    async fn history(&self, id: &WorkflowId, limit: u16, page: Vec<u8>) -> Result<HistoryPage, GatewayError>;
}
