//! The sequence of a payment: charge, wait for the end of the cancel window, compensate.

use std::{convert::Infallible, time::Duration};

use futures::{FutureExt, pin_mut};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ContinueAsNewOptions, SyncWorkflowContext, TimerOptions, WaitConditionOptions, WorkflowCancellationToken,
    WorkflowContext, WorkflowContextView, WorkflowResult, WorkflowTermination, workflows::select,
};

use super::{
    messages::{CarriedState, PaymentInput},
    state::{Cause, Payment, PaymentFailure, PaymentState},
};
use crate::{
    activities::payment::{Charge, PaymentActivities},
    cancellation::{Cancellable, run_until_cancelled},
    failure,
    ids::Call,
    policies::{Policy, Timing},
    saga::{
        Compensating, Compensation, CompensationRounds, Reason, RecordsCompensations, Resolution, Saga,
        compensate, step, update_state, workflow_time,
    },
    signal::Signal,
    time,
};

/// `paymentWorkflow`: charges once, or undoes the charge.
#[workflow]
pub struct PaymentWorkflow {
    input: PaymentInput,
    payment: Payment,
    rounds: CompensationRounds,
}

type Context = WorkflowContext<PaymentWorkflow>;

#[workflow_methods]
impl PaymentWorkflow {
    #[init]
    pub fn new(_ctx: &WorkflowContextView, mut input: PaymentInput) -> Self {
        let CarriedState { payment, saga, round } = match input.resumed.take() {
            Some(resumed) => *resumed,
            None => CarriedState {
                payment: Payment::new(&input.order_id, input.amount, &input.currency),
                saga: Saga::default(),
                round: 1,
            },
        };
        Self { input, payment, rounds: CompensationRounds::new(saga, round) }
    }

    /// # Errors
    /// Fails if the payment failed or was refunded. The failure's type is the [`PaymentFailure`], and its
    /// details are the final state.
    #[run(name = "paymentWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<PaymentState> {
        if ctx.state(|s| s.rounds.first_round == 1) {
            let scope = WorkflowCancellationToken::new();
            match run_until_cancelled(ctx, &scope, run_steps(ctx, &scope)).await {
                Ok(()) => return Ok(ctx.state(|s| s.payment.state().clone())),
                Err(cause) => update_state(ctx, |s| s.payment.start_compensation(cause)),
            }
        }
        compensate(ctx).await?;
        let Cause { code, message } = update_state(ctx, |s| s.payment.finish(&s.rounds.saga));
        let state = ctx.state(|s| s.payment.state().clone());
        Err(failure::workflow_failure(code.name(), &message, code.is_benign(), state))
    }

    #[signal(name = "cancelPayment")]
    pub fn cancel(&mut self, _ctx: &mut SyncWorkflowContext<Self>, reason: Signal<Reason>) {
        self.payment.cancel(reason.0.and_then(|reason| reason.reason));
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

    #[query(name = "paymentProgress")]
    pub fn progress(&self, _ctx: &WorkflowContextView) -> PaymentState {
        self.payment.state().clone()
    }
}

impl Cancellable for PaymentWorkflow {
    fn is_cancelled(&self) -> bool {
        self.payment.is_cancelled()
    }

    fn cancel(&mut self, reason: Option<String>) -> bool {
        self.payment.cancel(reason)
    }
}

impl Compensating for PaymentWorkflow {
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
        &mut self.payment
    }

    fn continue_as_new(ctx: &Context, round: u32) -> Result<Infallible, WorkflowTermination> {
        let input = ctx.state(|s| {
            let resumed = CarriedState { payment: s.payment.clone(), saga: s.rounds.saga.clone(), round };
            PaymentInput { resumed: Some(Box::new(resumed)), ..s.input.clone() }
        });
        ctx.continue_as_new(input, ContinueAsNewOptions::default())
    }

    /// Writes the summary that the Temporal UI shows.
    fn publish_state(ctx: &Context) {
        ctx.set_current_details(format!("**{}**", ctx.state(|s| s.payment.state().status.name())));
    }
}

/// Charges, and waits for the end of the cancel window.
async fn run_steps(ctx: &Context, scope: &WorkflowCancellationToken) -> Result<(), Cause> {
    charge(ctx, scope).await?;
    wait_for_cancel_window(ctx, scope).await;
    if update_state(ctx, |s| s.payment.close_cancel_window()) { Ok(()) } else { Err(cancelled_cause()) }
}

async fn charge(ctx: &Context, scope: &WorkflowCancellationToken) -> Result<(), Cause> {
    if ctx.state(|s| s.payment.is_cancelled()) {
        return Err(cancelled_cause());
    }
    let step = step(PaymentActivities::charge_payment).undo_by(Compensation::RefundCharge);
    let call = step.call_context(ctx);
    let input = ctx.state(|s| Charge {
        call,
        amount: s.input.amount,
        currency: s.input.currency.clone(),
        source: s.input.source.clone(),
        description: s.input.description.clone(),
    });
    update_state(ctx, |s| s.payment.start_charge());
    match step.run(ctx, scope, input).await {
        Ok(charged) => {
            update_state(ctx, |s| s.payment.record_charge(&charged, &workflow_time(ctx)));
            Ok(())
        }
        Err(failed) => {
            let attempts = failed.attempts.of(&Policy::for_call(Call::ChargePayment));
            if !ctx.state(|s| s.payment.is_cancelled()) {
                update_state(ctx, |s| s.payment.record_failed_charge(attempts));
            }
            Err(Cause::new(failed.refusal.into(), failed.error.message))
        }
    }
}

/// Waits while the payment can be cancelled.
async fn wait_for_cancel_window(ctx: &Context, scope: &WorkflowCancellationToken) {
    let length = ctx.state(|s| Duration::from_millis(s.input.cancel_window_ms));
    let cancelled = ctx
        .wait_condition_with_options(
            |s| s.payment.is_cancelled(),
            WaitConditionOptions::builder().cancellation_token(scope.clone()).build(),
        )
        .fuse();
    let timer = ctx.timer(
        TimerOptions::builder(length)
            .cancellation_token(scope.clone())
            .summary("cancel window".to_owned())
            .build(),
    );
    pin_mut!(cancelled, timer);
    select! {
        _ = cancelled => {}
        _ = timer => {}
    }
}

/// Returns the cause of a step that a cancellation prevented. The payment keeps the cancellation's own cause.
fn cancelled_cause() -> Cause {
    Cause::new(PaymentFailure::PaymentCancelled, "the payment was cancelled")
}
