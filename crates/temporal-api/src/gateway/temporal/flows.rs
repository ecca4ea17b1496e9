//! Implements payments and user contexts over a real Temporal server.

use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use service_kit::correlation::CorrelationId;
use temporalio_client::{WorkflowIdReusePolicy, WorkflowSignalOptions};
use workflows::{
    ids,
    payment::{PaymentWorkflow, messages::PaymentInput, state::PaymentState},
    saga::Reason,
    user_context::{UserContextWorkflow, messages::UserContextInput, state::UserContextState},
};

use super::{TemporalGateway, told};
use crate::{
    gateway::{
        Awaited, Begun, FlowGateway, GatewayError, Observed, PaymentFlow, UserContextFlow, WorkflowId,
    },
    idempotency::Claim,
};

#[async_trait]
impl FlowGateway<PaymentFlow> for TemporalGateway {
    async fn start(
        &self,
        id: &WorkflowId,
        input: PaymentInput,
        claim: &Claim,
        correlation: &CorrelationId,
    ) -> Result<Begun, GatewayError> {
        let link = self.link()?;
        let key = self.key_attribute(claim)?;
        let start = |policy| {
            let (input, key) = (input.clone(), key.clone());
            let summary = format!("payment {}", input.order_id);
            async move {
                let mut options = self.options(id, claim, correlation, summary, |memo| {
                    memo.insert(ids::ORDER_ID_MEMO, input.order_id.clone())
                        .insert(ids::AMOUNT_MEMO, input.amount)
                        .insert(ids::CURRENCY_MEMO, input.currency.clone());
                });
                options.id_reuse_policy = policy;
                options.search_attributes = key;
                let handle = link.client.start_workflow(PaymentWorkflow::run, input, options).await?;
                Ok(handle.run_id().unwrap_or_default().to_owned())
            }
            .boxed()
        };
        // A caller can try again a payment that failed or was refunded.
        let reuse = WorkflowIdReusePolicy::AllowDuplicateFailedOnly;
        self.begin::<PaymentWorkflow>(id, claim, reuse, start).await
    }

    async fn state(&self, id: &WorkflowId) -> Result<Observed<PaymentState>, GatewayError> {
        self.observe::<PaymentWorkflow, _>(id, || PaymentWorkflow::progress).await
    }

    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited<PaymentState>, GatewayError> {
        self.outcome::<PaymentWorkflow, _>(id, at_most, || PaymentWorkflow::progress).await
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
        claim: &Claim,
        correlation: &CorrelationId,
    ) -> Result<Begun, GatewayError> {
        let link = self.link()?;
        let key = self.key_attribute(claim)?;
        let start = |policy| {
            let (input, key) = (input.clone(), key.clone());
            async move {
                let mut options = self.options(id, claim, correlation, "user context", |_| ());
                options.id_reuse_policy = policy;
                options.search_attributes = key;
                let handle = link.client.start_workflow(UserContextWorkflow::run, input, options).await?;
                Ok(handle.run_id().unwrap_or_default().to_owned())
            }
            .boxed()
        };
        // The workflow changes nothing, so a caller can repeat it.
        self.begin::<UserContextWorkflow>(id, claim, WorkflowIdReusePolicy::AllowDuplicate, start).await
    }

    async fn state(&self, id: &WorkflowId) -> Result<Observed<UserContextState>, GatewayError> {
        self.observe::<UserContextWorkflow, _>(id, || UserContextWorkflow::state).await
    }

    async fn wait(
        &self,
        id: &WorkflowId,
        at_most: Duration,
    ) -> Result<Awaited<UserContextState>, GatewayError> {
        self.outcome::<UserContextWorkflow, _>(id, at_most, || UserContextWorkflow::state).await
    }

    async fn cancel(&self, id: &WorkflowId, reason: Reason) -> Result<(), GatewayError> {
        let handle = self.handle::<UserContextWorkflow>(id)?;
        told(handle.signal(UserContextWorkflow::cancel, reason.into(), WorkflowSignalOptions::default()))
            .await
    }
}
