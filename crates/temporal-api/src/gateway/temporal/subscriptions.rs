//! Implements subscriptions over a real Temporal server.

use std::time::Duration;

use async_trait::async_trait;
use service_kit::correlation::CorrelationId;
use temporal_connection::search_attributes::SearchAttributes as Registered;
use temporalio_client::{WorkflowIdReusePolicy, WorkflowSignalOptions};
use temporalio_common::search_attributes::SearchAttributes as Attributes;
use workflows::{
    ids,
    saga::Reason,
    search_attributes,
    subscription::{
        SubscriptionWorkflow,
        messages::SubscriptionInput,
        state::{SubscriptionState, SubscriptionStatus},
    },
};

use super::{TemporalGateway, orders::update_options, signalled};
use crate::{
    gateway::{
        Awaited, Begun, FlowGateway, GatewayError, Observed, SubscriptionFilter, SubscriptionFlow,
        SubscriptionGateway, SubscriptionPage, SubscriptionUpdate, WorkflowId, visibility,
    },
    idempotency::Claim,
};

#[async_trait]
impl FlowGateway<SubscriptionFlow> for TemporalGateway {
    async fn start(
        &self,
        id: &WorkflowId,
        mut input: SubscriptionInput,
        claim: &Claim,
        correlation: &CorrelationId,
    ) -> Result<Begun, GatewayError> {
        input.search_attributes = self.link()?.search_attributes == Registered::Usable;
        let summary = format!("subscription {}", input.subscription_id);
        let mut options = self.options(id, claim, correlation, summary, |memo| {
            memo.insert(ids::CUSTOMER_ID_MEMO, input.customer_id.clone());
        });
        options.search_attributes = input.search_attributes.then(|| attributes(&input, claim));
        // A second subscription with this id would have the orders of the first one.
        let reuse = WorkflowIdReusePolicy::RejectDuplicate;
        self.begin_with(id, claim, reuse, (|| SubscriptionWorkflow::run, input), options).await
    }

    async fn state(&self, id: &WorkflowId) -> Result<Observed<SubscriptionState>, GatewayError> {
        self.observe::<SubscriptionWorkflow, _>(id, || SubscriptionWorkflow::state).await
    }

    async fn wait(
        &self,
        id: &WorkflowId,
        at_most: Duration,
    ) -> Result<Awaited<SubscriptionState>, GatewayError> {
        self.outcome::<SubscriptionWorkflow, _>(id, at_most, || SubscriptionWorkflow::state).await
    }

    async fn cancel(&self, id: &WorkflowId, reason: Reason) -> Result<(), GatewayError> {
        let handle = self.handle::<SubscriptionWorkflow>(id)?;
        let options = WorkflowSignalOptions::default();
        signalled(handle.signal(SubscriptionWorkflow::cancel_by_signal, reason.into(), options)).await
    }
}

#[async_trait]
impl SubscriptionGateway for TemporalGateway {
    async fn update(
        &self,
        id: &WorkflowId,
        update: SubscriptionUpdate,
        claim: &Claim,
    ) -> Result<SubscriptionState, GatewayError> {
        self.across_runs::<SubscriptionWorkflow, _, _>(id, || self.update_once(id, update.clone(), claim))
            .await
    }

    async fn list(
        &self,
        filter: &SubscriptionFilter,
        limit: u8,
        page: Vec<u8>,
    ) -> Result<SubscriptionPage, GatewayError> {
        let link = self.link()?;
        let needs_attributes = filter.status.is_some() || filter.customer.is_some();
        if link.search_attributes == Registered::Unusable && needs_attributes {
            return Err(GatewayError::NotSearchable);
        }
        let query = visibility::subscription_query(filter);
        let response = self.list_executions(query, i32::from(limit), page).await?;
        let subscriptions = response.executions.iter().filter_map(visibility::subscription).collect();
        Ok(SubscriptionPage { subscriptions, next: response.next_page_token })
    }
}

impl TemporalGateway {
    async fn update_once(
        &self,
        id: &WorkflowId,
        update: SubscriptionUpdate,
        claim: &Claim,
    ) -> Result<SubscriptionState, GatewayError> {
        let handle = self.handle::<SubscriptionWorkflow>(id)?;
        let options = update_options(claim);
        let sent = async {
            match update {
                SubscriptionUpdate::Pause => {
                    handle.execute_update(SubscriptionWorkflow::pause, ().into(), options).await
                }
                SubscriptionUpdate::Resume => {
                    handle.execute_update(SubscriptionWorkflow::resume, ().into(), options).await
                }
                SubscriptionUpdate::SkipNext => {
                    handle.execute_update(SubscriptionWorkflow::skip_next, ().into(), options).await
                }
                SubscriptionUpdate::Cancel => {
                    handle.execute_update(SubscriptionWorkflow::cancel, ().into(), options).await
                }
                SubscriptionUpdate::Items(terms) => {
                    handle.execute_update(SubscriptionWorkflow::change_items, terms, options).await
                }
                SubscriptionUpdate::ShippingAddress(address) => {
                    handle.execute_update(SubscriptionWorkflow::change_address, address, options).await
                }
                SubscriptionUpdate::Interval(recurrence) => {
                    handle.execute_update(SubscriptionWorkflow::change_interval, recurrence, options).await
                }
            }
        };
        self.updated(sent).await
    }
}

fn attributes(input: &SubscriptionInput, claim: &Claim) -> Attributes {
    let key = claim.key.as_ref();
    let mut attributes = vec![
        search_attributes::CUSTOMER_ID.value_set(input.customer_id.clone()),
        search_attributes::SUBSCRIPTION_STATUS.value_set(SubscriptionStatus::Active.name().to_owned()),
    ];
    attributes.extend(key.map(|key| search_attributes::IDEMPOTENCY_KEY.value_set(key.to_string())));
    Attributes::new(attributes)
}
