//! Observes workflows. The execution's own status decides. A running workflow answers a query. The
//! state of a closed one comes from its close event, so it needs no worker.

use std::time::Duration;

use serde::de::DeserializeOwned;
use temporalio_client::{
    Client, NamespacedClient, WorkflowDescribeOptions, WorkflowExecutionDescription, WorkflowExecutionInfo,
    WorkflowExecutionStatus as Status, WorkflowGetResultOptions, WorkflowHandle, WorkflowQueryOptions,
    errors::{WorkflowGetResultError, WorkflowInteractionError, WorkflowQueryError},
    tonic::IntoRequest,
};
use temporalio_common::{
    HasWorkflowDefinition, QueryDefinition,
    data_converters::TemporalDeserializable,
    protos::temporal::api::{
        common::v1::{Payload, WorkflowExecution},
        enums::v1::HistoryEventFilterType,
        failure::v1::{Failure, failure::FailureInfo},
        history::v1::{HistoryEvent as Event, history_event::Attributes},
        workflow::v1 as execution,
        workflowservice::v1::GetWorkflowExecutionHistoryRequest,
    },
};
use workflows::failure::StateError;

use super::{
    CALL_TIMEOUT, TemporalGateway, is_silence,
    recall::{Close, Past, Recall, first, state_error},
    within,
};
use crate::gateway::{Awaited, GatewayError, Observed, Outside, Run, WorkflowId};

/// Limits the reads of a workflow that continues as a new run. Between two calls it does not continue
/// more often than this.
const LOOKS: usize = 5;
const HISTORY_PAGE: i32 = 1000;

/// Holds the execution of a workflow as Temporal describes it.
pub struct Described {
    pub run: Run,
    pub status: Status,
    description: WorkflowExecutionDescription,
}

impl Described {
    /// Reads a value of the memo.
    pub fn memo<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.info()?.memo.as_ref()?.fields.get(name).and_then(read)
    }

    /// Returns the execution as lists have it.
    pub fn info(&self) -> Option<&execution::WorkflowExecutionInfo> {
        self.description.raw().workflow_execution_info.as_ref()
    }

    /// Reads a search attribute.
    pub fn attribute<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let info = self.description.raw().workflow_execution_info.as_ref()?;
        info.search_attributes.as_ref()?.indexed_fields.get(name).and_then(read)
    }

    /// Reports whether the workflow runs, or is about to continue in its next run.
    pub fn is_open(&self) -> bool {
        self.is_running() || self.status == Status::ContinuedAsNew
    }

    pub fn is_running(&self) -> bool {
        matches!(self.status, Status::Running | Status::Paused)
    }
}

/// Reads a value in JSON.
pub fn read<T: DeserializeOwned>(payload: &Payload) -> Option<T> {
    serde_json::from_slice(&payload.data).ok()
}

impl TemporalGateway {
    /// Describes the workflow's latest run.
    pub(super) async fn describe<W: HasWorkflowDefinition>(
        &self,
        id: &WorkflowId,
    ) -> Result<Described, GatewayError> {
        let handle = self.handle::<W>(id)?;
        let description = match within(handle.describe(WorkflowDescribeOptions::default())).await? {
            Ok(description) => description,
            Err(WorkflowInteractionError::NotFound(_)) => return Err(GatewayError::NotFound),
            Err(WorkflowInteractionError::Rpc(status)) => return Err(status.into()),
            Err(error) => return Err(GatewayError::Failed(Box::new(error))),
        };
        let first_run_id = description.raw().workflow_execution_info.as_ref().map(|info| &info.first_run_id);
        let run_id = description.run_id().to_owned();
        let run = Run {
            first_run_id: first_run_id.filter(|id| !id.is_empty()).cloned().unwrap_or_else(|| run_id.clone()),
            run_id,
            started_at: description.start_time(),
            closed_at: description.close_time(),
        };
        Ok(Described { run, status: description.status(), description })
    }

    /// Returns the state of the workflow's latest run.
    pub(super) async fn observe<W, Q>(
        &self,
        id: &WorkflowId,
        query: impl Fn() -> Q + Sync,
    ) -> Result<Observed<Q::Output>, GatewayError>
    where
        W: HasWorkflowDefinition,
        Q: QueryDefinition<Workflow = W::Run, Input = ()>,
        Q::Output: Recall,
    {
        for _ in 0..LOOKS {
            let Described { run, status, .. } = self.describe::<W>(id).await?;
            match status {
                // The next run is the latest one by now.
                Status::ContinuedAsNew => {}
                Status::Completed
                | Status::Failed
                | Status::Canceled
                | Status::Terminated
                | Status::TimedOut => {
                    return self.closed(id, run).await;
                }
                _ => {
                    let state = self.query::<W, Q>(id, &run, query()).await?;
                    return Ok(Observed { run, state, outside: None });
                }
            }
        }
        Err(GatewayError::Unavailable("the workflow goes on in ever new runs".to_owned()))
    }

    /// Waits until the workflow is closed, and returns its state then.
    pub(super) async fn outcome<W, Q>(
        &self,
        id: &WorkflowId,
        at_most: Duration,
        query: impl Fn() -> Q + Sync,
    ) -> Result<Awaited<Q::Output>, GatewayError>
    where
        W: HasWorkflowDefinition,
        W::Output: TemporalDeserializable + 'static,
        Q: QueryDefinition<Workflow = W::Run, Input = ()>,
        Q::Output: Recall,
    {
        let handle = self.handle::<W>(id)?;
        let closed = handle.get_result(WorkflowGetResultOptions::default());
        match tokio::time::timeout(at_most, closed).await {
            Err(_) => return Ok(Awaited::StillRunning),
            Ok(Err(WorkflowGetResultError::NotFound(_))) => return Err(GatewayError::NotFound),
            Ok(Err(WorkflowGetResultError::Rpc(status))) => return Err(status.into()),
            // The close event shows the state for each kind of end.
            Ok(_) => {}
        }
        let observed = self.observe::<W, Q>(id, query).await?;
        Ok(if observed.is_closed() { Awaited::Ended(Box::new(observed)) } else { Awaited::StillRunning })
    }

    /// Asks one run of a workflow for its state.
    async fn query<W, Q>(&self, id: &WorkflowId, run: &Run, query: Q) -> Result<Q::Output, GatewayError>
    where
        W: HasWorkflowDefinition,
        Q: QueryDefinition<Workflow = W::Run, Input = ()>,
    {
        let client = self.link()?.client.clone();
        let info = WorkflowExecutionInfo::builder()
            .namespace(client.namespace())
            .workflow_id(id.as_str())
            .run_id(run.run_id.clone())
            .build();
        let handle: WorkflowHandle<Client, W> = WorkflowHandle::new(client, info);
        let answer = handle.query(query, (), WorkflowQueryOptions::default());
        match tokio::time::timeout(CALL_TIMEOUT, answer).await {
            Ok(Ok(state)) => Ok(state),
            Ok(Err(WorkflowQueryError::NotFound(_))) => Err(GatewayError::NotFound),
            // No worker polls, or no worker that knows the workflow answers.
            Ok(Err(WorkflowQueryError::Rpc(status))) if is_silence(&status) => {
                tracing::warn!(code = ?status.code(), message = status.message(), "a query got no answer");
                Err(self.blame().await)
            }
            Ok(Err(WorkflowQueryError::Rpc(status))) => Err(status.into()),
            Ok(Err(error)) => Err(GatewayError::Failed(Box::new(error))),
            Err(_) => Err(self.blame().await),
        }
    }

    /// Returns the state of a closed run: from its close event, else from the rest of its history.
    async fn closed<S: Recall>(&self, id: &WorkflowId, run: Run) -> Result<Observed<S>, GatewayError> {
        let last = within(self.events(id, &run, HistoryEventFilterType::CloseEvent)).await??;
        let close = match last.last().and_then(|event| event.attributes.as_ref()) {
            Some(Attributes::WorkflowExecutionCompletedEventAttributes(completed)) => {
                match first(completed.result.as_ref()) {
                    Some(state) => return Ok(Observed { run, state, outside: None }),
                    None => Close { outside: None, error: unreadable() },
                }
            }
            Some(Attributes::WorkflowExecutionFailedEventAttributes(failed)) => {
                match failed.failure.as_ref().and_then(details) {
                    Some(state) => return Ok(Observed { run, state, outside: None }),
                    None => Close { outside: None, error: state_error(failed.failure.as_ref()) },
                }
            }
            Some(Attributes::WorkflowExecutionTimedOutEventAttributes(_)) => {
                Close { outside: Some(Outside::TimedOut), error: Outside::TimedOut.error("") }
            }
            Some(Attributes::WorkflowExecutionTerminatedEventAttributes(terminated)) => Close {
                outside: Some(Outside::Terminated),
                error: Outside::Terminated.error(&terminated.reason),
            },
            // None of our workflows ends like this, because their code did not run.
            _ => Close { outside: Some(Outside::Terminated), error: Outside::Terminated.error("") },
        };
        let events = within(self.events(id, &run, HistoryEventFilterType::AllEvent)).await??;
        match S::recall(&Past(&events), &close) {
            Some(state) => Ok(Observed { run, state, outside: close.outside }),
            None => Err(GatewayError::Failed("the workflow's history can't be read".into())),
        }
    }

    pub(super) async fn events(
        &self,
        id: &WorkflowId,
        run: &Run,
        which: HistoryEventFilterType,
    ) -> Result<Vec<Event>, GatewayError> {
        let link = self.link()?;
        let mut service = link.client.connection().workflow_service();
        let mut events = Vec::new();
        let mut page = Vec::new();
        loop {
            let request = GetWorkflowExecutionHistoryRequest {
                namespace: link.client.namespace(),
                execution: Some(WorkflowExecution {
                    workflow_id: id.as_str().to_owned(),
                    run_id: run.run_id.clone(),
                }),
                maximum_page_size: HISTORY_PAGE,
                next_page_token: page,
                history_event_filter_type: which.into(),
                ..Default::default()
            };
            let response = service.get_workflow_execution_history(request.into_request()).await?.into_inner();
            events.extend(response.history.unwrap_or_default().events);
            page = response.next_page_token;
            if page.is_empty() {
                return Ok(events);
            }
        }
    }
}

/// Reads the state from the failure of a workflow. Returns none if something else caused the failure.
fn details<S: DeserializeOwned>(failure: &Failure) -> Option<S> {
    match failure.failure_info.as_ref()? {
        FailureInfo::ApplicationFailureInfo(application) => first(application.details.as_ref()),
        _ => None,
    }
}

fn unreadable() -> StateError {
    StateError::new("INTERNAL", "the workflow's result can't be read")
}
