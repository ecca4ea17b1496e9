//! Steps with compensations, and the rounds that run the pending ones. Every workflow uses the same code.

use std::{convert::Infallible, time::Duration};

use futures::{FutureExt, pin_mut};
use serde::{Deserialize, Serialize};
use temporalio_common::{ActivityDefinition, error::ActivityExecutionError};
use temporalio_workflow::{
    ActivityOptions, TimerOptions, WorkflowCancellationToken, WorkflowContext, WorkflowTermination,
    workflows::select,
};

use super::{Compensation, CompensationOutcome, CompensationStatus, RecordsCompensations, Saga};
use crate::{
    activities::{
        CallContext, UndoInput, UndoOutput, UndoResult, inventory::InventoryActivities,
        payment::PaymentActivities, refusal::Refusal, shipping::ShippingActivities,
    },
    cancellation::uncancelled,
    failure::{ActivityFailure, StateError},
    ids::{self, Call},
    policies::{self, Policy, Timing},
    signal::Signal,
    time,
};

/// The optional reason of a rejection or a cancellation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The person who asked for it, if the API knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

/// The payload of `resolveCompensation`: a step was undone by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolution {
    /// The compensation's name, as the state lists it.
    pub step: String,
    pub note: String,
    pub actor: String,
}

/// The patch of waits in the workflow. In orders that started to compensate before it, Temporal makes the
/// attempts and waits, which no signal reaches.
const WAITS_IN_WORKFLOW: &str = "compensation-waits-in-workflow";

/// The saga of a workflow, and the state of its compensation.
pub(crate) struct CompensationRounds {
    pub saga: Saga,
    /// The first round of this run. It is greater than 1 after continue-as-new.
    pub first_round: u32,
    /// See [`WAITS_IN_WORKFLOW`].
    waits_in_workflow: bool,
    /// True while an undo or the next round waits.
    waiting: bool,
    retry_requested: bool,
}

impl CompensationRounds {
    pub const fn new(saga: Saga, first_round: u32) -> Self {
        Self { saga, first_round, waits_in_workflow: false, waiting: false, retry_requested: false }
    }

    /// Handles signal `retryCompensation`. It ends the present wait, and no later one.
    pub const fn request_retry(&mut self) {
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

    /// Returns true if the wait before the next round must end early.
    fn round_is_due(&self) -> bool {
        self.retry_requested || (self.waits_in_workflow && self.saga.pending().next().is_none())
    }

    /// Returns true if the wait before an undo's next attempt must end early.
    fn attempt_is_due(&self, compensation: Compensation) -> bool {
        self.retry_requested || !self.saga.is_pending(compensation)
    }

    /// Handles signal `resolveCompensation`. Returns the resolved compensation and the note for its record.
    pub fn resolve(&mut self, resolution: Signal<Resolution>) -> Option<(Compensation, String)> {
        let resolution = resolution.0?;
        let compensation = resolution.step.parse().ok()?;
        self.saga.resolve(compensation).then(|| {
            // The other failed compensations keep their wait.
            self.retry_requested |= !self.waits_in_workflow;
            (compensation, format!("{}: {}", resolution.actor, resolution.note))
        })
    }
}

/// A workflow with compensations.
pub(crate) trait Compensating: Sized + 'static {
    fn rounds(&self) -> &CompensationRounds;
    fn rounds_mut(&mut self) -> &mut CompensationRounds;
    fn timing(&self) -> &Timing;
    /// Returns the name of the work in the provider's ledger and in logs.
    fn order_id(&self) -> &str;
    fn correlation_id(&self) -> &str;

    /// Returns the state machine, which records the compensations.
    fn machine_mut(&mut self) -> &mut impl RecordsCompensations;

    /// Handles signal `resolveCompensation`.
    fn resolve(&mut self, resolution: Signal<Resolution>, at: &str) {
        if let Some((compensation, note)) = self.rounds_mut().resolve(resolution) {
            self.machine_mut().record_resolution(compensation, note, at);
        }
    }

    /// Continues with a round in a new history.
    ///
    /// # Errors
    /// Always returns the continuation as its error.
    fn continue_as_new(ctx: &WorkflowContext<Self>, round: u32) -> Result<Infallible, WorkflowTermination>;
    /// Publishes the state to the Temporal UI and to lists.
    fn publish_state(ctx: &WorkflowContext<Self>);
}

/// Changes the state, and publishes it.
pub(crate) fn update_state<W: Compensating, R>(
    ctx: &WorkflowContext<W>,
    apply: impl FnOnce(&mut W) -> R,
) -> R {
    let result = ctx.state_mut(apply);
    W::publish_state(ctx);
    result
}

/// Declares a step of a saga: the activity, and by [`Step::undo_by`] its compensation.
pub(crate) const fn step<A: ActivityDefinition + 'static>(activity: A) -> Step<A> {
    Step { activity }
}

pub(crate) struct Step<A> {
    activity: A,
}

impl<A: ActivityDefinition + 'static> Step<A> {
    pub fn undo_by(self, compensation: Compensation) -> UndoableStep<A> {
        UndoableStep { activity: self.activity, compensation }
    }
}

/// A step with its compensation.
pub(crate) struct UndoableStep<A> {
    activity: A,
    compensation: Compensation,
}

impl<A: ActivityDefinition + 'static> UndoableStep<A> {
    /// Returns the context of the step's call.
    pub fn call_context<W: Compensating>(&self, ctx: &WorkflowContext<W>) -> CallContext {
        call_context(ctx, self.compensation.forward_call())
    }

    /// Registers the compensation, and runs the activity. Discards the compensation after a definitive refusal,
    /// which proves that the call had no effect.
    pub async fn run<W: Compensating>(
        self,
        ctx: &WorkflowContext<W>,
        scope: &WorkflowCancellationToken,
        input: A::Input,
    ) -> Result<A::Output, ActivityFailure> {
        let Self { activity, compensation } = self;
        ctx.state_mut(|s| s.rounds_mut().saga.register(compensation));
        let options =
            ctx.state(|s| policies::activity_options(compensation.forward_call(), s.timing(), scope.clone()));
        ctx.execute_activity(activity, input, options).await.map_err(|error| {
            let failed = ActivityFailure::from_activity_error(&error);
            if failed.refusal.is_definitive() {
                ctx.state_mut(|s| s.rounds_mut().saga.discard(compensation));
            }
            failed
        })
    }
}

/// Runs the pending compensations, round after round, until none is left. No cancellation interrupts it.
pub(crate) async fn compensate<W: Compensating>(ctx: &WorkflowContext<W>) -> Result<(), WorkflowTermination> {
    let waits_in_workflow = ctx.patched(WAITS_IN_WORKFLOW);
    ctx.state_mut(|s| s.rounds_mut().waits_in_workflow = waits_in_workflow);
    let mut round = ctx.state(|s| s.rounds().first_round);
    loop {
        while let Some(compensation) = ctx.state(|s| s.rounds().saga.next_in_round(round)) {
            if waits_in_workflow {
                run_compensation(ctx, compensation, round).await;
            } else {
                undo_in_one_call(ctx, compensation, round).await;
            }
        }
        if ctx.state(|s| s.rounds().saga.pending().next().is_none()) {
            return Ok(());
        }
        update_state(ctx, |s| s.machine_mut().enter_compensation_failed());
        wait_for_next_round(ctx, round).await;
        round = round.saturating_add(1);
        update_state(ctx, |s| s.machine_mut().enter_compensating());
        if ctx.continue_as_new_suggested() {
            W::continue_as_new(ctx, round)?;
        }
    }
}

async fn wait_for_next_round<W: Compensating>(ctx: &WorkflowContext<W>, round: u32) {
    let length = ctx.state(|s| s.timing().compensation_wait(round));
    wait(ctx, length, "next round of compensation", |s| s.rounds().round_is_due()).await;
}

/// Waits for the given time, or until `is_over`.
async fn wait<W: Compensating>(
    ctx: &WorkflowContext<W>,
    length: Duration,
    summary: &str,
    is_over: impl Fn(&W) -> bool + 'static,
) {
    ctx.state_mut(|s| s.rounds_mut().begin_wait());
    let over = ctx.wait_condition_with_options(is_over, uncancelled()).fuse();
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

/// Tries an undo until it succeeds, has a final refusal, is resolved by hand, or has used up its attempts.
async fn run_compensation<W: Compensating>(ctx: &WorkflowContext<W>, compensation: Compensation, round: u32) {
    let policy = Policy::for_call(compensation.undo_call());
    for attempt in 1..=policy.attempts {
        let at = workflow_time(ctx);
        update_state(ctx, |s| s.machine_mut().start_undo(compensation, &at));
        let Some(outcome) = attempt_once(ctx, compensation).await else {
            return;
        };
        let at = workflow_time(ctx);
        let failed = match outcome {
            Ok(undone) => return update_state(ctx, |s| succeeded(s, compensation, undone.found, 1, &at)),
            Err(error) => ActivityFailure::from_activity_error(&error),
        };
        let attempts = failed.attempts.of(&Policy { attempts: 1, ..policy });
        if attempt == policy.attempts || failed.refusal != Refusal::NoAnswer {
            return update_state(ctx, |s| gave_up(s, compensation, round, attempts, failed.error, &at));
        }
        if !ctx.state(|s| s.rounds().saga.is_pending(compensation)) {
            return;
        }
        let (status, error) = (CompensationStatus::Waiting, Some(failed.error));
        update_state(ctx, |s| {
            let outcome = CompensationOutcome { compensation, status, attempts, error };
            s.machine_mut().record_compensation(outcome, &at);
        });
        let length = ctx.state(|s| s.timing().retry_wait(attempt, failed.retry_after));
        let summary = format!("next attempt: {}", compensation.name());
        wait(ctx, length, &summary, move |s| s.rounds().attempt_is_due(compensation)).await;
        if !ctx.state(|s| s.rounds().saga.is_pending(compensation)) {
            return;
        }
    }
}

/// Makes one attempt. Returns `None` if the compensation was resolved by hand meanwhile.
async fn attempt_once<W: Compensating>(
    ctx: &WorkflowContext<W>,
    compensation: Compensation,
) -> Option<Result<UndoOutput, ActivityExecutionError>> {
    let token = WorkflowCancellationToken::new();
    let options =
        ctx.state(|s| policies::attempt_options(compensation.undo_call(), s.timing(), token.clone()));
    let attempt = call_undo(ctx, compensation, options).fuse();
    let resolved = ctx
        .wait_condition_with_options(move |s: &W| !s.rounds().saga.is_pending(compensation), uncancelled())
        .fuse();
    pin_mut!(attempt, resolved);
    select! {
        outcome = attempt => Some(outcome),
        _ = resolved => {
            token.cancel_with_reason("it was undone by hand");
            // The cancellation ends the activity at once.
            let _ = attempt.await;
            None
        }
    }
}

/// Runs an undo as one activity that Temporal retries, for orders from before [`WAITS_IN_WORKFLOW`].
async fn undo_in_one_call<W: Compensating>(ctx: &WorkflowContext<W>, compensation: Compensation, round: u32) {
    let call = compensation.undo_call();
    let options =
        ctx.state(|s| policies::activity_options(call, s.timing(), WorkflowCancellationToken::new()));
    let outcome = call_undo(ctx, compensation, options).await;
    let at = workflow_time(ctx);
    update_state(ctx, |s| match outcome {
        Ok(UndoOutput { found, attempt }) => succeeded(s, compensation, found, attempt, &at),
        Err(error) => {
            let failed = ActivityFailure::from_activity_error(&error);
            let attempts = failed.attempts.of(&Policy::for_call(call));
            gave_up(s, compensation, round, attempts, failed.error, &at);
        }
    });
}

async fn call_undo<W: Compensating>(
    ctx: &WorkflowContext<W>,
    compensation: Compensation,
    options: ActivityOptions,
) -> Result<UndoOutput, ActivityExecutionError> {
    let call = call_context(ctx, compensation.undo_call());
    let input = UndoInput { call, forward_key: idempotency_key(ctx, compensation.forward_call()) };
    match compensation {
        Compensation::CancelShipping | Compensation::CancelReturnLabel => {
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

fn succeeded<W: Compensating>(
    s: &mut W,
    compensation: Compensation,
    found: UndoResult,
    attempts: u32,
    at: &str,
) {
    let status = match found {
        UndoResult::Undone => CompensationStatus::Completed,
        UndoResult::NothingToUndo => CompensationStatus::NothingToUndo,
    };
    if s.rounds_mut().saga.record_success(compensation, found) {
        let outcome = CompensationOutcome { compensation, status, attempts, error: None };
        s.machine_mut().record_compensation(outcome, at);
    }
}

/// Records the failure of an undo in this round.
fn gave_up<W: Compensating>(
    s: &mut W,
    compensation: Compensation,
    round: u32,
    attempts: u32,
    error: StateError,
    at: &str,
) {
    if s.rounds_mut().saga.record_failure(compensation, round) {
        let status = CompensationStatus::Failed;
        let outcome = CompensationOutcome { compensation, status, attempts, error: Some(error) };
        s.machine_mut().record_compensation(outcome, at);
    }
}

/// Returns the context of a call.
pub(crate) fn call_context<W: Compensating>(ctx: &WorkflowContext<W>, call: Call) -> CallContext {
    ctx.state(|s| CallContext {
        order_id: s.order_id().to_owned(),
        idempotency_key: idempotency_key(ctx, call),
        correlation_id: s.correlation_id().to_owned(),
        retry_after_maximum_ms: s.timing().retry_after_maximum_ms,
    })
}

fn idempotency_key<W>(ctx: &WorkflowContext<W>, call: Call) -> String {
    ids::idempotency_key(ctx.workflow_id(), ctx.info().first_execution_run_id(), call)
}

/// Returns the workflow's time in the format of states.
pub(crate) fn workflow_time<W>(ctx: &WorkflowContext<W>) -> String {
    time::rfc3339(ctx.workflow_time())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Compensation::{RefundPayment, ReleaseInventory};

    fn rounds_with(waits_in_workflow: bool) -> CompensationRounds {
        let mut saga = Saga::default();
        saga.register(ReleaseInventory);
        saga.register(RefundPayment);
        CompensationRounds { waits_in_workflow, ..CompensationRounds::new(saga, 1) }
    }

    fn resolution_of(compensation: Compensation) -> Signal<Resolution> {
        let step = compensation.name().to_owned();
        Resolution { step, note: "by hand".to_owned(), actor: "ops".to_owned() }.into()
    }

    #[test]
    fn a_retry_ends_the_present_wait() {
        let mut rounds = rounds_with(true);
        rounds.begin_wait();
        assert!(!rounds.attempt_is_due(RefundPayment) && !rounds.round_is_due());
        rounds.request_retry();
        assert!(rounds.attempt_is_due(RefundPayment) && rounds.round_is_due());
        rounds.end_wait();
        rounds.begin_wait();
        assert!(!rounds.attempt_is_due(RefundPayment) && !rounds.round_is_due());
    }

    #[test]
    fn a_retry_while_nothing_waits_ends_no_later_wait() {
        let mut rounds = rounds_with(true);
        rounds.request_retry();
        rounds.begin_wait();
        assert!(!rounds.round_is_due());
        rounds.end_wait();
        rounds.request_retry();
        rounds.begin_wait();
        assert!(!rounds.attempt_is_due(RefundPayment));
    }

    #[test]
    fn a_retry_before_the_compensation_ends_no_wait() {
        let mut rounds = rounds_with(false);
        rounds.request_retry();
        rounds.waits_in_workflow = true;
        rounds.begin_wait();
        assert!(!rounds.round_is_due());
    }

    #[test]
    fn a_resolution_ends_its_own_wait_and_no_other() {
        let mut rounds = rounds_with(true);
        rounds.begin_wait();
        let resolved = rounds.resolve(resolution_of(RefundPayment));
        assert_eq!(resolved, Some((RefundPayment, "ops: by hand".to_owned())));
        assert!(rounds.attempt_is_due(RefundPayment));
        assert!(!rounds.attempt_is_due(ReleaseInventory) && !rounds.round_is_due());
        assert_eq!(rounds.resolve(resolution_of(RefundPayment)), None, "it is settled already");
        rounds.resolve(resolution_of(ReleaseInventory));
        assert!(rounds.round_is_due(), "no compensation is pending");
    }

    /// Recorded histories depend on this.
    #[test]
    fn an_older_order_keeps_a_retry_for_its_next_wait() {
        let mut rounds = rounds_with(false);
        rounds.request_retry();
        rounds.begin_wait();
        assert!(rounds.round_is_due());
        rounds.end_wait();
        assert!(rounds.resolve(resolution_of(RefundPayment)).is_some());
        rounds.begin_wait();
        assert!(rounds.round_is_due());
    }
}
