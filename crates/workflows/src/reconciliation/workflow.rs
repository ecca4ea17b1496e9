//! The sequence of a reconciliation: compare page by page, repair what is found, continue as new.

use temporalio_common::error::ActivityExecutionError;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ContinueAsNewOptions, SyncWorkflowContext, WorkflowCancellationToken, WorkflowContext,
    WorkflowContextView, WorkflowResult,
};

use super::{
    comparison::{Effect, Finding},
    messages::ReconciliationInput,
    report::{ReconciliationStatus, Repair, Report, Source},
};
use crate::{
    activities::{
        CallContext, UndoInput, UndoOutput,
        inventory::InventoryActivities,
        payment::PaymentActivities,
        reconciliation::{Compared, OneOrder, Page, ReconciliationActivities},
        shipping::ShippingActivities,
    },
    cancellation::{Cancellable, run_until_cancelled},
    failure::{ActivityFailure, StateError},
    policies::{activity_options, endless_options},
    saga::Reason,
    signal::Signal,
    time,
};

/// The pages in one history. A page is one activity, and each repair up to four.
const PAGES_PER_RUN: u32 = 20;

/// The patch since which an order is compared again before its repair.
const COMPARES_BEFORE_REPAIR: &str = "reconciliation-compares-before-repair";

/// `reconciliationWorkflow`: compares the provider's ledger with the ends of the workflows.
#[workflow]
pub struct ReconciliationWorkflow {
    input: ReconciliationInput,
    report: Report,
}

type Context = WorkflowContext<ReconciliationWorkflow>;

#[workflow_methods]
impl ReconciliationWorkflow {
    #[init]
    pub fn new(ctx: &WorkflowContextView, mut input: ReconciliationInput) -> Self {
        let report = match input.resumed.take() {
            Some(report) => *report,
            None => Report::new(input.repair, time::rfc3339(ctx.start_time())),
        };
        Self { input, report }
    }

    /// # Errors
    /// Never fails by itself. The error is the continuation in a new history.
    #[run(name = "reconciliationWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<Report> {
        let scope = WorkflowCancellationToken::new();
        let status = match run_until_cancelled(ctx, &scope, compare_pages(ctx, &scope)).await {
            Pages::All => ReconciliationStatus::Completed,
            Pages::Cancelled => ReconciliationStatus::Cancelled,
            Pages::Failed(error) => {
                ctx.state_mut(|s| s.report.fail(error));
                ReconciliationStatus::Failed
            }
            Pages::More => {
                let resumed = Some(Box::new(ctx.state(|s| s.report.clone())));
                let input = ctx.state(|s| ReconciliationInput { resumed, ..s.input.clone() });
                ctx.continue_as_new(input, ContinueAsNewOptions::default())?;
                return Ok(ctx.state(|s| s.report.clone()));
            }
        };
        Ok(end(ctx, status).await)
    }

    #[signal(name = "cancelReconciliation")]
    pub fn cancel(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _: Signal<Reason>) {
        // A signal can't answer.
        let _ = self.report.cancel();
    }

    #[query(name = "getReport")]
    pub fn report(&self, _ctx: &WorkflowContextView) -> Report {
        self.report.clone()
    }
}

impl Cancellable for ReconciliationWorkflow {
    fn is_cancelled(&self) -> bool {
        self.report.cancelling
    }

    fn cancel(&mut self, _reason: Option<String>) -> bool {
        self.report.cancel()
    }
}

/// The pages that one history compared.
enum Pages {
    All,
    /// The next history compares the rest.
    More,
    Cancelled,
    Failed(StateError),
}

/// Compares pages and repairs what they show, until a cancellation or the end of this history.
async fn compare_pages(ctx: &Context, scope: &WorkflowCancellationToken) -> Pages {
    for _ in 0..PAGES_PER_RUN {
        let page = match compare_page(ctx, scope).await {
            Ok(page) => page,
            Err(_) if ctx.state(|s| s.report.cancelling) => return Pages::Cancelled,
            // No retry changes this failure.
            Err(error) => return Pages::Failed(ActivityFailure::from_activity_error(&error).error),
        };
        for finding in ctx.state_mut(|s| s.report.turn_page(page)) {
            if let Some((finding, repair)) = repair(ctx, finding).await {
                ctx.state_mut(|s| s.report.add(finding, repair));
            }
        }
        publish_state(ctx);
        if !ctx.state_mut(|s| s.report.has_next_page()) {
            return Pages::All;
        }
        if ctx.state(|s| s.report.cancelling) {
            return Pages::Cancelled;
        }
        if ctx.continue_as_new_suggested() {
            break;
        }
    }
    Pages::More
}

async fn compare_page(
    ctx: &Context,
    scope: &WorkflowCancellationToken,
) -> Result<Compared, ActivityExecutionError> {
    let correlation_id = correlation_id(ctx);
    let (source, input, options) = ctx.state(|s| {
        let page = Page { correlation_id, after: s.report.after.clone(), limit: s.input.page_size };
        (s.report.source, page, endless_options(&s.input.timing, scope.clone()))
    });
    match source {
        Source::Ledger => {
            ctx.execute_activity(ReconciliationActivities::compare_ledger_page, input, options).await
        }
        Source::Executions => {
            ctx.execute_activity(ReconciliationActivities::compare_executions_page, input, options).await
        }
    }
}

/// Undoes the open effects of an orphan by their keys. A repair that began isn't interrupted. Returns the finding as
/// it was then, or `None` if the order agrees meanwhile.
async fn repair(ctx: &Context, finding: Finding) -> Option<(Finding, Repair)> {
    let is_wanted = ctx.state(|s| !s.report.cancelling && !s.report.undos(&finding).is_empty());
    if !is_wanted {
        return Some((finding, Repair::None));
    }
    let finding = if ctx.patched(COMPARES_BEFORE_REPAIR) {
        match compare_again(ctx, &finding).await {
            Ok(fresh) => fresh?,
            Err(error) => return Some((finding, Repair::Failed { error })),
        }
    } else {
        finding
    };
    let mut failed = None;
    for (effect, key) in ctx.state(|s| s.report.undos(&finding)) {
        if let Err(error) = undo(ctx, &finding.order_id, effect, key).await {
            failed = Some(ActivityFailure::from_activity_error(&error).error);
        }
    }
    Some((finding, failed.map_or(Repair::Repaired, |error| Repair::Failed { error })))
}

/// Compares the order of a finding again. The repairs before it took time, and a reset may have let it go on.
async fn compare_again(ctx: &Context, finding: &Finding) -> Result<Option<Finding>, StateError> {
    let correlation_id = correlation_id(ctx);
    let one = OneOrder { correlation_id, order_id: finding.order_id.clone() };
    let options = ctx.state(|s| endless_options(&s.input.timing, WorkflowCancellationToken::new()));
    let compared = ctx.execute_activity(ReconciliationActivities::compare_order, one, options).await;
    let compared = compared.map_err(|error| ActivityFailure::from_activity_error(&error).error)?;
    let is_same =
        |one: &Finding| one.difference == finding.difference && one.workflow_id == finding.workflow_id;
    Ok(compared.findings.into_iter().find(is_same))
}

async fn undo(
    ctx: &Context,
    order_id: &str,
    effect: Effect,
    forward_key: String,
) -> Result<UndoOutput, ActivityExecutionError> {
    let correlation_id = correlation_id(ctx);
    let (input, options) = ctx.state(|s| {
        let call = CallContext {
            order_id: order_id.to_owned(),
            idempotency_key: format!("{forward_key}/reconciled"),
            correlation_id,
            retry_after_maximum_ms: s.input.timing.retry_after_maximum_ms,
        };
        let token = WorkflowCancellationToken::new();
        (UndoInput { call, forward_key }, activity_options(effect.undo_call(), &s.input.timing, token))
    });
    match effect {
        Effect::Labelled | Effect::ReturnLabelled => {
            ctx.execute_activity(ShippingActivities::cancel_shipping_label, input, options).await
        }
        Effect::Captured => ctx.execute_activity(PaymentActivities::refund_payment, input, options).await,
        Effect::Reserved => {
            ctx.execute_activity(InventoryActivities::release_inventory, input, options).await
        }
        Effect::Held => ctx.execute_activity(PaymentActivities::release_payment, input, options).await,
    }
}

/// Publishes the figures of the report and ends it.
async fn end(ctx: &Context, status: ReconciliationStatus) -> Report {
    let correlation_id = correlation_id(ctx);
    let (summary, options) = ctx.state(|s| {
        let options = endless_options(&s.input.timing, WorkflowCancellationToken::new());
        (s.report.summary(status, &correlation_id), options)
    });
    // Only a cancellation interrupts it, and this one has no canceller.
    let _ = ctx.execute_activity(ReconciliationActivities::publish, summary, options).await;
    // A report that has ended belongs to a run that has ended, so the next one can be triggered.
    let at = time::rfc3339(ctx.workflow_time());
    ctx.state_mut(|s| s.report.end(status, at));
    publish_state(ctx);
    ctx.state(|s| s.report.clone())
}

fn correlation_id(ctx: &Context) -> String {
    ctx.state(|s| s.input.correlation_id.clone()).unwrap_or_else(|| ctx.workflow_id().to_owned())
}

/// Writes the summary that the Temporal UI shows.
fn publish_state(ctx: &Context) {
    let details = ctx.state(|s| {
        let Report { status, orders, contradictions, orphans, repaired, .. } = &s.report;
        format!(
            "**{}**: {orders} orders, {contradictions} contradictions, {orphans} orphans, {repaired} repaired",
            status.name()
        )
    });
    ctx.set_current_details(details);
}
