//! Reconciliation activities. They read the provider's ledger and Temporal's executions, page by page.

use std::{collections::BTreeSet, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use temporalio_client::{
    Client, NamespacedClient as _,
    tonic::{self, Code, IntoRequest as _},
};
use temporalio_common::protos::temporal::api::{
    common::v1::WorkflowExecution,
    enums::v1::WorkflowExecutionStatus as Status,
    workflowservice::v1::{DescribeWorkflowExecutionRequest, ListWorkflowExecutionsRequest},
};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use workflows::{
    activities::reconciliation::{
        CompareExecutionsPage, CompareLedgerPage, CompareOrder, Compared, OneOrder, Page, Publish, Summary,
    },
    ids,
    reconciliation::{
        comparison::{Difference, End, Execution, Finding, OpenEffect, Outcome, compare},
        report::ReconciliationStatus,
    },
};

use super::{ActivityDeps, AttemptError, LogFields};
use crate::{failure::CallError, provider::OpenOrder};

/// The orders of a page that are compared at the same time.
const CONCURRENCY: usize = 8;

/// The maximum number of resets of an execution that are followed.
const MAX_RESETS: usize = 20;

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
    findings: Vec<Finding>,
}

/// A run, as Temporal describes it.
struct Described {
    status: Status,
    first_run_id: String,
    /// The run that a reset replaced it with; empty without a reset.
    reset_run_id: String,
}

impl Described {
    fn execution(self, workflow_id: &str, goal: End) -> Execution {
        let end = match self.status {
            Status::Completed => goal,
            Status::Failed => End::Failed,
            Status::Terminated | Status::Canceled => End::Terminated,
            Status::TimedOut => End::TimedOut,
            _ => End::Running,
        };
        Execution { workflow_id: workflow_id.to_owned(), first_run_id: self.first_run_id, end }
    }
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

    #[activity(definition = CompareOrder)]
    async fn compare_one_order(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: OneOrder,
    ) -> Result<Compared, ActivityError> {
        let attempt = async { Ok(self.compare_one(&input).await?) };
        self.deps.run_attempt(&ctx, LogFields::of(&input.correlation_id), attempt).await
    }

    #[activity(definition = Publish)]
    async fn publish(self: Arc<Self>, ctx: ActivityContext, input: Summary) -> Result<(), ActivityError> {
        let attempt = async {
            let Summary { status, orders, contradictions, orphans, repaired, not_repaired, .. } = input;
            if status != ReconciliationStatus::Completed {
                tracing::warn!(status = status.name(), orders, "reconciliation did not compare everything");
            } else if contradictions + orphans > 0 {
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
        let (orders, next) = self.orders_page(page).await?;
        let compared: Vec<_> = stream::iter(orders)
            .map(|order| self.compare_order(&page.correlation_id, order))
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        Ok(summed(compared, next))
    }

    /// Reads a page of the ledger, or a shorter one if the answer is too large.
    async fn orders_page(&self, page: &Page) -> Result<(Vec<OpenOrder>, Option<String>), CallError> {
        let mut limit = page.limit;
        loop {
            let after = page.after.as_deref();
            match self.deps.provider().open_orders(&page.correlation_id, after, limit).await {
                Err(error) if error.is_unreadable() && limit > 1 => limit /= 2,
                answered => return answered,
            }
        }
    }

    async fn compare_one(&self, one: &OneOrder) -> Result<Compared, CallError> {
        let order = self.deps.provider().open_order(&one.correlation_id, &one.order_id).await?;
        let Some(order) = order else { return Ok(Compared::default()) };
        Ok(summed([self.compare_order(&one.correlation_id, order).await?], None))
    }

    /// Compares an order with its executions, and records its outcome.
    ///
    /// The effects may be older than an execution's end. So a difference counts only if both, read again, show it:
    /// after its end, an execution causes no effect.
    async fn compare_order(
        &self,
        correlation_id: &str,
        mut order: OpenOrder,
    ) -> Result<ComparedOrder, CallError> {
        let provider = self.deps.provider();
        let mut executions = self.executions_of(&order).await?;
        let mut findings = compare(&order.order_id, &order.open, order.outcome, &executions);
        if !findings.is_empty() {
            if let Some(again) = provider.open_order(correlation_id, &order.order_id).await? {
                order = again;
            }
            executions = self.executions_of(&order).await?;
            findings = compare(&order.order_id, &order.open, order.outcome, &executions);
        }
        let outcome = Outcome::of(&executions, &order.open);
        // The ledger takes the stock of a shipped order as used, also what another execution left reserved.
        let is_recordable = outcome == Some(Outcome::NotShipped)
            || findings.iter().all(|finding| finding.difference == Difference::NotAsItEnded);
        let outcome_to_record = outcome.filter(|outcome| is_recordable && Some(*outcome) > order.outcome);
        if let Some(outcome) = outcome_to_record {
            provider.record_outcome(correlation_id, &order.order_id, outcome).await?;
        }
        let is_running = executions.iter().any(|execution| execution.end == End::Running);
        Ok(ComparedOrder { is_running, is_recorded: outcome_to_record.is_some(), findings })
    }

    /// Returns the executions of an order: the latest of the order and of a payment with its id, and the earlier
    /// ones that open effects name.
    async fn executions_of(&self, order: &OpenOrder) -> Result<Vec<Execution>, CallError> {
        let order_id = &order.order_id;
        let mut executions = Vec::new();
        for (workflow_id, goal) in [
            (ids::order_workflow_id(order_id), End::Shipped),
            (ids::payment_workflow_id(order_id), End::Paid),
        ] {
            let latest = self.latest_execution(&workflow_id, goal).await?;
            let causes = order.open.iter().filter_map(OpenEffect::cause);
            let earlier: BTreeSet<_> = causes
                .filter(|(caller, _)| *caller == workflow_id)
                .map(|(_, run)| run)
                .filter(|run| latest.as_ref().is_none_or(|latest| latest.first_run_id != *run))
                .collect();
            executions.extend(latest);
            for run in earlier {
                executions.extend(self.earlier_execution(&workflow_id, run, goal).await?);
            }
        }
        if executions.iter().any(|execution| execution.end == End::Shipped) {
            executions.extend(self.returns_of(order_id).await?);
        }
        Ok(executions)
    }

    /// Returns the returns of an order, whose numbers have no gaps.
    async fn returns_of(&self, order_id: &str) -> Result<Vec<Execution>, CallError> {
        let mut returns = Vec::new();
        for number in 1.. {
            let workflow_id = ids::return_workflow_id(&ids::return_id(order_id, number));
            let Some(one) = self.latest_execution(&workflow_id, End::Returned).await? else { break };
            returns.push(one);
        }
        Ok(returns)
    }

    async fn latest_execution(&self, workflow_id: &str, goal: End) -> Result<Option<Execution>, CallError> {
        let described = self.describe(workflow_id, "").await?;
        Ok(described.map(|described| described.execution(workflow_id, goal)))
    }

    /// Returns an execution that a later one replaced. `None` if its end can't be known.
    async fn earlier_execution(
        &self,
        workflow_id: &str,
        first_run_id: &str,
        goal: End,
    ) -> Result<Option<Execution>, CallError> {
        let mut run_id = first_run_id.to_owned();
        for _ in 0..MAX_RESETS {
            match self.describe(workflow_id, &run_id).await? {
                Some(Described { reset_run_id, .. }) if !reset_run_id.is_empty() => run_id = reset_run_id,
                // Its end is the end of its continuation, which it doesn't name.
                Some(Described { status: Status::ContinuedAsNew, .. }) | None => return Ok(None),
                Some(described) if described.first_run_id == first_run_id => {
                    return Ok(Some(described.execution(workflow_id, goal)));
                }
                Some(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Describes a run of a workflow, or its latest run if the run id is empty. `None` if Temporal has no such run.
    async fn describe(&self, workflow_id: &str, run_id: &str) -> Result<Option<Described>, CallError> {
        let request = DescribeWorkflowExecutionRequest {
            namespace: self.client.namespace(),
            execution: Some(WorkflowExecution {
                workflow_id: workflow_id.to_owned(),
                run_id: run_id.to_owned(),
            }),
        };
        let mut service = self.client.connection().workflow_service();
        let response = match service.describe_workflow_execution(request.into_request()).await {
            Ok(response) => response.into_inner(),
            // A key that isn't ours may name a run in another form.
            Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => {
                return Ok(None);
            }
            Err(status) => return Err(CallError::temporal(&status)),
        };
        let reset_run_id = response.workflow_extended_info.map(|info| info.reset_run_id).unwrap_or_default();
        Ok(response.workflow_execution_info.map(|info| Described {
            status: info.status(),
            first_run_id: info.first_run_id,
            reset_run_id,
        }))
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
        Ok(summed(compared.into_iter().flatten(), next))
    }

    /// Compares an execution with its order. `None` if the ledger knows the order.
    async fn compare_execution(
        &self,
        correlation_id: &str,
        workflow_id: String,
    ) -> Result<Option<ComparedOrder>, CallError> {
        let Some(order_id) = ids::order_of_workflow(&workflow_id) else { return Ok(None) };
        if self.deps.provider().open_order(correlation_id, order_id).await?.is_some() {
            return Ok(None);
        }
        let goal = if workflow_id == ids::order_workflow_id(order_id) { End::Shipped } else { End::Paid };
        // Placed again meanwhile, it is another page's.
        let execution = self.latest_execution(&workflow_id, goal).await?;
        let executions: Vec<_> = execution.into_iter().filter(|execution| execution.end == goal).collect();
        let findings = compare(order_id, &[], None, &executions);
        Ok(Some(ComparedOrder { is_running: false, is_recorded: false, findings }))
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

fn summed(orders: impl IntoIterator<Item = ComparedOrder>, next: Option<String>) -> Compared {
    let mut compared = Compared { next, ..Compared::default() };
    for order in orders {
        compared.orders += 1;
        compared.running += u64::from(order.is_running);
        compared.recorded += u64::from(order.is_recorded);
        compared.findings.extend(order.findings);
    }
    compared
}
