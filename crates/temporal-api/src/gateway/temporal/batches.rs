//! Implements batches over a real Temporal server.

use std::time::Duration;

use async_trait::async_trait;
use service_kit::correlation::CorrelationId;
use temporal_connection::search_attributes::SearchAttributes as Registered;
use temporalio_client::{WorkflowExecuteUpdateOptions, WorkflowIdReusePolicy, WorkflowSignalOptions};
use workflows::{
    order_batch::{
        OrderBatchWorkflow,
        messages::{AddOrders, BatchInput},
        state::{BatchChange, BatchState},
    },
    saga::Reason,
};

use super::{TemporalGateway, orders::update_options, signalled};
use crate::{
    gateway::{Awaited, BatchFlow, BatchGateway, Begun, FlowGateway, GatewayError, Observed, WorkflowId},
    idempotency::Claim,
};

#[async_trait]
impl FlowGateway<BatchFlow> for TemporalGateway {
    async fn start(
        &self,
        id: &WorkflowId,
        input: BatchInput,
        claim: &Claim,
        correlation: &CorrelationId,
    ) -> Result<Begun, GatewayError> {
        let summary = format!("batch {} of {} orders", input.batch_id, input.orders);
        let mut options = self.options(id, claim, correlation, summary, |_| ());
        options.search_attributes = self.key_attribute(claim)?;
        // The chunks of a second batch with this id would have the ids of the first one's.
        let reuse = WorkflowIdReusePolicy::RejectDuplicate;
        self.begin_with(id, claim, reuse, (|| OrderBatchWorkflow::run, input), options).await
    }

    async fn state(&self, id: &WorkflowId) -> Result<Observed<BatchState>, GatewayError> {
        self.observe::<OrderBatchWorkflow, _>(id, || OrderBatchWorkflow::state).await
    }

    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited<BatchState>, GatewayError> {
        self.outcome::<OrderBatchWorkflow, _>(id, at_most, || OrderBatchWorkflow::state).await
    }

    async fn cancel(&self, id: &WorkflowId, _reason: Reason) -> Result<(), GatewayError> {
        let handle = self.handle::<OrderBatchWorkflow>(id)?;
        signalled(handle.signal(OrderBatchWorkflow::cancel, ().into(), WorkflowSignalOptions::default()))
            .await
    }
}

#[async_trait]
impl BatchGateway for TemporalGateway {
    async fn add(&self, id: &WorkflowId, mut chunk: AddOrders) -> Result<BatchState, GatewayError> {
        let is_usable = self.link()?.search_attributes == Registered::Usable;
        for order in &mut chunk.orders {
            order.order.search_attributes = is_usable;
        }
        self.across_runs::<OrderBatchWorkflow, _, _>(id, || {
            let chunk = chunk.clone();
            async move {
                let handle = self.handle::<OrderBatchWorkflow>(id)?;
                let options = WorkflowExecuteUpdateOptions::default();
                self.updated(handle.execute_update(OrderBatchWorkflow::add_orders, chunk, options)).await
            }
        })
        .await
    }

    async fn change(
        &self,
        id: &WorkflowId,
        change: BatchChange,
        claim: &Claim,
    ) -> Result<BatchState, GatewayError> {
        self.across_runs::<OrderBatchWorkflow, _, _>(id, || async move {
            let handle = self.handle::<OrderBatchWorkflow>(id)?;
            let options = update_options(claim);
            self.updated(handle.execute_update(OrderBatchWorkflow::change, change, options)).await
        })
        .await
    }
}
