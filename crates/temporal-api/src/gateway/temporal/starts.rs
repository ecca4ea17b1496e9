//! Starts a workflow once for one request, even if that request arrives several times.

use futures::{FutureExt, future::BoxFuture};
use serde::{Deserialize, Serialize};
use temporal_connection::search_attributes::SearchAttributes as Registered;
use temporalio_client::{
    NamespacedClient, WorkflowIdReusePolicy, WorkflowStartOptions, errors::WorkflowStartError,
    tonic::IntoRequest,
};
use temporalio_common::{
    HasWorkflowDefinition, MemoValues,
    protos::temporal::api::workflowservice::v1::ListWorkflowExecutionsRequest,
    search_attributes::SearchAttributes as Attributes,
};
use workflows::{ids, order_fulfillment::state::OrderStatus, search_attributes};

use super::{
    TemporalGateway,
    observing::{Described, read},
    within,
};
use crate::{
    gateway::{Begun, GatewayError, Started, WorkflowId},
    idempotency::{Claim, KeyDigest},
};

/// Limits the runs of a key. A key names one workflow, so its runs are few.
const RUNS_OF_A_KEY: i32 = 20;

/// Holds the part of the request that the memo of its workflow keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    fingerprint: String,
}

/// Describes a workflow that was started before, and its request.
struct Earlier {
    workflow_id: String,
    first_run_id: String,
    correlation_id: Option<String>,
    request: Option<Request>,
    is_running: bool,
    status: Option<OrderStatus>,
}

impl From<(&WorkflowId, Described)> for Earlier {
    fn from((id, described): (&WorkflowId, Described)) -> Self {
        Self {
            workflow_id: id.as_str().to_owned(),
            request: described.memo(ids::REQUEST_MEMO),
            correlation_id: described.memo(ids::CORRELATION_FIELD),
            is_running: described.is_running(),
            status: described.attribute(search_attributes::ORDER_STATUS.name()),
            first_run_id: described.run.first_run_id,
        }
    }
}

impl Earlier {
    /// Returns the first answer again if the same key started this. Returns `None` for another key or
    /// no key.
    fn answer(&self, id: &WorkflowId, claim: &Claim) -> Option<Result<Begun, GatewayError>> {
        let request = self.request.as_ref()?;
        if claim.key.as_ref()?.as_str() != request.key.as_deref()? {
            return None;
        }
        if self.workflow_id != id.as_str() || request.fingerprint != claim.fingerprint.as_str() {
            return Some(Err(GatewayError::KeyReused { workflow_id: self.workflow_id.clone() }));
        }
        Some(Ok(Begun::Replayed { started: self.started(id), correlation_id: self.correlation_id.clone() }))
    }

    fn is_of_the_same_request(&self, claim: &Claim) -> bool {
        self.request.as_ref().is_some_and(|request| request.fingerprint == claim.fingerprint.as_str())
    }

    fn started(&self, id: &WorkflowId) -> Started {
        Started { workflow_id: id.clone(), run_id: self.first_run_id.clone() }
    }
}

/// Writes the key and the fingerprint of a request into the memo.
pub fn remember(memo: &mut MemoValues, claim: &Claim) {
    let key = claim.key.as_ref().map(ToString::to_string);
    memo.insert(ids::REQUEST_MEMO, Request { key, fingerprint: claim.fingerprint.as_str().to_owned() });
}

impl TemporalGateway {
    /// Returns the search attribute for a key, if the namespace knows it.
    pub(super) fn key_attribute(&self, claim: &Claim) -> Result<Option<Attributes>, GatewayError> {
        let is_usable = self.link()?.search_attributes == Registered::Usable;
        let key = claim.key.as_ref().filter(|_| is_usable);
        Ok(key.map(|key| Attributes::new([search_attributes::IDEMPOTENCY_KEY.value_set(key.to_string())])))
    }

    /// Starts a workflow for a request, unless that request started one before.
    ///
    /// `start` returns the run's id. With a key its policy can be stricter than `reuse`. The same
    /// request may have started a run a moment ago, which has failed since. Another run must not follow
    /// it.
    pub(super) async fn begin<'a, W: HasWorkflowDefinition>(
        &'a self,
        id: &'a WorkflowId,
        claim: &'a Claim,
        reuse: WorkflowIdReusePolicy,
        start: impl Fn(WorkflowIdReusePolicy) -> BoxFuture<'a, Result<String, WorkflowStartError>> + Sync,
    ) -> Result<Begun, GatewayError> {
        let mut policy = reuse;
        if let Some(key) = &claim.key {
            match self.earlier::<W>(id).await? {
                Some(earlier) => {
                    if let Some(answer) = earlier.answer(id, claim) {
                        return answer;
                    }
                }
                None => policy = WorkflowIdReusePolicy::RejectDuplicate,
            }
            if let Some(answer) = self.of_key(key).await.and_then(|earlier| earlier.answer(id, claim)) {
                return answer;
            }
        }
        loop {
            let exists = match within(start(policy)).await? {
                Ok(run_id) => return Ok(Begun::Started(Started { workflow_id: id.clone(), run_id })),
                Err(WorkflowStartError::AlreadyStarted { run_id, .. }) => run_id,
                Err(error) => return Err(error.into()),
            };
            let Some(earlier) = self.earlier::<W>(id).await? else {
                return Err(GatewayError::AlreadyExists { run_id: exists });
            };
            if let Some(answer) = earlier.answer(id, claim) {
                return answer;
            }
            if earlier.is_running && earlier.is_of_the_same_request(claim) {
                return Ok(Begun::Running { started: earlier.started(id), status: earlier.status });
            }
            if policy == reuse {
                return Err(GatewayError::AlreadyExists { run_id: exists });
            }
            // Another request was quicker, so the workflow's own policy decides.
            policy = reuse;
        }
    }

    /// Starts a workflow as [`Self::begin`] does, with options that have everything but the reuse policy.
    pub(super) async fn begin_with<W>(
        &self,
        id: &WorkflowId,
        claim: &Claim,
        reuse: WorkflowIdReusePolicy,
        (workflow, input): (fn() -> W, W::Input),
        options: WorkflowStartOptions,
    ) -> Result<Begun, GatewayError>
    where
        W: HasWorkflowDefinition + Send,
        W::Input: Clone + Send + Sync,
    {
        let link = self.link()?;
        let start = |policy| {
            let (input, mut options) = (input.clone(), options.clone());
            options.id_reuse_policy = policy;
            async move {
                let handle = link.client.start_workflow(workflow(), input, options).await?;
                Ok(handle.run_id().unwrap_or_default().to_owned())
            }
            .boxed()
        };
        self.begin::<W>(id, claim, reuse, start).await
    }

    /// Returns how a workflow began, if this request started it: under the same key, or while it still runs.
    pub(super) async fn begun_before<W: HasWorkflowDefinition>(
        &self,
        id: &WorkflowId,
        claim: &Claim,
    ) -> Result<Option<Begun>, GatewayError> {
        let Some(earlier) = self.earlier::<W>(id).await? else { return Ok(None) };
        match earlier.answer(id, claim) {
            Some(answer) => answer.map(Some),
            None if earlier.is_running && earlier.is_of_the_same_request(claim) => {
                Ok(Some(Begun::Running { started: earlier.started(id), status: None }))
            }
            None => Ok(None),
        }
    }

    async fn earlier<W: HasWorkflowDefinition>(
        &self,
        id: &WorkflowId,
    ) -> Result<Option<Earlier>, GatewayError> {
        match self.describe::<W>(id).await {
            Ok(described) => Ok(Some(Earlier::from((id, described)))),
            Err(GatewayError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Searches all workflows for a key, also other ids and earlier runs. The search lags behind. If it
    /// is not possible, only the workflow's own memo remains.
    async fn of_key(&self, key: &KeyDigest) -> Option<Earlier> {
        let link = self.link().ok().filter(|link| link.search_attributes == Registered::Usable)?;
        let request = ListWorkflowExecutionsRequest {
            namespace: link.client.namespace(),
            page_size: RUNS_OF_A_KEY,
            query: format!("{} = '{key}'", search_attributes::IDEMPOTENCY_KEY.name()),
            ..Default::default()
        };
        let mut service = link.client.connection().workflow_service();
        let found = match within(service.list_workflow_executions(request.into_request())).await {
            Ok(Ok(found)) => found.into_inner().executions,
            Ok(Err(status)) => {
                tracing::warn!(code = ?status.code(), message = status.message(), "the key could not be looked up");
                return None;
            }
            Err(error) => {
                tracing::warn!(%error, "the key could not be looked up");
                return None;
            }
        };
        // A continued workflow has several runs with its key.
        let first = found
            .into_iter()
            .min_by_key(|info| info.start_time.as_ref().map_or((i64::MAX, 0), |at| (at.seconds, at.nanos)))?;
        let execution = first.execution?;
        let memo = |name: &str| first.memo.as_ref().and_then(|memo| memo.fields.get(name));
        Some(Earlier {
            workflow_id: execution.workflow_id,
            first_run_id: Some(first.first_run_id.clone())
                .filter(|id| !id.is_empty())
                .unwrap_or(execution.run_id),
            correlation_id: memo(ids::CORRELATION_FIELD).and_then(read),
            request: memo(ids::REQUEST_MEMO).and_then(read),
            is_running: false,
            status: None,
        })
    }
}
