//! Orders over a real Temporal server.

use std::time::Duration;

use async_trait::async_trait;
use service_kit::correlation::CorrelationId;
use temporal_connection::search_attributes::{self as registration, SearchAttributes as Registered};
use temporalio_client::{
    NamespacedClient, WorkflowIdReusePolicy, WorkflowSignalOptions,
    errors::WorkflowStartError,
    tonic::{Code, IntoRequest, Status},
};
use temporalio_common::{
    protos::temporal::api::workflowservice::v1::ListWorkflowExecutionsRequest,
    search_attributes::SearchAttributes as Attributes,
};
use workflows::{
    ids,
    order_fulfillment::{
        OrderFulfillment,
        messages::OrderInput,
        progress::{Order, OrderState},
    },
    search_attributes,
};

use super::{Link, TemporalGateway, is_bad_token, told, within};
use crate::gateway::{
    Awaited, GatewayError, OrderFilter, OrderGateway, OrderPage, OrderSignal, Started, WorkflowId, visibility,
};

/// Minor units in a major one.
const CENTS: f64 = 100.0;

impl TemporalGateway {
    /// Gives the run's id.
    async fn try_start(
        &self,
        link: &Link,
        id: &WorkflowId,
        input: &OrderInput,
        correlation: &CorrelationId,
    ) -> Result<String, WorkflowStartError> {
        let mut options = self.options(id, correlation, format!("order {}", input.order_id), |memo| {
            memo.insert(ids::ORDER_ID_MEMO, input.order_id.clone())
                .insert(ids::CUSTOMER_ID_MEMO, input.customer_id.clone())
                .insert(ids::AMOUNT_MEMO, input.amount);
        });
        options.id_reuse_policy = WorkflowIdReusePolicy::AllowDuplicateFailedOnly;
        options.search_attributes = input.search_attributes.then(|| attributes(input));
        let handle = link.client.start_workflow(OrderFulfillment::run, input.clone(), options).await?;
        Ok(handle.run_id().unwrap_or_default().to_owned())
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
        let mut started = within(self.try_start(link, &workflow_id, &input, correlation)).await?;
        if matches!(&started, Err(WorkflowStartError::Rpc(status)) if is_forgotten(status)) {
            // A development server that was started anew knows nothing of what the old one was told.
            within(registration::ensure_patiently(&link.client)).await?;
            started = within(self.try_start(link, &workflow_id, &input, correlation)).await?;
        }
        Ok(Started { workflow_id, run_id: started? })
    }

    async fn state(&self, id: &WorkflowId) -> Result<OrderState, GatewayError> {
        self.query::<OrderFulfillment, _>(id, OrderFulfillment::status).await
    }

    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited, GatewayError> {
        self.outcome::<OrderFulfillment, _>(id, at_most, OrderFulfillment::status).await
    }

    async fn signal(&self, id: &WorkflowId, signal: OrderSignal) -> Result<(), GatewayError> {
        let handle = self.handle::<OrderFulfillment>(id)?;
        let options = WorkflowSignalOptions::default();
        told(async {
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
        })
        .await
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
            Err(status) if !first_page && is_bad_token(&status) => Err(GatewayError::BadPageToken),
            Err(status) => Err(status.into()),
        }
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

/// The namespace lost the search attributes that it had.
fn is_forgotten(status: &Status) -> bool {
    status.code() == Code::InvalidArgument && status.message().contains("search attribute")
}
