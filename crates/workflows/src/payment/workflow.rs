//! The sequence of a payment: charge, keep the window open, give back what mustn't stay.

use std::{convert::Infallible, time::Duration};

use futures::{FutureExt, pin_mut};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ContinueAsNewOptions, SyncWorkflowContext, TimerOptions, WaitConditionOptions, WorkflowCancellationToken,
    WorkflowContext, WorkflowContextView, WorkflowResult, WorkflowTermination, workflows::select,
};

use super::{
    messages::{PaymentInput, Resumed},
    progress::{Cause, Payment, PaymentFailure, PaymentState},
};
use crate::{
    activities::payment::{Charge, PaymentActivities},
    failure,
    ids::Call,
    interruption::{Cancellable, unless_cancelled},
    policies::{Policy, Timing},
    saga::{
        self, Compensation, Owes, Ran, Reason, Resolution, Rounds, Saga, call_context, change, compensate,
        now,
    },
    signal::Signal,
    time,
};

/// `paymentWorkflow`: charges once, or leaves nothing charged.
#[workflow]
pub struct PaymentWorkflow {
    input: PaymentInput,
    payment: Payment,
    rounds: Rounds,
}

type Context = WorkflowContext<PaymentWorkflow>;

#[workflow_methods]
impl PaymentWorkflow {
    #[init]
    pub fn new(_ctx: &WorkflowContextView, mut input: PaymentInput) -> Self {
        let Resumed { payment, saga, round } = match input.resumed.take() {
            Some(resumed) => *resumed,
            None => Resumed {
                payment: Payment::new(&input.order_id, input.amount, &input.currency),
                saga: Saga::default(),
                round: 1,
            },
        };
        Self { input, payment, rounds: Rounds::new(saga, round) }
    }

    /// # Errors
    /// Where the payment doesn't stay: a failure whose type is the [`PaymentFailure`], with the final
    /// state in its details.
    #[run(name = "paymentWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<PaymentState> {
        if ctx.state(|s| s.rounds.first == 1) {
            let scope = WorkflowCancellationToken::new();
            match unless_cancelled(ctx, &scope, pay(ctx, &scope)).await {
                Ok(()) => return Ok(ctx.state(|s| s.payment.state().clone())),
                Err(cause) => change(ctx, |s| s.payment.compensate(cause)),
            }
        }
        compensate(ctx).await?;
        let Cause { code, message } = change(ctx, |s| s.payment.ended(&s.rounds.saga));
        let state = ctx.state(|s| s.payment.state().clone());
        Err(failure::ended(code.name(), &message, code.is_benign(), state))
    }

    #[signal(name = "cancelPayment")]
    pub fn cancel(&mut self, _ctx: &mut SyncWorkflowContext<Self>, reason: Signal<Reason>) {
        self.payment.cancel(reason.0.and_then(|reason| reason.reason));
    }

    #[signal(name = "retryCompensation")]
    pub fn retry_compensation(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _: Signal<()>) {
        self.rounds.retry();
    }

    #[signal(name = "resolveCompensation")]
    pub fn resolve_compensation(&mut self, ctx: &mut SyncWorkflowContext<Self>, by_hand: Signal<Resolution>) {
        if let Some((compensation, note)) = self.rounds.resolve(by_hand) {
            self.payment.resolved(compensation, note, &time::rfc3339(ctx.workflow_time()));
        }
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

impl Owes for PaymentWorkflow {
    fn rounds(&self) -> &Rounds {
        &self.rounds
    }

    fn rounds_mut(&mut self) -> &mut Rounds {
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

    fn running(&mut self, compensation: Compensation, at: &str) {
        self.payment.compensation_runs(compensation, at);
    }

    fn ran(&mut self, ran: Ran, at: &str) {
        self.payment.compensation(ran, at);
    }

    fn compensation_failed(&mut self) {
        self.payment.compensation_failed();
    }

    fn compensating(&mut self) {
        self.payment.compensating();
    }

    fn go_on(ctx: &Context, round: u32) -> Result<Infallible, WorkflowTermination> {
        let input = ctx.state(|s| {
            let resumed = Resumed { payment: s.payment.clone(), saga: s.rounds.saga.clone(), round };
            PaymentInput { resumed: Some(Box::new(resumed)), ..s.input.clone() }
        });
        ctx.continue_as_new(input, ContinueAsNewOptions::default())
    }

    /// Writes the summary that the Temporal UI shows.
    fn show(ctx: &Context) {
        ctx.set_current_details(format!("**{}**", ctx.state(|s| s.payment.state().status.name())));
    }
}

/// Charges, and waits until the payment can't be cancelled any more.
async fn pay(ctx: &Context, scope: &WorkflowCancellationToken) -> Result<(), Cause> {
    charge(ctx, scope).await?;
    window(ctx, scope).await;
    if change(ctx, |s| s.payment.settle()) { Ok(()) } else { Err(interrupted()) }
}

async fn charge(ctx: &Context, scope: &WorkflowCancellationToken) -> Result<(), Cause> {
    if ctx.state(|s| s.payment.is_cancelled()) {
        return Err(interrupted());
    }
    let call = call_context(ctx, Call::ChargePayment);
    let input = ctx.state(|s| Charge {
        call,
        amount: s.input.amount,
        currency: s.input.currency.clone(),
        source: s.input.source.clone(),
        description: s.input.description.clone(),
    });
    change(ctx, |s| s.payment.processing());
    let answer =
        saga::step(ctx, scope, Compensation::RefundCharge, PaymentActivities::charge_payment, input).await;
    match answer {
        Ok(charged) => {
            change(ctx, |s| s.payment.charged(&charged, &now(ctx)));
            Ok(())
        }
        Err(failed) => {
            let attempts = failed.attempts.of(&Policy::of(Call::ChargePayment));
            if !ctx.state(|s| s.payment.is_cancelled()) {
                change(ctx, |s| s.payment.refused(attempts));
            }
            Err(Cause::new(failed.refusal.into(), failed.error.message))
        }
    }
}

/// The time in which a payment that succeeded can still be cancelled.
async fn window(ctx: &Context, scope: &WorkflowCancellationToken) {
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

/// The cause of the end is the cancellation's own, which came first.
fn interrupted() -> Cause {
    Cause::new(PaymentFailure::PaymentCancelled, "the payment was cancelled")
}
