//! Implements the gateway over a real Temporal server.

mod batches;
mod flows;
mod history;
mod observing;
mod orders;
mod recall;
mod reconciliation;
mod returns;
mod starts;
mod subscriptions;

use std::{
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::{Duration, SystemTime},
};

use service_kit::{correlation::CorrelationId, health::Dependency};
use temporal_connection::{
    Settings,
    search_attributes::{self as registration, SearchAttributes as Registered},
};
use temporalio_client::{
    Client, NamespacedClient, WorkflowHandle, WorkflowIdConflictPolicy, WorkflowStartOptions,
    errors::{WorkflowInteractionError, WorkflowStartError, WorkflowUpdateError},
    tonic::{Code, IntoRequest, Status},
};
use temporalio_common::{
    HasWorkflowDefinition, MemoValues,
    protos::temporal::api::{
        common::v1::{Header, Payload},
        workflowservice::v1::{
            CountWorkflowExecutionsRequest, ListWorkflowExecutionsRequest, ListWorkflowExecutionsResponse,
        },
    },
};
use workflows::{ids, order_fulfillment::state::OrderStatus};

use super::{GatewayError, WorkflowId, visibility};
use crate::idempotency::Claim;

/// Limits one call, because every answer comes within 5 s. The rest of that time serves to find the
/// cause of a failure.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);
/// Limits the attempts at an update of a workflow that continues as a new run.
const UPDATE_ATTEMPTS: usize = 20;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(50);
const BLAME_TIMEOUT: Duration = Duration::from_millis(800);

struct Link {
    client: Client,
    search_attributes: Registered,
}

/// Reaches Temporal once it is available. Until then every call is `Unavailable`.
pub struct TemporalGateway {
    task_queue: String,
    link: OnceLock<Link>,
    /// Is true once this process has adapted the schedule of the reconciliations.
    is_scheduled: AtomicBool,
}

impl TemporalGateway {
    pub fn new(task_queue: String) -> Self {
        Self { task_queue, link: OnceLock::new(), is_scheduled: AtomicBool::new(false) }
    }

    /// Connects and checks the search attributes, with retries and without a timeout. Later the
    /// connection reconnects by itself.
    pub async fn connect(self: Arc<Self>, settings: Settings) {
        let client = temporal_connection::connect_with_retry(&settings).await;
        let search_attributes = registration::ensure_with_retry(&client).await;
        // This code runs once.
        let _ = self.link.set(Link { client, search_attributes });
        tracing::info!("ready for work");
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

    fn handle<W: HasWorkflowDefinition>(
        &self,
        id: &WorkflowId,
    ) -> Result<WorkflowHandle<Client, W>, GatewayError> {
        Ok(self.link()?.client.get_workflow_handle(id.as_str()))
    }

    /// Returns the options that every workflow of ours starts with.
    fn options<S: Into<String>>(
        &self,
        id: &WorkflowId,
        claim: &Claim,
        correlation: &CorrelationId,
        summary: S,
        memo: impl FnOnce(&mut MemoValues),
    ) -> WorkflowStartOptions {
        let mut values = MemoValues::new();
        values.insert(ids::CORRELATION_FIELD, correlation.to_string());
        starts::remember(&mut values, claim);
        memo(&mut values);
        WorkflowStartOptions::new(self.task_queue.clone(), id.as_str())
            .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
            .memo(values)
            .header(header(correlation))
            .static_summary(summary)
            .build()
    }

    /// Counts the running orders that have a status and started before a time.
    pub async fn count_orders(&self, status: OrderStatus, before: SystemTime) -> Result<i64, GatewayError> {
        if self.link()?.search_attributes == Registered::Unusable {
            return Err(GatewayError::NotSearchable);
        }
        self.count_executions(visibility::running_query(&self.task_queue, status, before)).await
    }

    /// Counts the executions that a query selects.
    async fn count_executions(&self, query: String) -> Result<i64, GatewayError> {
        let client = &self.link()?.client;
        let request = CountWorkflowExecutionsRequest { namespace: client.namespace(), query };
        let mut service = client.connection().workflow_service();
        let response = within(service.count_workflow_executions(request.into_request())).await??;
        Ok(response.into_inner().count)
    }

    /// Lists one page of the executions that a query selects.
    async fn list_executions(
        &self,
        query: String,
        page_size: i32,
        page: Vec<u8>,
    ) -> Result<ListWorkflowExecutionsResponse, GatewayError> {
        let client = &self.link()?.client;
        let is_first_page = page.is_empty();
        let namespace = client.namespace();
        let request = ListWorkflowExecutionsRequest { namespace, page_size, next_page_token: page, query };
        let mut service = client.connection().workflow_service();
        match within(service.list_workflow_executions(request.into_request())).await? {
            Ok(response) => Ok(response.into_inner()),
            Err(status) if !is_first_page && is_bad_token(&status) => Err(GatewayError::BadPageToken),
            Err(status) => Err(status.into()),
        }
    }

    /// Returns the outcome of an update. Without an answer in time, a worker may still run the update later.
    async fn updated<T>(
        &self,
        sent: impl Future<Output = Result<T, WorkflowUpdateError>>,
    ) -> Result<T, GatewayError> {
        match tokio::time::timeout(CALL_TIMEOUT, sent).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(WorkflowUpdateError::NotFound(_))) => Err(GatewayError::NotFound),
            Ok(Err(WorkflowUpdateError::Rpc(status))) if is_closing(&status) => Err(GatewayError::NotFound),
            Ok(Err(WorkflowUpdateError::Failed(failure))) => Err(GatewayError::Refused(failure.message)),
            Ok(Err(WorkflowUpdateError::Rpc(status))) if is_silence(&status) => {
                tracing::warn!(code = ?status.code(), message = status.message(), "an update got no answer");
                Err(self.blame().await)
            }
            Ok(Err(WorkflowUpdateError::Rpc(status))) => Err(status.into()),
            Ok(Err(error)) => Err(GatewayError::Failed(Box::new(error))),
            Err(_) => Err(self.blame().await),
        }
    }

    /// Sends an update again while the workflow continues as a new run.
    #[expect(clippy::disallowed_methods, reason = "waits for the next run")]
    async fn across_runs<W, T, F>(
        &self,
        id: &WorkflowId,
        send: impl Fn() -> F + Send + Sync,
    ) -> Result<T, GatewayError>
    where
        W: HasWorkflowDefinition,
        F: Future<Output = Result<T, GatewayError>> + Send,
        T: Send,
    {
        for _ in 1..UPDATE_ATTEMPTS {
            match send().await {
                // The run that it was sent to has continued as a new one.
                Err(GatewayError::NotFound) if self.describe::<W>(id).await?.is_open() => {
                    tokio::time::sleep(BETWEEN_ATTEMPTS).await;
                }
                answer => return answer,
            }
        }
        send().await
    }

    /// Finds the cause of a missing answer: no worker, or Temporal itself.
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

/// Returns the outcome of a signal.
async fn signalled(
    sent: impl Future<Output = Result<(), WorkflowInteractionError>>,
) -> Result<(), GatewayError> {
    match within(sent).await? {
        Ok(()) => Ok(()),
        Err(WorkflowInteractionError::NotFound(_)) => Err(GatewayError::NotFound),
        Err(WorkflowInteractionError::Rpc(status)) => Err(status.into()),
        Err(error) => Err(GatewayError::Failed(Box::new(error))),
    }
}

async fn within<T>(call: impl Future<Output = T>) -> Result<T, GatewayError> {
    tokio::time::timeout(CALL_TIMEOUT, call)
        .await
        .map_err(|_| GatewayError::Unavailable(format!("no answer within {} s", CALL_TIMEOUT.as_secs())))
}

fn header(correlation: &CorrelationId) -> Header {
    let payload = Payload {
        metadata: [("encoding".to_owned(), b"binary/plain".to_vec())].into(),
        data: correlation.as_str().as_bytes().to_vec(),
        ..Default::default()
    };
    Header { fields: [(ids::CORRELATION_FIELD.to_owned(), payload)].into() }
}

/// Reports whether a page token is not from the server. The server reports this in more than one way.
fn is_bad_token(status: &Status) -> bool {
    matches!(status.code(), Code::InvalidArgument | Code::Unknown)
}

/// Reports whether the run ends at this moment. The server has no code of its own for this.
fn is_closing(status: &Status) -> bool {
    status.message().contains("is closing") || status.message().contains("closing workflow")
}

/// Reports whether nobody answered, as far as the server knows.
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
