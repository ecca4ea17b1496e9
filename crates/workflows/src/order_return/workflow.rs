//! The sequence of a return: a label for the way back, the restock, the refund.

use std::{convert::Infallible, time::Duration};

use temporalio_common::error::ActivityExecutionError;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ContinueAsNewOptions, SyncWorkflowContext, TimerOptions, WorkflowCancellationToken, WorkflowContext,
    WorkflowContextView, WorkflowResult, WorkflowTermination,
};

use super::{
    messages::{CarriedState, ReturnInput},
    state::{Cause, Return, ReturnFailure, ReturnState},
};
use crate::{
    activities::{
        inventory::{InventoryActivities, Restock},
        payment::{PaymentActivities, RefundPart, Refunded},
        refusal::Refusal,
        shipping::{CreateLabel, ShippingActivities},
    },
    cancellation::{Cancellable, run_until_cancelled},
    failure::{self, ActivityFailure},
    ids::{self, Call},
    policies::{self, Timing},
    saga::{
        Compensating, Compensation, CompensationRounds, Reason, RecordsCompensations, Resolution, Saga,
        call_context, compensate, step, update_state,
    },
    signal::Signal,
    time,
};

/// `returnWorkflow`: takes an order back, or leaves everything as it was.
#[workflow]
pub struct ReturnWorkflow {
    input: ReturnInput,
    order_return: Return,
    rounds: CompensationRounds,
}

type Context = WorkflowContext<ReturnWorkflow>;

#[workflow_methods]
impl ReturnWorkflow {
    #[init]
    pub fn new(_ctx: &WorkflowContextView, mut input: ReturnInput) -> Self {
        let CarriedState { order_return, saga, round } = match input.resumed.take() {
            Some(resumed) => *resumed,
            None => CarriedState { order_return: Return::new(&input), saga: Saga::default(), round: 1 },
        };
        Self { input, order_return, rounds: CompensationRounds::new(saga, round) }
    }

    /// # Errors
    /// Fails if the goods did not come back. The failure's type is the [`ReturnFailure`], and its details are the
    /// final state.
    #[run(name = "returnWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<ReturnState> {
        if ctx.state(|s| s.rounds.first_round == 1 && !s.order_return.is_restocked()) {
            let scope = WorkflowCancellationToken::new();
            if let Err(cause) = run_until_cancelled(ctx, &scope, take_back(ctx, &scope)).await {
                update_state(ctx, |s| s.order_return.start_compensation(cause));
            }
        }
        if ctx.state(|s| s.order_return.is_restocked()) {
            refund(ctx).await?;
            return Ok(ctx.state(|s| s.order_return.state().clone()));
        }
        compensate(ctx).await?;
        let Cause { code, message } = update_state(ctx, |s| s.order_return.finish(&s.rounds.saga));
        let state = ctx.state(|s| s.order_return.state().clone());
        Err(failure::workflow_failure(code.name(), &message, code.is_benign(), state))
    }

    #[signal(name = "cancelReturn")]
    pub fn cancel(&mut self, _ctx: &mut SyncWorkflowContext<Self>, reason: Signal<Reason>) {
        self.order_return.cancel(reason.0.and_then(|reason| reason.reason));
    }

    #[signal(name = "retryCompensation")]
    pub fn retry_compensation(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _: Signal<()>) {
        self.rounds.request_retry();
    }

    #[signal(name = "resolveCompensation")]
    pub fn resolve_compensation(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        resolution: Signal<Resolution>,
    ) {
        self.resolve(resolution, &time::rfc3339(ctx.workflow_time()));
    }

    #[query(name = "getReturn")]
    pub fn state(&self, _ctx: &WorkflowContextView) -> ReturnState {
        self.order_return.state().clone()
    }
}

impl Cancellable for ReturnWorkflow {
    fn is_cancelled(&self) -> bool {
        self.order_return.state().cancelled
    }

    fn cancel(&mut self, reason: Option<String>) -> bool {
        self.order_return.cancel(reason)
    }
}

impl Compensating for ReturnWorkflow {
    fn rounds(&self) -> &CompensationRounds {
        &self.rounds
    }

    fn rounds_mut(&mut self) -> &mut CompensationRounds {
        &mut self.rounds
    }

    fn timing(&self) -> &Timing {
        &self.input.timing
    }

    fn order_id(&self) -> &str {
        &self.input.order_id
    }

    fn correlation_id(&self) -> &str {
        &self.input.correlation_id
    }

    fn machine_mut(&mut self) -> &mut impl RecordsCompensations {
        &mut self.order_return
    }

    fn continue_as_new(ctx: &Context, round: u32) -> Result<Infallible, WorkflowTermination> {
        let input = ctx.state(|s| {
            let saga = s.rounds.saga.clone();
            let resumed = CarriedState { order_return: s.order_return.clone(), saga, round };
            ReturnInput { resumed: Some(Box::new(resumed)), ..s.input.clone() }
        });
        ctx.continue_as_new(input, ContinueAsNewOptions::default())
    }

    /// Writes the summary that the Temporal UI shows.
    fn publish_state(ctx: &Context) {
        let details = ctx.state(|s| {
            let state = s.order_return.state();
            format!("**{}**: {}", state.status.name(), state.step.name())
        });
        ctx.set_current_details(details);
    }
}

/// Makes the label for the way back, and takes the goods back. Until the restock, everything can be undone.
async fn take_back(ctx: &Context, scope: &WorkflowCancellationToken) -> Result<(), Cause> {
    let step = step(ShippingActivities::create_return_label).undo_by(Compensation::CancelReturnLabel);
    let call = step.call_context(ctx);
    let input = ctx.state(|s| CreateLabel { call, address: s.input.address.clone() });
    let label = step.run(ctx, scope, input).await;
    let label = label.map_err(|failed| Cause::new(failed.refusal.into(), failed.error.message))?;
    update_state(ctx, |s| s.order_return.record_label(label));
    if !update_state(ctx, |s| s.order_return.start_restock()) {
        return Err(Cause::new(ReturnFailure::ReturnCancelled, "the return was cancelled"));
    }
    let call = call_context(ctx, Call::RestockInventory);
    let input = ctx.state(|s| Restock {
        call,
        reserve_key: order_key(s, Call::ReserveInventory),
        lines: s.input.lines.clone(),
    });
    // Nothing undoes a restock. So it is tried until the answer is certain.
    let options = ctx.state(|s| policies::certain_options(Call::RestockInventory, &s.input.timing));
    let restocked = ctx.execute_activity(InventoryActivities::restock_inventory, input, options).await;
    restocked.map_err(|error| {
        let failed = ActivityFailure::from_activity_error(&error);
        let code = match failed.refusal {
            Refusal::NoAnswer => ReturnFailure::ProviderUnavailable,
            _ => ReturnFailure::RestockRefused,
        };
        Cause::new(code, failed.error.message)
    })?;
    // The goods came with it.
    ctx.state_mut(|s| s.rounds.saga.discard(Compensation::CancelReturnLabel));
    update_state(ctx, |s| s.order_return.start_refund());
    Ok(())
}

/// Refunds goods that are back. It has no other end: a refusal is shown, and tried again after a wait.
async fn refund(ctx: &Context) -> Result<(), WorkflowTermination> {
    let mut round = ctx.state(|s| s.rounds.first_round);
    loop {
        let error = match refund_once(ctx).await {
            Ok(refunded) => {
                update_state(ctx, |s| s.order_return.complete(refunded));
                return Ok(());
            }
            Err(error) => ActivityFailure::from_activity_error(&error).error,
        };
        update_state(ctx, |s| s.order_return.refuse_refund(error));
        let length = ctx.state(|s| s.input.timing.compensation_wait(round));
        wait(ctx, length).await;
        round = round.saturating_add(1);
        update_state(ctx, |s| s.order_return.start_refund());
        if ctx.continue_as_new_suggested() {
            ReturnWorkflow::continue_as_new(ctx, round)?;
        }
    }
}

async fn refund_once(ctx: &Context) -> Result<Refunded, ActivityExecutionError> {
    let call = call_context(ctx, Call::RefundReturn);
    let input = ctx.state(|s| RefundPart {
        call,
        capture_key: order_key(s, Call::CapturePayment),
        amount: s.input.amount,
        currency: s.input.currency.clone(),
    });
    let options = ctx.state(|s| policies::certain_options(Call::RefundReturn, &s.input.timing));
    ctx.execute_activity(PaymentActivities::refund_return, input, options).await
}

async fn wait(ctx: &Context, length: Duration) {
    let options = TimerOptions::builder(length).cancellation_token(WorkflowCancellationToken::new());
    ctx.timer(options.summary("next attempt at the refund".to_owned()).build()).await;
}

/// Returns the idempotency key of a call that the order's workflow made.
fn order_key(workflow: &ReturnWorkflow, call: Call) -> String {
    let order = ids::order_workflow_id(&workflow.input.order_id);
    ids::idempotency_key(&order, &workflow.input.order_first_run_id, call)
}
