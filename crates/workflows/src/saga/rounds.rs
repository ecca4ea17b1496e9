//! Steps that owe their undo, and the rounds that undo what is owed: the same for every workflow.

use std::{convert::Infallible, time::Duration};

use futures::{FutureExt, pin_mut};
use serde::{Deserialize, Serialize};
use temporalio_common::{ActivityDefinition, error::ActivityExecutionError};
use temporalio_workflow::{
    ActivityOptions, TimerOptions, WaitConditionOptions, WorkflowCancellationToken, WorkflowContext,
    WorkflowTermination, workflows::select,
};

use super::{Compensation, CompensationStatus, Ran, Saga};
use crate::{
    activities::{
        CallContext, Found, Undo, Undone, inventory::InventoryActivities, payment::PaymentActivities,
        refusal::Refusal, shipping::ShippingActivities,
    },
    failure::{Failed, StateError},
    ids::{self, Call},
    policies::{self, Policy, Timing},
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

/// Orders that began to compensate before this have each undo's attempts and waits made by Temporal, where no
/// signal reaches them. Those that begin now wait in the workflow.
const WAITS_IN_WORKFLOW: &str = "compensation-waits-in-workflow";

/// What a workflow owes, and where its undoing stands.
pub(crate) struct Rounds {
    pub saga: Saga,
    /// The first round of this run; more than 1 after continue-as-new.
    pub first: u32,
    /// See [`WAITS_IN_WORKFLOW`].
    waits_in_workflow: bool,
    /// Whether an undo or the next round waits now.
    waiting: bool,
    retry_requested: bool,
}

impl Rounds {
    pub const fn new(saga: Saga, first: u32) -> Self {
        Self { saga, first, waits_in_workflow: false, waiting: false, retry_requested: false }
    }

    /// Signal `retryCompensation`. It concerns what waits now, and no later wait.
    pub const fn retry(&mut self) {
        if self.waiting || !self.waits_in_workflow {
            self.retry_requested = true;
        }
    }

    const fn begin_wait(&mut self) {
        self.waiting = true;
        if self.waits_in_workflow {
            self.retry_requested = false;
        }
    }

    const fn end_wait(&mut self) {
        self.waiting = false;
        self.retry_requested = false;
    }

    /// Whether the wait before the next round is over before its time.
    fn round_is_due(&self) -> bool {
        self.retry_requested || (self.waits_in_workflow && self.saga.open().next().is_none())
    }

    /// Whether the wait before an undo's next attempt is over before its time.
    fn attempt_is_due(&self, compensation: Compensation) -> bool {
        self.retry_requested || !self.saga.is_open(compensation)
    }

    /// Signal `resolveCompensation`: which undo it settled, and the note that is kept of it.
    pub fn resolve(&mut self, by_hand: Signal<Resolution>) -> Option<(Compensation, String)> {
        let by_hand = by_hand.0?;
        let compensation = Compensation::by_name(&by_hand.step)?;
        self.saga.resolve(compensation).then(|| {
            // What else failed keeps its wait.
            self.retry_requested |= !self.waits_in_workflow;
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

    /// An attempt at an undo begins.
    fn running(&mut self, compensation: Compensation, at: &str);
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
        let failed = Failed::read(&error);
        if failed.refusal.is_definitive() {
            ctx.state_mut(|s| s.rounds_mut().saga.forgive(compensation));
        }
        failed
    })
}

/// Undoes what is owed, round after round, until nothing is. Nothing interrupts it.
pub(crate) async fn compensate<W: Owes>(ctx: &WorkflowContext<W>) -> Result<(), WorkflowTermination> {
    let waits_in_workflow = ctx.patched(WAITS_IN_WORKFLOW);
    ctx.state_mut(|s| s.rounds_mut().waits_in_workflow = waits_in_workflow);
    let mut round = ctx.state(|s| s.rounds().first);
    loop {
        while let Some(compensation) = ctx.state(|s| s.rounds().saga.next(round)) {
            if waits_in_workflow {
                undo(ctx, compensation, round).await;
            } else {
                undo_in_one_call(ctx, compensation, round).await;
            }
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
    let length = ctx.state(|s| s.timing().compensation_wait(round));
    wait(ctx, length, "next round of compensation", |s| s.rounds().round_is_due()).await;
}

/// Waits, unless there is no need to any more.
async fn wait<W: Owes>(
    ctx: &WorkflowContext<W>,
    length: Duration,
    summary: &str,
    is_over: impl Fn(&W) -> bool + 'static,
) {
    ctx.state_mut(|s| s.rounds_mut().begin_wait());
    let over = ctx
        .wait_condition_with_options(
            is_over,
            WaitConditionOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build(),
        )
        .fuse();
    let token = WorkflowCancellationToken::new();
    let timer = ctx
        .timer(
            TimerOptions::builder(length)
                .cancellation_token(token.clone())
                .summary(summary.to_owned())
                .build(),
        )
        .fuse();
    pin_mut!(over, timer);
    select! {
        _ = over => {
            if ctx.state(|s| s.rounds().waits_in_workflow) {
                token.cancel();
                timer.await;
            }
        }
        _ = timer => {}
    }
    ctx.state_mut(|s| s.rounds_mut().end_wait());
}

/// Tries an undo until it succeeds, is refused for good, is resolved by hand, or has had its attempts.
async fn undo<W: Owes>(ctx: &WorkflowContext<W>, compensation: Compensation, round: u32) {
    let policy = Policy::of(compensation.call());
    for attempt in 1..=policy.attempts {
        let at = now(ctx);
        change(ctx, |s| s.running(compensation, &at));
        let Some(outcome) = attempt_once(ctx, compensation).await else {
            return;
        };
        let at = now(ctx);
        let failed = match outcome {
            Ok(undone) => return change(ctx, |s| succeeded(s, compensation, undone.found, 1, &at)),
            Err(error) => Failed::read(&error),
        };
        let attempts = failed.attempts.of(&Policy { attempts: 1, ..policy });
        if attempt == policy.attempts || failed.refusal != Refusal::NoAnswer {
            return change(ctx, |s| gave_up(s, compensation, round, attempts, failed.error, &at));
        }
        if !ctx.state(|s| s.rounds().saga.is_open(compensation)) {
            return;
        }
        let (status, error) = (CompensationStatus::Waiting, Some(failed.error));
        change(ctx, |s| s.ran(Ran { compensation, status, attempts, error }, &at));
        let length = ctx.state(|s| s.timing().retry_wait(attempt, failed.retry_after));
        let summary = format!("next attempt: {}", compensation.name());
        wait(ctx, length, &summary, move |s| s.rounds().attempt_is_due(compensation)).await;
        if !ctx.state(|s| s.rounds().saga.is_open(compensation)) {
            return;
        }
    }
}

/// Makes one attempt; none is its outcome where somebody resolved the undo meanwhile.
async fn attempt_once<W: Owes>(
    ctx: &WorkflowContext<W>,
    compensation: Compensation,
) -> Option<Result<Undone, ActivityExecutionError>> {
    let token = WorkflowCancellationToken::new();
    let options = ctx.state(|s| policies::attempt_options(compensation.call(), s.timing(), token.clone()));
    let attempt = call_undo(ctx, compensation, options).fuse();
    let resolved = ctx
        .wait_condition_with_options(
            move |s: &W| !s.rounds().saga.is_open(compensation),
            WaitConditionOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build(),
        )
        .fuse();
    pin_mut!(attempt, resolved);
    select! {
        outcome = attempt => Some(outcome),
        _ = resolved => {
            token.cancel_with_reason("it was undone by hand");
            // At once: nobody waits for the call itself.
            let _ = attempt.await;
            None
        }
    }
}

/// As orders do it that began to compensate before [`WAITS_IN_WORKFLOW`].
async fn undo_in_one_call<W: Owes>(ctx: &WorkflowContext<W>, compensation: Compensation, round: u32) {
    let call = compensation.call();
    let options = ctx.state(|s| policies::options(call, s.timing(), WorkflowCancellationToken::new()));
    let outcome = call_undo(ctx, compensation, options).await;
    let at = now(ctx);
    change(ctx, |s| match outcome {
        Ok(Undone { found, attempt }) => succeeded(s, compensation, found, attempt, &at),
        Err(error) => {
            let failed = Failed::read(&error);
            let attempts = failed.attempts.of(&Policy::of(call));
            gave_up(s, compensation, round, attempts, failed.error, &at);
        }
    });
}

async fn call_undo<W: Owes>(
    ctx: &WorkflowContext<W>,
    compensation: Compensation,
    options: ActivityOptions,
) -> Result<Undone, ActivityExecutionError> {
    let call = call_context(ctx, compensation.call());
    let input = Undo { call, forward_key: key(ctx, compensation.forward()) };
    match compensation {
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
    }
}

fn succeeded<W: Owes>(s: &mut W, compensation: Compensation, found: Found, attempts: u32, at: &str) {
    let status = match found {
        Found::Undone => CompensationStatus::Completed,
        Found::NothingToUndo => CompensationStatus::NothingToUndo,
    };
    if s.rounds_mut().saga.undone(compensation, found) {
        s.ran(Ran { compensation, status, attempts, error: None }, at);
    }
}

/// An undo failed for this round.
fn gave_up<W: Owes>(
    s: &mut W,
    compensation: Compensation,
    round: u32,
    attempts: u32,
    error: StateError,
    at: &str,
) {
    if s.rounds_mut().saga.failed(compensation, round) {
        let status = CompensationStatus::Failed;
        s.ran(Ran { compensation, status, attempts, error: Some(error) }, at);
    }
}

/// What a call of the workflow carries.
pub(crate) fn call_context<W: Owes>(ctx: &WorkflowContext<W>, call: Call) -> CallContext {
    ctx.state(|s| CallContext {
        order_id: s.order_id().to_owned(),
        idempotency_key: key(ctx, call),
        correlation_id: s.correlation_id().to_owned(),
        retry_after_maximum_ms: s.timing().retry_after_maximum_ms,
    })
}

fn key<W>(ctx: &WorkflowContext<W>, call: Call) -> String {
    ids::idempotency_key(ctx.workflow_id(), ctx.info().first_execution_run_id(), call)
}

/// Workflow time, as states show it.
pub(crate) fn now<W>(ctx: &WorkflowContext<W>) -> String {
    time::rfc3339(ctx.workflow_time())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Compensation::{RefundPayment, ReleaseInventory};

    fn owing(waits_in_workflow: bool) -> Rounds {
        let mut saga = Saga::default();
        saga.owe(ReleaseInventory);
        saga.owe(RefundPayment);
        Rounds { waits_in_workflow, ..Rounds::new(saga, 1) }
    }

    fn by_hand(compensation: Compensation) -> Signal<Resolution> {
        let step = compensation.name().to_owned();
        Resolution { step, note: "by hand".to_owned(), actor: "ops".to_owned() }.into()
    }

    #[test]
    fn a_retry_ends_the_wait_that_there_is() {
        let mut rounds = owing(true);
        rounds.begin_wait();
        assert!(!rounds.attempt_is_due(RefundPayment) && !rounds.round_is_due());
        rounds.retry();
        assert!(rounds.attempt_is_due(RefundPayment) && rounds.round_is_due());
        rounds.end_wait();
        rounds.begin_wait();
        assert!(!rounds.attempt_is_due(RefundPayment) && !rounds.round_is_due());
    }

    #[test]
    fn a_retry_while_nothing_waits_ends_no_later_wait() {
        let mut rounds = owing(true);
        rounds.retry();
        rounds.begin_wait();
        assert!(!rounds.round_is_due());
        rounds.end_wait();
        rounds.retry();
        rounds.begin_wait();
        assert!(!rounds.attempt_is_due(RefundPayment));
    }

    #[test]
    fn a_retry_before_the_order_compensates_ends_no_wait_of_its() {
        let mut rounds = owing(false);
        rounds.retry();
        rounds.waits_in_workflow = true;
        rounds.begin_wait();
        assert!(!rounds.round_is_due());
    }

    #[test]
    fn what_was_resolved_waits_no_longer_and_the_others_wait_on() {
        let mut rounds = owing(true);
        rounds.begin_wait();
        let resolved = rounds.resolve(by_hand(RefundPayment));
        assert_eq!(resolved, Some((RefundPayment, "ops: by hand".to_owned())));
        assert!(rounds.attempt_is_due(RefundPayment));
        assert!(!rounds.attempt_is_due(ReleaseInventory) && !rounds.round_is_due());
        assert_eq!(rounds.resolve(by_hand(RefundPayment)), None, "it is settled already");
        rounds.resolve(by_hand(ReleaseInventory));
        assert!(rounds.round_is_due(), "nothing is left to wait for");
    }

    /// What released histories depend on.
    #[test]
    fn an_order_of_before_keeps_a_request_for_its_next_wait() {
        let mut rounds = owing(false);
        rounds.retry();
        rounds.begin_wait();
        assert!(rounds.round_is_due());
        rounds.end_wait();
        assert!(rounds.resolve(by_hand(RefundPayment)).is_some());
        rounds.begin_wait();
        assert!(rounds.round_is_due());
    }
}
