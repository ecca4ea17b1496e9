//! The gateway over a real Temporal server.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use service_kit::{correlation::CorrelationId, health::Dependency};
use temporal_connection::{
    Settings,
    search_attributes::{self as registration, SearchAttributes as Registered},
};
use temporalio_client::{
    Client, NamespacedClient, WorkflowGetResultOptions, WorkflowHandle, WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy, WorkflowQueryOptions, WorkflowSignalOptions, WorkflowStartOptions,
    errors::{WorkflowGetResultError, WorkflowInteractionError, WorkflowQueryError, WorkflowStartError},
    tonic::{Code, IntoRequest, Status},
};
use temporalio_common::{
    MemoValues,
    error::IncomingError,
    protos::temporal::api::{
        common::v1::{Header, Payload},
        workflowservice::v1::ListWorkflowExecutionsRequest,
    },
    search_attributes::SearchAttributes as Attributes,
};
use workflows::{
    ids,
    order_fulfillment::{OrderFulfillment, messages::OrderInput, progress::Order, progress::OrderState},
    search_attributes,
};

use super::{
    Awaited, GatewayError, OrderFilter, OrderGateway, OrderPage, OrderSignal, Started, WorkflowId, visibility,
};

/// Every answer comes within 5 s: this for the call itself, the rest to find out who is to blame.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);
const BLAME_TIMEOUT: Duration = Duration::from_millis(800);

/// Minor units in a major one.
const CENTS: f64 = 100.0;

struct Link {
    client: Client,
    search_attributes: Registered,
}

/// Reaches Temporal once it is there; until then every call is `Unavailable`.
pub struct TemporalGateway {
    task_queue: String,
    link: OnceLock<Link>,
}

impl TemporalGateway {
    pub fn new(task_queue: String) -> Self {
        Self { task_queue, link: OnceLock::new() }
    }

    /// Connects and decides about the search attributes, however long it takes. The connection then
    /// mends itself.
    pub async fn connect(self: Arc<Self>, settings: Settings) {
        let client = temporal_connection::connect_patiently(&settings).await;
        let search_attributes = registration::ensure_patiently(&client).await;
        // Called once.
        let _ = self.link.set(Link { client, search_attributes });
        tracing::info!("ready for orders");
    }

    pub fn dependency(self: Arc<Self>) -> Dependency {
        Dependency::new("temporal", move || {
            let client = self.link.get().map(|link| link.client.clone());
            async move {
                match client {
                    Some(client) => temporal_connection::ping(&client).await,
                    None => Err("not connected yet".to_owned()),
                }
            }
        })
    }

    fn link(&self) -> Result<&Link, GatewayError> {
        self.link.get().ok_or_else(|| GatewayError::Unavailable("not connected yet".to_owned()))
    }

    fn handle(&self, id: &WorkflowId) -> Result<WorkflowHandle<Client, OrderFulfillment>, GatewayError> {
        Ok(self.link()?.client.get_workflow_handle(id.as_str()))
    }

    /// Gives the run's id.
    async fn try_start(
        &self,
        link: &Link,
        input: &OrderInput,
        correlation: &CorrelationId,
    ) -> Result<String, WorkflowStartError> {
        let workflow_id = ids::order_workflow_id(&input.order_id);
        let mut memo = MemoValues::new();
        memo.insert(ids::CORRELATION_FIELD, correlation.to_string())
            .insert(ids::ORDER_ID_MEMO, input.order_id.clone())
            .insert(ids::CUSTOMER_ID_MEMO, input.customer_id.clone())
            .insert(ids::AMOUNT_MEMO, input.amount);
        let options = WorkflowStartOptions::new(self.task_queue.clone(), workflow_id)
            .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicateFailedOnly)
            .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
            .maybe_search_attributes(input.search_attributes.then(|| attributes(input)))
            .memo(memo)
            .header(header(correlation))
            .static_summary(format!("order {}", input.order_id))
            .build();
        let handle = link.client.start_workflow(OrderFulfillment::run, input.clone(), options).await?;
        Ok(handle.run_id().unwrap_or_default().to_owned())
    }

    /// A query that no worker answered, or Temporal itself that didn't?
    async fn blame(&self) -> GatewayError {
        let Ok(link) = self.link() else {
            return GatewayError::Unavailable("not connected".to_owned());
        };
        match tokio::time::timeout(BLAME_TIMEOUT, temporal_connection::ping(&link.client)).await {
            Ok(Ok(())) => GatewayError::WorkerUnavailable,
            Ok(Err(why)) => GatewayError::Unavailable(why),
            Err(_) => GatewayError::Unavailable("no answer".to_owned()),
        }
    }
}

#[async_trait]
impl OrderGateway for TemporalGateway {
    async fn start(
        &self,
        mut input: OrderInput,
        correlation: &CorrelationId,
    ) -> Result<Started, GatewayError> {
        let link = self.link()?;
        input.search_attributes = link.search_attributes == Registered::Usable;
        let workflow_id = WorkflowId::of_order(&input.order_id);
        let mut started = within(self.try_start(link, &input, correlation)).await?;
        if matches!(&started, Err(WorkflowStartError::Rpc(status)) if is_forgotten(status)) {
            // A development server that was started anew knows nothing of what the old one was told.
            within(registration::ensure_patiently(&link.client)).await?;
            started = within(self.try_start(link, &input, correlation)).await?;
        }
        Ok(Started { workflow_id, run_id: started? })
    }

    async fn state(&self, id: &WorkflowId) -> Result<OrderState, GatewayError> {
        let handle = self.handle(id)?;
        let query = handle.query(OrderFulfillment::status, (), WorkflowQueryOptions::default());
        match tokio::time::timeout(CALL_TIMEOUT, query).await {
            Ok(Ok(state)) => Ok(state),
            Ok(Err(WorkflowQueryError::NotFound(_))) => Err(GatewayError::NotFound),
            // No worker polls, or none that knows the workflow answers.
            Ok(Err(WorkflowQueryError::Rpc(status))) if is_silence(&status) => Err(self.blame().await),
            Ok(Err(WorkflowQueryError::Rpc(status))) => Err(status.into()),
            Ok(Err(error)) => Err(GatewayError::Failed(Box::new(error))),
            Err(_) => Err(self.blame().await),
        }
    }

    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited, GatewayError> {
        let handle = self.handle(id)?;
        let Ok(result) =
            tokio::time::timeout(at_most, handle.get_result(WorkflowGetResultOptions::default())).await
        else {
            return Ok(Awaited::StillRunning);
        };
        let told = match result {
            Ok(state) => Some(state),
            Err(WorkflowGetResultError::Failed(error)) => final_state(&error),
            Err(WorkflowGetResultError::NotFound(_)) => return Err(GatewayError::NotFound),
            Err(WorkflowGetResultError::Rpc(status)) => return Err(status.into()),
            // Terminated or timed out from outside: what it had reached is what there is to tell.
            Err(error) if error.is_workflow_outcome() => None,
            Err(error) => return Err(GatewayError::Failed(Box::new(error))),
        };
        let state = match told {
            Some(state) => state,
            None => self.state(id).await?,
        };
        Ok(Awaited::Ended(Box::new(state)))
    }

    async fn signal(&self, id: &WorkflowId, signal: OrderSignal) -> Result<(), GatewayError> {
        let handle = self.handle(id)?;
        let options = WorkflowSignalOptions::default();
        let sent = async {
            match signal {
                OrderSignal::Approve => handle.signal(OrderFulfillment::approve, ().into(), options).await,
                OrderSignal::Reject(reason) => {
                    handle.signal(OrderFulfillment::reject, reason.into(), options).await
                }
                OrderSignal::Cancel(reason) => {
                    handle.signal(OrderFulfillment::cancel, reason.into(), options).await
                }
                OrderSignal::RetryCompensation => {
                    handle.signal(OrderFulfillment::retry_compensation, ().into(), options).await
                }
                OrderSignal::ResolveCompensation(by_hand) => {
                    handle.signal(OrderFulfillment::resolve_compensation, by_hand.into(), options).await
                }
            }
        };
        match within(sent).await? {
            Ok(()) => Ok(()),
            Err(WorkflowInteractionError::NotFound(_)) => Err(GatewayError::NotFound),
            Err(WorkflowInteractionError::Rpc(status)) => Err(status.into()),
            Err(error) => Err(GatewayError::Failed(Box::new(error))),
        }
    }

    async fn list(&self, filter: &OrderFilter, limit: u8, page: Vec<u8>) -> Result<OrderPage, GatewayError> {
        let link = self.link()?;
        if link.search_attributes == Registered::Unusable && *filter != OrderFilter::default() {
            return Err(GatewayError::NotSearchable);
        }
        let first_page = page.is_empty();
        let request = ListWorkflowExecutionsRequest {
            namespace: link.client.namespace(),
            page_size: i32::from(limit),
            next_page_token: page,
            query: visibility::query(filter),
        };
        let mut service = link.client.connection().workflow_service();
        match within(service.list_workflow_executions(request.into_request())).await? {
            Ok(response) => {
                let response = response.into_inner();
                let orders = response.executions.iter().filter_map(visibility::order).collect();
                Ok(OrderPage { orders, next: response.next_page_token })
            }
            Err(status) if status.code() == Code::InvalidArgument && !first_page => {
                Err(GatewayError::BadPageToken)
            }
            Err(status) => Err(status.into()),
        }
    }
}

async fn within<T>(call: impl Future<Output = T>) -> Result<T, GatewayError> {
    tokio::time::timeout(CALL_TIMEOUT, call)
        .await
        .map_err(|_| GatewayError::Unavailable(format!("no answer within {} s", CALL_TIMEOUT.as_secs())))
}

/// The state that an order's own failure carries; none where something else made it fail.
fn final_state(error: &IncomingError) -> Option<OrderState> {
    match error {
        IncomingError::Application(failure) => failure.details().ok().flatten(),
        _ => None,
    }
}

fn attributes(input: &OrderInput) -> Attributes {
    let status = Order::new(&input.order_id, input.requires_approval).state().status;
    // For display and range queries only.
    #[allow(clippy::cast_precision_loss, reason = "an order is at most 99 999 999 minor units")]
    let total = input.amount as f64 / CENTS;
    Attributes::new([
        search_attributes::ORDER_ID.value_set(input.order_id.clone()),
        search_attributes::CUSTOMER_ID.value_set(input.customer_id.clone()),
        search_attributes::ORDER_STATUS.value_set(status.name().to_owned()),
        search_attributes::TOTAL_AMOUNT.value_set(total),
    ])
}

fn header(correlation: &CorrelationId) -> Header {
    let payload = Payload {
        metadata: [("encoding".to_owned(), b"binary/plain".to_vec())].into(),
        data: correlation.as_str().as_bytes().to_vec(),
        ..Default::default()
    };
    Header { fields: [(ids::CORRELATION_FIELD.to_owned(), payload)].into() }
}

/// The namespace lost the search attributes that it had.
fn is_forgotten(status: &Status) -> bool {
    status.code() == Code::InvalidArgument && status.message().contains("search attribute")
}

/// Nobody answered, as far as the server can tell.
fn is_silence(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::DeadlineExceeded | Code::FailedPrecondition | Code::Cancelled | Code::Unavailable
    )
}

impl From<Status> for GatewayError {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::NotFound => Self::NotFound,
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::ResourceExhausted => {
                Self::Unavailable(status.message().to_owned())
            }
            _ => Self::Failed(Box::new(status)),
        }
    }
}

impl From<WorkflowStartError> for GatewayError {
    fn from(error: WorkflowStartError) -> Self {
        match error {
            WorkflowStartError::AlreadyStarted { run_id, .. } => Self::AlreadyExists { run_id },
            WorkflowStartError::Rpc(status) => status.into(),
            other => Self::Failed(Box::new(other)),
        }
    }
}
