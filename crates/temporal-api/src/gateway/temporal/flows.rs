//! Implements payments and user contexts over a real Temporal server.

use std::time::Duration;

use async_trait::async_trait;
use service_kit::correlation::CorrelationId;
use temporalio_client::{WorkflowIdReusePolicy, WorkflowSignalOptions};
use workflows::{
    ids,
    payment::{PaymentWorkflow, messages::PaymentInput, state::PaymentState},
    saga::Reason,
    user_context::{UserContextWorkflow, messages::UserContextInput, state::UserContextState},
};

use super::{TemporalGateway, signalled};
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
        let summary = format!("payment {}", input.order_id);
        let mut options = self.options(id, claim, correlation, summary, |memo| {
            memo.insert(ids::ORDER_ID_MEMO, input.order_id.clone())
                .insert(ids::AMOUNT_MEMO, input.amount)
                .insert(ids::CURRENCY_MEMO, input.currency.clone());
        });
        options.search_attributes = self.key_attribute(claim)?;
        // A caller can try again a payment that failed or was refunded.
        let reuse = WorkflowIdReusePolicy::AllowDuplicateFailedOnly;
        self.begin_with(id, claim, reuse, (|| PaymentWorkflow::run, input), options).await
    }

    async fn state(&self, id: &WorkflowId) -> Result<Observed<PaymentState>, GatewayError> {
        self.observe::<PaymentWorkflow, _>(id, || PaymentWorkflow::progress).await
    }

    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited<PaymentState>, GatewayError> {
        self.outcome::<PaymentWorkflow, _>(id, at_most, || PaymentWorkflow::progress).await
    }

    async fn cancel(&self, id: &WorkflowId, reason: Reason) -> Result<(), GatewayError> {
        let handle = self.handle::<PaymentWorkflow>(id)?;
        signalled(handle.signal(PaymentWorkflow::cancel, reason.into(), WorkflowSignalOptions::default()))
            .await
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
        let mut options = self.options(id, claim, correlation, "user context", |_| ());
        options.search_attributes = self.key_attribute(claim)?;
        // The workflow changes nothing, so a caller can repeat it.
        let reuse = WorkflowIdReusePolicy::AllowDuplicate;
        self.begin_with(id, claim, reuse, (|| UserContextWorkflow::run, input), options).await
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
        signalled(handle.signal(UserContextWorkflow::cancel, reason.into(), WorkflowSignalOptions::default()))
            .await
    }
}
