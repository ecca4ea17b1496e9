//! Defines the API's requests to Temporal. They are ports, so tests of the handlers need no server.

mod observed;
pub mod temporal;
mod visibility;

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rust_decimal::Decimal;
use serde::Serialize;
use service_kit::correlation::CorrelationId;
use workflows::{
    activities::shipping::Address,
    failure::StateError,
    ids,
    order_batch::{
        messages::{AddOrders, BatchInput},
        state::{BatchChange, BatchState},
    },
    order_fulfillment::{
        messages::{AddressChange, Decide, Decided, OrderInput},
        state::{OrderState, OrderStatus},
    },
    order_return::{messages::ReturnInput, state::ReturnState},
    payment::{messages::PaymentInput, state::PaymentState},
    reconciliation::{messages::ReconciliationInput, report::Report},
    saga::{Reason, Resolution},
    subscription::{
        messages::{SubscriptionInput, Terms},
        recurrence::Recurrence,
        state::{Change, SubscriptionState, SubscriptionStatus},
    },
    user_context::{messages::UserContextInput, state::UserContextState},
};

pub use observed::{Observed, Outside, Run, Shown};

use crate::{fields, idempotency::Claim, order::CustomerId, order_return::Shipment};

/// Names the kind of a workflow. The id of the workflow shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Order,
    Payment,
    UserContext,
    Subscription,
    Reconciliation,
    Batch,
    Return,
}

impl Kind {
    pub const ALL: [Self; 7] = [
        Self::Order,
        Self::Payment,
        Self::UserContext,
        Self::Subscription,
        Self::Reconciliation,
        Self::Batch,
        Self::Return,
    ];

    /// Returns its name in lists.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Order => "orders",
            Self::Payment => "payments",
            Self::UserContext => "user-contexts",
            Self::Subscription => "subscriptions",
            Self::Reconciliation => "reconciliations",
            Self::Batch => "batches",
            Self::Return => "returns",
        }
    }

    /// Returns the name of the workflow's type.
    pub const fn workflow_type(self) -> &'static str {
        match self {
            Self::Order => "orderFulfillmentWorkflow",
            Self::Payment => "paymentWorkflow",
            Self::UserContext => "userContextWorkflow",
            Self::Subscription => "subscriptionWorkflow",
            Self::Reconciliation => "reconciliationWorkflow",
            Self::Batch => "orderBatchWorkflow",
            Self::Return => "returnWorkflow",
        }
    }

    fn prefix(self) -> String {
        match self {
            Self::Order => ids::order_workflow_id(""),
            Self::Payment => ids::payment_workflow_id(""),
            Self::UserContext => ids::user_context_workflow_id(""),
            Self::Subscription => ids::subscription_workflow_id(""),
            Self::Reconciliation => ids::reconciliation_id(""),
            Self::Batch => ids::batch_workflow_id(""),
            Self::Return => ids::return_workflow_id(""),
        }
    }

    /// Holds the text after the prefix: an order's id, or another name of the work.
    fn fits(self, name: &str) -> bool {
        match self {
            Self::Order | Self::Subscription | Self::Batch => fields::is_id(name),
            Self::Payment | Self::UserContext | Self::Reconciliation | Self::Return => {
                CorrelationId::parse(name).is_some()
            }
        }
    }
}

/// Holds the id of a workflow, as a path names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowId {
    kind: Kind,
    text: String,
}

impl WorkflowId {
    /// Returns `None` if no workflow of ours can have this id.
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

    pub fn of_subscription(subscription_id: &str) -> Self {
        Self { kind: Kind::Subscription, text: ids::subscription_workflow_id(subscription_id) }
    }

    pub fn of_batch(batch_id: &str) -> Self {
        Self { kind: Kind::Batch, text: ids::batch_workflow_id(batch_id) }
    }

    pub fn of_return(return_id: &str) -> Self {
        Self { kind: Kind::Return, text: ids::return_workflow_id(return_id) }
    }

    pub fn of_reconciliation(task_queue: &str) -> Self {
        Self { kind: Kind::Reconciliation, text: ids::reconciliation_id(task_queue) }
    }

    /// Returns the id without the prefix of its kind.
    pub fn name(&self) -> &str {
        self.text.strip_prefix(&self.kind.prefix()).unwrap_or(&self.text)
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Describes a workflow that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    pub workflow_id: WorkflowId,
    pub run_id: String,
}

/// Describes the outcome of a request to start a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    Started(Started),
    /// The same request started the workflow before, under the same key.
    Replayed {
        started: Started,
        /// Holds the correlation id of the first start.
        correlation_id: Option<String>,
    },
    /// The workflow runs, and the same request started it. That request had another key, or no key.
    Running {
        started: Started,
        /// Holds the status of an order, if its search attributes show it.
        status: Option<OrderStatus>,
    },
}

/// Lists the signals that a running order accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderSignal {
    Approve,
    Reject(Reason),
    Cancel(Reason),
    RetryCompensation,
    ResolveCompensation(Resolution),
}

/// Selects the orders of a list. Every value is parsed, so no text of a caller becomes a part of a
/// visibility query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFilter {
    pub status: Option<Shown>,
    pub customer: Option<CustomerId>,
    pub min_total: Option<Decimal>,
    pub max_total: Option<Decimal>,
    pub started_after: Option<SystemTime>,
    pub started_before: Option<SystemTime>,
}

impl OrderFilter {
    /// Reports whether the filter asks for more than Temporal knows of any workflow.
    pub fn needs_search_attributes(&self) -> bool {
        let own = matches!(self.status, Some(Shown::Own(_)));
        own || self.customer.is_some() || self.min_total.is_some() || self.max_total.is_some()
    }
}

/// Holds one page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderPage {
    pub orders: Vec<ListedOrder>,
    /// Is empty on the last page.
    pub next: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ListedOrder {
    pub workflow_id: String,
    pub run_id: String,
    pub order_id: String,
    pub customer_id: Option<String>,
    /// Holds the amount in minor units.
    pub amount: Option<u64>,
    /// Holds `None` for orders that are older than the support for more than one currency.
    pub currency: Option<String>,
    pub status: Option<Shown>,
    pub error: Option<StateError>,
    pub started_at: Option<SystemTime>,
    pub closed_at: Option<SystemTime>,
}

/// Describes the result of a wait for a workflow: its final state.
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
    /// A workflow with this id runs, or has succeeded.
    #[error("a workflow with this id exists")]
    AlreadyExists { run_id: Option<String> },
    /// The key belongs to another workflow, or to another request for this workflow.
    #[error("the idempotency key was used for something else")]
    KeyReused { workflow_id: String },
    #[error("no such workflow")]
    NotFound,
    /// The workflow refused an update. Its state shows why.
    #[error("the workflow refused the update: {0}")]
    Refused(String),
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
    /// Starts the order's workflow. It starts nothing if one runs or has shipped, or if the same
    /// request did it before.
    async fn start(
        &self,
        input: OrderInput,
        claim: &Claim,
        correlation: &CorrelationId,
    ) -> Result<Begun, GatewayError>;

    /// Returns the current state of the order, or its final state.
    async fn state(&self, id: &WorkflowId) -> Result<Observed<OrderState>, GatewayError>;

    /// Returns the id of the order's customer.
    async fn customer(&self, id: &WorkflowId) -> Result<Option<String>, GatewayError>;

    /// Waits for the order's end.
    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited<OrderState>, GatewayError>;

    /// Sends a signal to a running order. Returns `NotFound` if the order has ended.
    async fn signal(&self, id: &WorkflowId, signal: OrderSignal) -> Result<(), GatewayError>;

    /// Approves or rejects a running order, and returns whether it counted. A repeated claim with a key repeats the answer.
    /// Returns `NotFound` if the order has ended, and `Refused` if no decision counts any more.
    async fn decide(&self, id: &WorkflowId, decide: Decide, claim: &Claim) -> Result<Decided, GatewayError>;

    /// Changes the destination of a running order. Returns `NotFound` if the order has ended, and `Refused`
    /// if the label was asked for or the order doesn't ship.
    async fn change_address(
        &self,
        id: &WorkflowId,
        address: Address,
        claim: &Claim,
    ) -> Result<AddressChange, GatewayError>;

    /// Lists the running orders first, then the others by their end, the last first.
    async fn list(&self, filter: &OrderFilter, limit: u8, page: Vec<u8>) -> Result<OrderPage, GatewayError>;

    /// Counts the orders that a filter selects.
    async fn count(&self, filter: &OrderFilter) -> Result<i64, GatewayError>;
}

/// Describes a workflow that callers can only start, follow and cancel.
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
    /// Starts the workflow. It starts nothing if one with this id runs or must not be repeated, or if
    /// the same request started it before.
    async fn start(
        &self,
        id: &WorkflowId,
        input: F::Input,
        claim: &Claim,
        correlation: &CorrelationId,
    ) -> Result<Begun, GatewayError>;

    /// Returns the current state of the workflow, or its final state.
    async fn state(&self, id: &WorkflowId) -> Result<Observed<F::State>, GatewayError>;

    /// Waits for the workflow's end.
    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited<F::State>, GatewayError>;

    /// Asks a running workflow to stop in its own way. Returns `NotFound` if the workflow has ended.
    async fn cancel(&self, id: &WorkflowId, reason: Reason) -> Result<(), GatewayError>;
}

/// `subscriptionWorkflow`.
pub struct SubscriptionFlow;

impl Flow for SubscriptionFlow {
    type Input = SubscriptionInput;
    type State = SubscriptionState;
}

/// Lists the updates that a running subscription accepts. The serialized form is a part of a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum SubscriptionUpdate {
    Pause,
    Resume,
    SkipNext,
    Cancel,
    Items(Terms),
    ShippingAddress(Address),
    Interval(Recurrence),
}

impl SubscriptionUpdate {
    pub const fn change(&self) -> Change {
        match self {
            Self::Pause => Change::Pause,
            Self::Resume => Change::Resume,
            Self::SkipNext => Change::SkipNext,
            Self::Cancel => Change::Cancel,
            Self::Items(_) => Change::Items,
            Self::ShippingAddress(_) => Change::ShippingAddress,
            Self::Interval(_) => Change::Interval,
        }
    }
}

/// Selects the subscriptions of a list. Every value is parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubscriptionFilter {
    pub status: Option<SubscriptionStatus>,
    pub customer: Option<CustomerId>,
}

/// Holds one page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct SubscriptionPage {
    pub subscriptions: Vec<ListedSubscription>,
    /// Is empty on the last page.
    pub next: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ListedSubscription {
    pub subscription_id: String,
    pub workflow_id: String,
    pub run: Run,
    pub status: Option<&'static str>,
    pub customer_id: Option<String>,
}

#[async_trait]
pub trait SubscriptionGateway: FlowGateway<SubscriptionFlow> {
    /// Changes a running subscription, and returns its state after the change. Returns `NotFound` if it has ended,
    /// and `Refused` if its state doesn't permit the change.
    async fn update(
        &self,
        id: &WorkflowId,
        update: SubscriptionUpdate,
        claim: &Claim,
    ) -> Result<SubscriptionState, GatewayError>;

    /// Lists the running subscriptions first, then the others by their end, the last first.
    async fn list(
        &self,
        filter: &SubscriptionFilter,
        limit: u8,
        page: Vec<u8>,
    ) -> Result<SubscriptionPage, GatewayError>;
}

/// `orderBatchWorkflow`.
pub struct BatchFlow;

impl Flow for BatchFlow {
    type Input = BatchInput;
    type State = BatchState;
}

#[async_trait]
pub trait BatchGateway: FlowGateway<BatchFlow> {
    /// Adds a chunk of orders. A repeated chunk changes nothing.
    async fn add(&self, id: &WorkflowId, chunk: AddOrders) -> Result<BatchState, GatewayError>;

    /// Changes a running batch, and returns its state after the change. Returns `NotFound` if it has ended, and
    /// `Refused` if its state doesn't permit the change.
    async fn change(
        &self,
        id: &WorkflowId,
        change: BatchChange,
        claim: &Claim,
    ) -> Result<BatchState, GatewayError>;
}

/// `returnWorkflow`.
pub struct ReturnFlow;

impl Flow for ReturnFlow {
    type Input = ReturnInput;
    type State = ReturnState;
}

#[async_trait]
pub trait ReturnGateway: FlowGateway<ReturnFlow> {
    /// Returns what a shipped order consists of.
    async fn shipment(&self, order: &WorkflowId) -> Result<Shipment, GatewayError>;

    /// Returns how this return began, if the same request started it: under the same key, or while it still runs.
    async fn begun_by(&self, id: &WorkflowId, claim: &Claim) -> Result<Option<Begun>, GatewayError>;
}

/// `reconciliationWorkflow`.
pub struct ReconciliationFlow;

impl Flow for ReconciliationFlow {
    type Input = ReconciliationInput;
    type State = Report;
}

/// Describes the schedule of the reconciliations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconciliationSchedule {
    pub paused: bool,
    /// Holds the reason for the last pause or resumption.
    pub note: Option<String>,
    pub every: Option<Duration>,
    pub next_runs: Vec<SystemTime>,
    /// Counts the runs that were skipped, because the one before still ran.
    pub skipped: i64,
    /// Counts the runs that were missed for longer than the catch-up window.
    pub missed: i64,
}

#[async_trait]
pub trait ReconciliationGateway: FlowGateway<ReconciliationFlow> {
    /// Returns the schedule, or `NotFound` before it was created.
    async fn schedule(&self) -> Result<ReconciliationSchedule, GatewayError>;

    /// Pauses the schedule or resumes it. A repeated request changes only the note.
    async fn set_paused(&self, paused: bool, note: Option<String>) -> Result<(), GatewayError>;

    /// Returns the last runs: the running ones, then those that ended, the last first.
    async fn last_runs(&self) -> Result<Vec<ListedWorkflow>, GatewayError>;
}

/// Describes one event of a history. It omits inputs and results, because those can be personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEvent {
    pub id: i64,
    /// Holds the name from Temporal's documentation, for example `ActivityTaskScheduled`.
    pub kind: String,
    pub at: Option<SystemTime>,
    /// Names the activity, signal or workflow of the event.
    pub name: Option<String>,
    /// Holds the code of the failure.
    pub failure: Option<String>,
}

/// Holds one page of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    pub events: Vec<HistoryEvent>,
    /// Is empty on the last page.
    pub next: Vec<u8>,
}

/// Describes one workflow of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedWorkflow {
    pub workflow_id: WorkflowId,
    pub run: Run,
    /// Holds the status of the execution: `running`, `completed`, `terminated` or `timed_out`.
    pub status: &'static str,
}

/// Holds one page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowPage {
    pub workflows: Vec<ListedWorkflow>,
    /// Is empty on the last page.
    pub next: Vec<u8>,
}

#[async_trait]
pub trait HistoryGateway: Send + Sync {
    /// Lists the running workflows of a kind first, then the others by their end, the last first.
    async fn list(&self, kind: Kind, limit: u8, page: Vec<u8>) -> Result<WorkflowPage, GatewayError>;

    /// Returns the history of the workflow's last run, oldest event first.
    async fn history(&self, id: &WorkflowId, limit: u16, page: Vec<u8>) -> Result<HistoryPage, GatewayError>;
}
