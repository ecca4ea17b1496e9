//! Implements returns over a real Temporal server.

use std::time::Duration;

use async_trait::async_trait;
use service_kit::correlation::CorrelationId;
use temporalio_client::{WorkflowIdReusePolicy, WorkflowSignalOptions};
use temporalio_common::protos::temporal::api::{
    enums::v1::HistoryEventFilterType, history::v1::history_event::Attributes,
};
use workflows::{
    activities::shipping::CreateLabel,
    ids::Call,
    order_fulfillment::{OrderFulfillment, messages::OrderInput},
    order_return::{ReturnWorkflow, messages::ReturnInput, state::ReturnState},
    saga::Reason,
};

use super::{
    TemporalGateway,
    recall::{Past, first},
    signalled, within,
};
use crate::{
    gateway::{Awaited, Begun, FlowGateway, GatewayError, Observed, ReturnFlow, ReturnGateway, WorkflowId},
    idempotency::Claim,
    order_return::Shipment,
};

#[async_trait]
impl FlowGateway<ReturnFlow> for TemporalGateway {
    async fn start(
        &self,
        id: &WorkflowId,
        input: ReturnInput,
        claim: &Claim,
        correlation: &CorrelationId,
    ) -> Result<Begun, GatewayError> {
        let summary = format!("return {}", input.return_id);
        let mut options = self.options(id, claim, correlation, summary, |_| ());
        options.search_attributes = self.key_attribute(claim)?;
        // A second return with this id would have the idempotency keys of the first one.
        let reuse = WorkflowIdReusePolicy::RejectDuplicate;
        self.begin_with(id, claim, reuse, (|| ReturnWorkflow::run, input), options).await
    }

    async fn state(&self, id: &WorkflowId) -> Result<Observed<ReturnState>, GatewayError> {
        self.observe::<ReturnWorkflow, _>(id, || ReturnWorkflow::state).await
    }

    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited<ReturnState>, GatewayError> {
        self.outcome::<ReturnWorkflow, _>(id, at_most, || ReturnWorkflow::state).await
    }

    async fn cancel(&self, id: &WorkflowId, reason: Reason) -> Result<(), GatewayError> {
        let handle = self.handle::<ReturnWorkflow>(id)?;
        signalled(handle.signal(ReturnWorkflow::cancel, reason.into(), WorkflowSignalOptions::default()))
            .await
    }
}

#[async_trait]
impl ReturnGateway for TemporalGateway {
    async fn shipment(&self, order: &WorkflowId) -> Result<Shipment, GatewayError> {
        let run = self.describe::<OrderFulfillment>(order).await?.run;
        let events = within(self.events(order, &run, HistoryEventFilterType::AllEvent)).await??;
        let unreadable = || GatewayError::Failed("the order's history can't be read".into());
        let input: OrderInput = Past(&events).input().ok_or_else(unreadable)?;
        // The address can have changed after the start. The label has the last one.
        let label = events.iter().find_map(|event| match event.attributes.as_ref()? {
            Attributes::ActivityTaskScheduledEventAttributes(scheduled)
                if scheduled.activity_id == Call::CreateShippingLabel.name() =>
            {
                first::<CreateLabel>(scheduled.input.as_ref())
            }
            _ => None,
        });
        Ok(Shipment {
            order_id: input.order_id,
            first_run_id: run.first_run_id,
            items: input.items,
            amount: input.amount,
            currency: input.currency,
            address: label.map_or(input.shipping_address, |label| label.address),
        })
    }

    async fn begun_by(&self, id: &WorkflowId, claim: &Claim) -> Result<Option<Begun>, GatewayError> {
        self.begun_before::<ReturnWorkflow>(id, claim).await
    }
}
