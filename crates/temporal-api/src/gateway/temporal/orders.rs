//! Implements orders over a real Temporal server.

use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use rust_decimal::prelude::ToPrimitive;
use service_kit::correlation::CorrelationId;
use temporal_connection::search_attributes::{self as registration, SearchAttributes as Registered};
use temporalio_client::{
    WorkflowExecuteUpdateOptions, WorkflowIdReusePolicy, WorkflowSignalOptions,
    errors::WorkflowStartError,
    tonic::{Code, Status},
};
use temporalio_common::search_attributes::SearchAttributes as Attributes;
use workflows::{
    activities::shipping::Address,
    ids,
    order_fulfillment::{
        OrderFulfillment,
        messages::{AddressChange, Decide, Decided, OrderInput},
        state::{Order, OrderState},
    },
    search_attributes,
};

use super::{Link, TemporalGateway, signalled};
use crate::{
    gateway::{
        Awaited, Begun, GatewayError, Observed, OrderFilter, OrderGateway, OrderPage, OrderSignal,
        WorkflowId, visibility,
    },
    idempotency::Claim,
    money::Currency,
};

impl TemporalGateway {
    /// Starts the order's workflow, and returns the run's id.
    async fn try_start(
        &self,
        link: &Link,
        id: &WorkflowId,
        input: &OrderInput,
        claim: &Claim,
        correlation: &CorrelationId,
        policy: WorkflowIdReusePolicy,
    ) -> Result<String, WorkflowStartError> {
        let mut options = self.options(id, claim, correlation, format!("order {}", input.order_id), |memo| {
            memo.insert(ids::ORDER_ID_MEMO, input.order_id.clone())
                .insert(ids::CUSTOMER_ID_MEMO, input.customer_id.clone())
                .insert(ids::AMOUNT_MEMO, input.amount)
                .insert(ids::CURRENCY_MEMO, input.currency.clone());
        });
        options.id_reuse_policy = policy;
        options.search_attributes = input.search_attributes.then(|| attributes(input, claim));
        let handle = link.client.start_workflow(OrderFulfillment::run, input.clone(), options).await?;
        Ok(handle.run_id().unwrap_or_default().to_owned())
    }
}

#[async_trait]
impl OrderGateway for TemporalGateway {
    async fn start(
        &self,
        mut input: OrderInput,
        claim: &Claim,
        correlation: &CorrelationId,
    ) -> Result<Begun, GatewayError> {
        let link = self.link()?;
        input.search_attributes = link.search_attributes == Registered::Usable;
        let id = WorkflowId::of_order(&input.order_id);
        let start = |policy| {
            let (id, input) = (&id, &input);
            async move {
                let started = self.try_start(link, id, input, claim, correlation, policy).await;
                if matches!(&started, Err(WorkflowStartError::Rpc(status)) if is_forgotten(status)) {
                    // A restarted development server has lost the registrations of the previous one.
                    registration::ensure_with_retry(&link.client).await;
                    return self.try_start(link, id, input, claim, correlation, policy).await;
                }
                started
            }
            .boxed()
        };
        let reuse = WorkflowIdReusePolicy::AllowDuplicateFailedOnly;
        self.begin::<OrderFulfillment>(&id, claim, reuse, start).await
    }

    async fn state(&self, id: &WorkflowId) -> Result<Observed<OrderState>, GatewayError> {
        self.observe::<OrderFulfillment, _>(id, || OrderFulfillment::status).await
    }

    async fn customer(&self, id: &WorkflowId) -> Result<Option<String>, GatewayError> {
        let described = self.describe::<OrderFulfillment>(id).await?;
        Ok(described.info().and_then(visibility::order).and_then(|order| order.customer_id))
    }

    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited<OrderState>, GatewayError> {
        self.outcome::<OrderFulfillment, _>(id, at_most, || OrderFulfillment::status).await
    }

    async fn signal(&self, id: &WorkflowId, signal: OrderSignal) -> Result<(), GatewayError> {
        let handle = self.handle::<OrderFulfillment>(id)?;
        let options = WorkflowSignalOptions::default();
        signalled(async {
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

    async fn decide(&self, id: &WorkflowId, decide: Decide, claim: &Claim) -> Result<Decided, GatewayError> {
        let handle = self.handle::<OrderFulfillment>(id)?;
        self.updated(handle.execute_update(OrderFulfillment::decide, decide, update_options(claim))).await
    }

    async fn change_address(
        &self,
        id: &WorkflowId,
        address: Address,
        claim: &Claim,
    ) -> Result<AddressChange, GatewayError> {
        let handle = self.handle::<OrderFulfillment>(id)?;
        let update = OrderFulfillment::change_shipping_address;
        self.updated(handle.execute_update(update, address, update_options(claim))).await
    }

    async fn list(&self, filter: &OrderFilter, limit: u8, page: Vec<u8>) -> Result<OrderPage, GatewayError> {
        let link = self.link()?;
        if link.search_attributes == Registered::Unusable && filter.needs_search_attributes() {
            return Err(GatewayError::NotSearchable);
        }
        let response = self.list_executions(visibility::query(filter), i32::from(limit), page).await?;
        let orders = response.executions.iter().filter_map(visibility::order).collect();
        Ok(OrderPage { orders, next: response.next_page_token })
    }

    async fn count(&self, filter: &OrderFilter) -> Result<i64, GatewayError> {
        if self.link()?.search_attributes == Registered::Unusable && filter.needs_search_attributes() {
            return Err(GatewayError::NotSearchable);
        }
        self.count_executions(visibility::query(filter)).await
    }
}

/// Returns the options of an update. Temporal repeats the answer to a known update id.
pub(super) fn update_options(Claim { key, fingerprint }: &Claim) -> WorkflowExecuteUpdateOptions {
    let id = key.as_ref().map(|key| format!("{}/{}", key.as_str(), fingerprint.as_str()));
    WorkflowExecuteUpdateOptions::builder().maybe_update_id(id).build()
}

fn attributes(input: &OrderInput, claim: &Claim) -> Attributes {
    let status = Order::new(&input.order_id, input.requires_approval).state().status;
    let currency = input.currency.parse().unwrap_or(Currency::USD);
    let mut attributes = vec![
        search_attributes::ORDER_ID.value_set(input.order_id.clone()),
        search_attributes::CUSTOMER_ID.value_set(input.customer_id.clone()),
        search_attributes::ORDER_STATUS.value_set(status.name().to_owned()),
        // These values serve only for display and range queries.
        search_attributes::TOTAL_AMOUNT.value_set(currency.major(input.amount).to_f64().unwrap_or_default()),
    ];
    let key = claim.key.as_ref();
    attributes.extend(key.map(|key| search_attributes::IDEMPOTENCY_KEY.value_set(key.to_string())));
    Attributes::new(attributes)
}

/// Reports whether the namespace lost its search attributes.
fn is_forgotten(status: &Status) -> bool {
    status.code() == Code::InvalidArgument && status.message().contains("search attribute")
}
