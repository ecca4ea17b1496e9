//! Reconciliation activities. They read the provider's ledger and Temporal's executions, page by page.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use temporalio_client::{
    Client, NamespacedClient as _, WorkflowDescribeOptions, WorkflowExecutionStatus as Status,
    errors::WorkflowInteractionError,
    tonic::{self, IntoRequest as _},
};
use temporalio_common::protos::temporal::api::workflowservice::v1::ListWorkflowExecutionsRequest;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use workflows::{
    activities::reconciliation::{
        CompareExecutionsPage, CompareLedgerPage, Compared, Page, Publish, Summary,
    },
    ids,
    order_fulfillment::OrderFulfillment,
    reconciliation::comparison::{End, Execution, Finding, compare},
};

use super::{ActivityDeps, AttemptError, LogFields};
use crate::{failure::CallError, provider::OpenOrder};

/// The orders of a page that are compared at the same time.
const CONCURRENCY: usize = 8;

#[derive(Clone)]
pub struct Reconciliation {
    pub deps: ActivityDeps,
    pub client: Client,
    pub task_queue: String,
}

/// The comparison of one order.
struct ComparedOrder {
    is_running: bool,
    is_recorded: bool,
    finding: Option<Finding>,
}

#[activities]
impl Reconciliation {
    #[activity(definition = CompareLedgerPage)]
    async fn compare_ledger_page(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: Page,
    ) -> Result<Compared, ActivityError> {
        let attempt = async { Ok(self.compare_orders(&input).await?) };
        self.deps.run_attempt(&ctx, LogFields::of(&input.correlation_id), attempt).await
    }

    #[activity(definition = CompareExecutionsPage)]
    async fn compare_executions_page(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: Page,
    ) -> Result<Compared, ActivityError> {
        let attempt = async { Ok(self.compare_executions(&input).await?) };
        self.deps.run_attempt(&ctx, LogFields::of(&input.correlation_id), attempt).await
    }

    #[activity(definition = Publish)]
    async fn publish(self: Arc<Self>, ctx: ActivityContext, input: Summary) -> Result<(), ActivityError> {
        let attempt = async {
            let Summary { orders, contradictions, orphans, repaired, not_repaired, .. } = input;
            if contradictions + orphans > 0 {
                tracing::warn!(orders, contradictions, orphans, repaired, not_repaired, "differences found");
            } else {
                tracing::info!(orders, "ledger and executions agree");
            }
            self.deps.reconciliation_metrics().record(&input);
            Ok::<_, AttemptError>(())
        };
        self.deps.run_attempt(&ctx, LogFields::of(&input.correlation_id), attempt).await
    }
}

impl Reconciliation {
    async fn compare_orders(&self, page: &Page) -> Result<Compared, CallError> {
        let provider = self.deps.provider();
        let (orders, next) =
            provider.open_orders(&page.correlation_id, page.after.as_deref(), page.limit).await?;
        let compared: Vec<_> = stream::iter(orders)
            .map(|order| self.compare_order(&page.correlation_id, order))
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        Ok(summed(compared, next))
    }

    /// Compares an order with its latest execution.
    ///
    /// The effects may be older than the execution's end. So a difference counts only if both, read again, show it:
    /// after its end, an execution causes no effect.
    async fn compare_order(
        &self,
        correlation_id: &str,
        mut order: OpenOrder,
    ) -> Result<ComparedOrder, CallError> {
        let provider = self.deps.provider();
        let mut execution = self.execution_of(&order.order_id).await?;
        let differs = |order: &OpenOrder, execution: Option<&Execution>| {
            compare(&order.order_id, &order.open, order.outcome.as_deref(), execution)
        };
        let mut finding = differs(&order, execution.as_ref());
        if finding.is_some() {
            if let Some(again) = provider.open_order(correlation_id, &order.order_id).await? {
                order = again;
            }
            execution = self.execution_of(&order.order_id).await?;
            finding = differs(&order, execution.as_ref());
        }
        let end = execution.map(|execution| execution.end);
        // The ledger takes the stock of a shipped order as used, also what an earlier run left reserved.
        let is_recordable = finding.is_none() || end.is_some_and(|end| end.outcome() == Some("not_shipped"));
        let outcome = end.and_then(End::outcome).filter(|_| order.outcome.is_none() && is_recordable);
        if let Some(outcome) = outcome {
            provider.record_outcome(correlation_id, &order.order_id, outcome).await?;
        }
        Ok(ComparedOrder { is_running: end == Some(End::Running), is_recorded: outcome.is_some(), finding })
    }

    /// Returns the latest execution of an order, else that of a payment with this reference.
    async fn execution_of(&self, order_id: &str) -> Result<Option<Execution>, CallError> {
        let order = self.describe(ids::order_workflow_id(order_id), End::Shipped).await?;
        match order {
            Some(order) => Ok(Some(order)),
            None => self.describe(ids::payment_workflow_id(order_id), End::Paid).await,
        }
    }

    async fn describe(&self, workflow_id: String, goal: End) -> Result<Option<Execution>, CallError> {
        let handle = self.client.get_workflow_handle::<OrderFulfillment>(workflow_id.clone());
        let description = match handle.describe(WorkflowDescribeOptions::default()).await {
            Ok(description) => description,
            Err(WorkflowInteractionError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(CallError::temporal(&error)),
        };
        let end = match description.status() {
            Status::Completed => goal,
            Status::Failed => End::Failed,
            Status::Terminated | Status::Canceled => End::Terminated,
            Status::TimedOut => End::TimedOut,
            _ => End::Running,
        };
        let info = description.raw().workflow_execution_info.as_ref();
        let first_run_id = info.map(|info| info.first_run_id.clone()).filter(|id| !id.is_empty());
        let first_run_id = first_run_id.unwrap_or_else(|| description.run_id().to_owned());
        Ok(Some(Execution { workflow_id, first_run_id, end }))
    }

    /// Looks for orders and payments that reached their goal and that the ledger doesn't know at all. The pages of
    /// the ledger cover all others.
    async fn compare_executions(&self, page: &Page) -> Result<Compared, CallError> {
        let (workflow_ids, next) = self.successful_executions(page).await?;
        let compared: Vec<_> = stream::iter(workflow_ids)
            .map(|workflow_id| self.compare_execution(&page.correlation_id, workflow_id))
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        Ok(summed(compared, next))
    }

    async fn compare_execution(
        &self,
        correlation_id: &str,
        workflow_id: String,
    ) -> Result<ComparedOrder, CallError> {
        let known = ComparedOrder { is_running: false, is_recorded: false, finding: None };
        let Some(order_id) = ids::order_of_workflow(&workflow_id) else { return Ok(known) };
        if self.deps.provider().open_order(correlation_id, order_id).await?.is_some() {
            return Ok(known);
        }
        let goal = if workflow_id == ids::order_workflow_id(order_id) { End::Shipped } else { End::Paid };
        // Any workflow's handle describes any workflow. Placed again meanwhile, it is another page's.
        let execution = self.describe(workflow_id.clone(), goal).await?;
        let finding = execution
            .filter(|execution| execution.end == goal)
            .and_then(|execution| compare(order_id, &[], None, Some(&execution)));
        Ok(ComparedOrder { finding, ..known })
    }

    async fn successful_executions(&self, page: &Page) -> Result<(Vec<String>, Option<String>), CallError> {
        let token = page.after.as_deref().map(|token| BASE64_STANDARD.decode(token)).transpose();
        let token =
            token.map_err(|error| CallError::not_sent("bad_page", error.to_string()))?.unwrap_or_default();
        let request = ListWorkflowExecutionsRequest {
            namespace: self.client.namespace(),
            page_size: i32::try_from(page.limit).unwrap_or(i32::MAX),
            next_page_token: token,
            query: format!(
                "WorkflowType IN ('orderFulfillmentWorkflow', 'paymentWorkflow') \
                 AND ExecutionStatus = 'Completed' AND TaskQueue = '{}'",
                self.task_queue.replace('\'', "''")
            ),
        };
        let mut service = self.client.connection().workflow_service();
        let response = service
            .list_workflow_executions(request.into_request())
            .await
            .map_err(|status: tonic::Status| CallError::temporal(&status))?
            .into_inner();
        let ids = response.executions.into_iter().filter_map(|info| Some(info.execution?.workflow_id));
        let next =
            (!response.next_page_token.is_empty()).then(|| BASE64_STANDARD.encode(&response.next_page_token));
        Ok((ids.collect(), next))
    }
}

fn summed(orders: Vec<ComparedOrder>, next: Option<String>) -> Compared {
    let mut compared = Compared { next, ..Compared::default() };
    for order in orders {
        compared.orders += 1;
        compared.running += u64::from(order.is_running);
        compared.recorded += u64::from(order.is_recorded);
        compared.findings.extend(order.finding);
    }
    compared
}
