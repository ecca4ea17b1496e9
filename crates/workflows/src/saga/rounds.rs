//! Steps that owe their undo, and the rounds that undo what is owed: the same for every workflow.

use std::convert::Infallible;

use futures::{FutureExt, pin_mut};
use serde::{Deserialize, Serialize};
use temporalio_common::ActivityDefinition;
use temporalio_workflow::{
    TimerOptions, WaitConditionOptions, WorkflowCancellationToken, WorkflowContext, WorkflowTermination,
    workflows::select,
};

use super::{Compensation, CompensationStatus, Ran, Saga};
use crate::{
    activities::{
        CallContext, Found, Undo, Undone, inventory::InventoryActivities, payment::PaymentActivities,
        shipping::ShippingActivities,
    },
    failure::Failed,
    ids::{self, Call},
    policies::{self, Timing},
    signal::Signal,
    time,
};

/// Why somebody rejects or cancels, where they say so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `resolveCompensation`: somebody undid a step by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolution {
    /// The compensation's name, as the state lists it.
    pub step: String,
    pub note: String,
    pub actor: String,
}

/// What a workflow owes, and where its undoing stands.
pub(crate) struct Rounds {
    pub saga: Saga,
    /// The first round of this run; more than 1 after continue-as-new.
    pub first: u32,
    retry_requested: bool,
}

impl Rounds {
    pub const fn new(saga: Saga, first: u32) -> Self {
        Self { saga, first, retry_requested: false }
    }

    /// Signal `retryCompensation`.
    pub const fn retry(&mut self) {
        self.retry_requested = true;
    }

    /// Signal `resolveCompensation`: which undo it settled, and the note that is kept of it.
    pub fn resolve(&mut self, by_hand: Signal<Resolution>) -> Option<(Compensation, String)> {
        let by_hand = by_hand.0?;
        let compensation = Compensation::by_name(&by_hand.step)?;
        self.saga.resolve(compensation).then(|| {
            self.retry_requested = true;
            (compensation, format!("{}: {}", by_hand.actor, by_hand.note))
        })
    }
}

/// A workflow that owes undos: what its steps and rounds need of it.
pub(crate) trait Owes: Sized + 'static {
    fn rounds(&self) -> &Rounds;
    fn rounds_mut(&mut self) -> &mut Rounds;
    fn timing(&self) -> &Timing;
    /// What the provider and the logs know the workflow's work by.
    fn order_id(&self) -> &str;
    fn correlation_id(&self) -> &str;

    /// An undo ran.
    fn ran(&mut self, ran: Ran, at: &str);
    /// A round is over and left something undone.
    fn compensation_failed(&mut self);
    /// The next round begins.
    fn compensating(&mut self);
    /// Goes on with a round in a new history.
    ///
    /// # Errors
    /// Always: the continuation itself.
    fn go_on(ctx: &WorkflowContext<Self>, round: u32) -> Result<Infallible, WorkflowTermination>;
    /// Shows a change where people look for it.
    fn show(ctx: &WorkflowContext<Self>);
}

/// Changes the state and shows the change.
pub(crate) fn change<W: Owes, R>(ctx: &WorkflowContext<W>, apply: impl FnOnce(&mut W) -> R) -> R {
    let result = ctx.state_mut(apply);
    W::show(ctx);
    result
}

/// One step: owes its undo before it runs, and no longer where a definitive refusal proved that nothing
/// happened.
pub(crate) async fn step<W: Owes, A: ActivityDefinition + 'static>(
    ctx: &WorkflowContext<W>,
    scope: &WorkflowCancellationToken,
    compensation: Compensation,
    activity: A,
    input: A::Input,
) -> Result<A::Output, Failed> {
    ctx.state_mut(|s| s.rounds_mut().saga.owe(compensation));
    let options = ctx.state(|s| policies::options(compensation.forward(), s.timing(), scope.clone()));
    ctx.execute_activity(activity, input, options).await.map_err(|error| {
        let failed = Failed::told_by(&error);
        if failed.refusal.is_definitive() {
            ctx.state_mut(|s| s.rounds_mut().saga.forgive(compensation));
        }
        failed
    })
}

/// Undoes what is owed, round after round, until nothing is. Nothing interrupts it.
pub(crate) async fn compensate<W: Owes>(ctx: &WorkflowContext<W>) -> Result<(), WorkflowTermination> {
    let mut round = ctx.state(|s| s.rounds().first);
    loop {
        while let Some(compensation) = ctx.state(|s| s.rounds().saga.next(round)) {
            undo(ctx, compensation, round).await;
        }
        if ctx.state(|s| s.rounds().saga.open().next().is_none()) {
            return Ok(());
        }
        change(ctx, W::compensation_failed);
        wait_for_next_round(ctx, round).await;
        round = round.saturating_add(1);
        change(ctx, W::compensating);
        if ctx.continue_as_new_suggested() {
            W::go_on(ctx, round)?;
        }
    }
}

async fn wait_for_next_round<W: Owes>(ctx: &WorkflowContext<W>, round: u32) {
    let wait = ctx.state(|s| s.timing().compensation_wait(round));
    let asked = ctx
        .wait_condition_with_options(
            |s: &W| s.rounds().retry_requested,
            WaitConditionOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build(),
        )
        .fuse();
    let timer = ctx.timer(
        TimerOptions::builder(wait)
            .cancellation_token(WorkflowCancellationToken::new())
            .summary("next round of compensation".to_owned())
            .build(),
    );
    pin_mut!(asked, timer);
    select! {
        _ = asked => {}
        _ = timer => {}
    }
    ctx.state_mut(|s| s.rounds_mut().retry_requested = false);
}

async fn undo<W: Owes>(ctx: &WorkflowContext<W>, compensation: Compensation, round: u32) {
    let call = compensation.call();
    let input = Undo { call: call_context(ctx, call), forward_key: key(ctx, compensation.forward()) };
    let options = ctx.state(|s| policies::options(call, s.timing(), WorkflowCancellationToken::new()));
    let outcome = match compensation {
        Compensation::CancelShipping => {
            ctx.execute_activity(ShippingActivities::cancel_shipping_label, input, options).await
        }
        Compensation::RefundPayment | Compensation::RefundCharge => {
            ctx.execute_activity(PaymentActivities::refund_payment, input, options).await
        }
        Compensation::ReleaseInventory => {
            ctx.execute_activity(InventoryActivities::release_inventory, input, options).await
        }
        Compensation::ReleasePayment => {
            ctx.execute_activity(PaymentActivities::release_payment, input, options).await
        }
    };
    let at = now(ctx);
    change(ctx, |s| match outcome {
        Ok(Undone { found, attempt }) => {
            let status = match found {
                Found::Undone => CompensationStatus::Completed,
                Found::NothingToUndo => CompensationStatus::NothingToUndo,
            };
            if s.rounds_mut().saga.undone(compensation, found) {
                s.ran(Ran { compensation, status, attempts: attempt, error: None }, &at);
            }
        }
        Err(error) => {
            let attempts = policies::Policy::of(call).attempts;
            let error = Some(Failed::told_by(&error).error);
            if s.rounds_mut().saga.failed(compensation, round) {
                s.ran(Ran { compensation, status: CompensationStatus::Failed, attempts, error }, &at);
            }
        }
    });
}

/// What a call of the workflow carries.
pub(crate) fn call_context<W: Owes>(ctx: &WorkflowContext<W>, call: Call) -> CallContext {
    ctx.state(|s| CallContext {
        order_id: s.order_id().to_owned(),
        idempotency_key: key(ctx, call),
        correlation_id: s.correlation_id().to_owned(),
    })
}

fn key<W>(ctx: &WorkflowContext<W>, call: Call) -> String {
    ids::idempotency_key(ctx.workflow_id(), ctx.info().first_execution_run_id(), call)
}

/// Workflow time, as states show it.
pub(crate) fn now<W>(ctx: &WorkflowContext<W>) -> String {
    time::rfc3339(ctx.workflow_time())
}
