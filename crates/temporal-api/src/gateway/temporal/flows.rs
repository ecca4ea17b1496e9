//! Payments and user contexts over a real Temporal server.

use std::time::Duration;

use async_trait::async_trait;
use service_kit::correlation::CorrelationId;
use temporalio_client::{WorkflowIdReusePolicy, WorkflowSignalOptions, errors::WorkflowStartError};
use workflows::{
    ids,
    payment::{PaymentWorkflow, messages::PaymentInput, progress::PaymentState},
    saga::Reason,
    user_context::{UserContextWorkflow, messages::UserContextInput, progress::UserContextState},
};

use super::{TemporalGateway, told, within};
use crate::gateway::{Awaited, FlowGateway, GatewayError, PaymentFlow, Started, UserContextFlow, WorkflowId};

#[async_trait]
impl FlowGateway<PaymentFlow> for TemporalGateway {
    async fn start(
        &self,
        id: &WorkflowId,
        input: PaymentInput,
        correlation: &CorrelationId,
    ) -> Result<Started, GatewayError> {
        let mut options = self.options(id, correlation, format!("payment {}", input.order_id), |memo| {
            memo.insert(ids::ORDER_ID_MEMO, input.order_id.clone()).insert(ids::AMOUNT_MEMO, input.amount);
        });
        // One that failed, or was given back, may be tried again.
        options.id_reuse_policy = WorkflowIdReusePolicy::AllowDuplicateFailedOnly;
        let starting = self.link()?.client.start_workflow(PaymentWorkflow::run, input, options);
        started(id, within(starting).await?.map(|handle| handle.run_id().map(str::to_owned)))
    }

    async fn state(&self, id: &WorkflowId) -> Result<PaymentState, GatewayError> {
        self.query::<PaymentWorkflow, _>(id, PaymentWorkflow::progress).await
    }

    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited<PaymentState>, GatewayError> {
        self.outcome::<PaymentWorkflow, _>(id, at_most, PaymentWorkflow::progress).await
    }

    async fn cancel(&self, id: &WorkflowId, reason: Reason) -> Result<(), GatewayError> {
        let handle = self.handle::<PaymentWorkflow>(id)?;
        told(handle.signal(PaymentWorkflow::cancel, reason.into(), WorkflowSignalOptions::default())).await
    }
}

#[async_trait]
impl FlowGateway<UserContextFlow> for TemporalGateway {
    async fn start(
        &self,
        id: &WorkflowId,
        input: UserContextInput,
        correlation: &CorrelationId,
    ) -> Result<Started, GatewayError> {
        let mut options = self.options(id, correlation, "user context", |_| ());
        // It changes nothing, so it may be asked for again and again.
        options.id_reuse_policy = WorkflowIdReusePolicy::AllowDuplicate;
        let starting = self.link()?.client.start_workflow(UserContextWorkflow::run, input, options);
        started(id, within(starting).await?.map(|handle| handle.run_id().map(str::to_owned)))
    }

    async fn state(&self, id: &WorkflowId) -> Result<UserContextState, GatewayError> {
        self.query::<UserContextWorkflow, _>(id, UserContextWorkflow::state).await
    }

    async fn wait(
        &self,
        id: &WorkflowId,
        at_most: Duration,
    ) -> Result<Awaited<UserContextState>, GatewayError> {
        self.outcome::<UserContextWorkflow, _>(id, at_most, UserContextWorkflow::state).await
    }

    async fn cancel(&self, id: &WorkflowId, reason: Reason) -> Result<(), GatewayError> {
        let handle = self.handle::<UserContextWorkflow>(id)?;
        told(handle.signal(UserContextWorkflow::cancel, reason.into(), WorkflowSignalOptions::default()))
            .await
    }
}

fn started(
    id: &WorkflowId,
    run: Result<Option<String>, WorkflowStartError>,
) -> Result<Started, GatewayError> {
    Ok(Started { workflow_id: id.clone(), run_id: run?.unwrap_or_default() })
}
