//! The sequence of an order. What it may do and in which state it is, `progress` and `saga` decide;
//! here are only the calls, the waits and their order.

use futures::{FutureExt, pin_mut};
use temporalio_common::{
    ActivityDefinition,
    error::{ActivityExecutionError, ApplicationErrorCategory, ApplicationFailure, IncomingError},
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ContinueAsNewOptions, MemoValue, SyncWorkflowContext, TimerOptions, WaitConditionOptions,
    WorkflowCancellationToken, WorkflowContext, WorkflowContextView, WorkflowResult, WorkflowTermination,
    workflows::select,
};

use super::{
    messages::{OrderInput, Progress, Reason, Resolution, Resumed},
    progress::{
        Approval, Cause, CompensationStatus, CurrentStep, FailureCode, Order, OrderError, OrderState,
        OrderStatus,
    },
    saga::{Compensation, Saga},
};
use crate::{
    activities::{
        CallContext, Found, Undo, Undone,
        inventory::{self, InventoryActivities, StockLine},
        notification::{self, NotificationActivities},
        payment::{self, PaymentActivities},
        refusal::Refusal,
        shipping::{self, ShippingActivities},
    },
    ids::{self, Call},
    policies, search_attributes,
    signal::Signal,
    time,
};

/// `orderFulfillmentWorkflow`: ships the order, or leaves nothing behind.
#[workflow]
pub struct OrderFulfillment {
    input: OrderInput,
    order: Order,
    saga: Saga,
    /// The first round of compensation of this run; more than 1 after continue-as-new.
    first_round: u32,
    retry_requested: bool,
    /// The status that the search attribute shows: the starter wrote the first one.
    published: OrderStatus,
}

type Context = WorkflowContext<OrderFulfillment>;

/// A call that failed: what it means to the order, in the provider's words.
struct Failed {
    refusal: Refusal,
    error: OrderError,
}

#[workflow_methods]
impl OrderFulfillment {
    #[init]
    pub fn new(_ctx: &WorkflowContextView, mut input: OrderInput) -> Self {
        let Resumed { order, saga, round } = match input.resumed.take() {
            Some(resumed) => *resumed,
            None => Resumed {
                order: Order::new(&input.order_id, input.requires_approval),
                saga: Saga::default(),
                round: 1,
            },
        };
        let published = order.state().status;
        Self { input, order, saga, first_round: round, retry_requested: false, published }
    }

    /// # Errors
    /// Where the order didn't ship: a failure whose type is the [`FailureCode`], with the final state
    /// in its details.
    #[run(name = "orderFulfillmentWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<OrderState> {
        if ctx.state(|s| s.first_round == 1) {
            match ship_unless_cancelled(ctx).await {
                Ok(()) => return Ok(ctx.state(|s| s.order.state().clone())),
                Err(cause) => {
                    change(ctx, |s| s.order.compensate(cause));
                    remember_error(ctx);
                }
            }
        }
        compensate(ctx).await?;
        let cause = change(ctx, |s| s.order.ended(&s.saga));
        Err(failure(&cause, ctx.state(|s| s.order.state().clone())))
    }

    #[signal(name = "approveOrder")]
    pub fn approve(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _: Signal<()>) {
        self.order.approve();
    }

    #[signal(name = "rejectOrder")]
    pub fn reject(&mut self, _ctx: &mut SyncWorkflowContext<Self>, reason: Signal<Reason>) {
        self.order.reject(reason.0.and_then(|reason| reason.reason));
    }

    #[signal(name = "cancelOrder")]
    pub fn cancel(&mut self, _ctx: &mut SyncWorkflowContext<Self>, reason: Signal<Reason>) {
        self.order.cancel(reason.0.and_then(|reason| reason.reason));
    }

    #[signal(name = "retryCompensation")]
    pub fn retry_compensation(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _: Signal<()>) {
        self.retry_requested = true;
    }

    #[signal(name = "resolveCompensation")]
    pub fn resolve_compensation(&mut self, ctx: &mut SyncWorkflowContext<Self>, by_hand: Signal<Resolution>) {
        if let Some(by_hand) = by_hand.0
            && let Some(compensation) = Compensation::by_name(&by_hand.step)
            && self.saga.resolve(compensation)
        {
            let note = format!("{}: {}", by_hand.actor, by_hand.note);
            self.order.resolved(compensation, note, &time::rfc3339(ctx.workflow_time()));
            self.retry_requested = true;
        }
    }

    #[query(name = "getOrderStatus")]
    pub fn status(&self, _ctx: &WorkflowContextView) -> OrderState {
        self.order.state().clone()
    }

    #[query(name = "getProgress")]
    pub fn progress(&self, _ctx: &WorkflowContextView) -> Progress {
        Progress { progress: self.order.state().progress }
    }
}

/// Changes the state and shows the change.
fn change<R>(ctx: &Context, apply: impl FnOnce(&mut OrderFulfillment) -> R) -> R {
    let result = ctx.state_mut(apply);
    publish(ctx);
    result
}

/// Writes the search attribute and the summary that the Temporal UI shows.
fn publish(ctx: &Context) {
    let (status, step, usable) = ctx.state(|s| {
        let state = s.order.state();
        (state.status, state.current_step, s.input.search_attributes)
    });
    ctx.set_current_details(format!("**{}**: {}", status.name(), step.name()));
    if usable && ctx.state(|s| s.published != status) {
        ctx.state_mut(|s| s.published = status);
        ctx.upsert_search_attributes([search_attributes::ORDER_STATUS.value_set(status.name().to_owned())]);
    }
}

/// Lists show why an order failed, and what they can read of it is its memo.
fn remember_error(ctx: &Context) {
    let error = ctx.state(|s| s.order.state().error.clone());
    // A memo that can't be written is no reason to leave money held.
    let _ = ctx.upsert_memo([(ids::ERROR_MEMO, Some(MemoValue::new(error)))]);
}

/// Runs the steps; a cancellation, by signal or by Temporal, interrupts them until the label exists.
async fn ship_unless_cancelled(ctx: &Context) -> Result<(), Cause> {
    let scope = WorkflowCancellationToken::new();
    let steps = ship(ctx, &scope).fuse();
    let cancelled = cancellation(ctx).fuse();
    pin_mut!(steps, cancelled);
    select! {
        outcome = steps => outcome,
        () = cancelled => {
            scope.cancel_with_reason("the order was cancelled");
            steps.await
        }
    }
}

/// Resolves once the order is cancelled; never, where it is too late for that.
async fn cancellation(ctx: &Context) {
    let signalled = ctx
        .wait_condition_with_options(
            |s| s.order.is_cancelled(),
            WaitConditionOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build(),
        )
        .fuse();
    let cancelled = ctx.cancelled();
    pin_mut!(signalled, cancelled);
    select! {
        _ = signalled => {}
        reason = cancelled => {
            let reason = reason.filter(|reason| !reason.is_empty());
            if !ctx.state_mut(|s| s.order.cancel(reason)) {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// The steps of an order, in their order.
async fn ship(ctx: &Context, scope: &WorkflowCancellationToken) -> Result<(), Cause> {
    let auth_id = authorize(ctx, scope).await?;
    approval(ctx, scope).await?;
    reserve(ctx, scope).await?;
    capture(ctx, scope, auth_id).await?;
    label(ctx, scope).await?;
    notify(ctx).await;
    change(ctx, |s| s.order.shipped());
    Ok(())
}

async fn authorize(ctx: &Context, scope: &WorkflowCancellationToken) -> Result<String, Cause> {
    let input = ctx.state(|s| payment::Authorize {
        call: call_context(ctx, s, Call::AuthorizePayment),
        customer_id: s.input.customer_id.clone(),
        amount: s.input.amount,
        currency: s.input.currency.clone(),
    });
    change(ctx, |s| s.order.begin(CurrentStep::AuthorizingPayment));
    let authorized =
        step(ctx, scope, Compensation::ReleasePayment, PaymentActivities::authorize_payment, input).await?;
    change(ctx, |s| s.order.authorized(&authorized.auth_id, &now(ctx)));
    Ok(authorized.auth_id)
}

async fn approval(ctx: &Context, scope: &WorkflowCancellationToken) -> Result<(), Cause> {
    if ctx.state(|s| !s.input.requires_approval) {
        return Ok(());
    }
    change(ctx, |s| s.order.begin(CurrentStep::AwaitingApproval));
    let limit = ctx.state(|s| std::time::Duration::from_millis(s.input.timing.approval_timeout_ms));
    let decided = ctx
        .wait_condition_with_options(
            |s| s.order.approval() != Approval::Pending,
            WaitConditionOptions::builder().cancellation_token(scope.clone()).build(),
        )
        .fuse();
    let timer = ctx.timer(
        TimerOptions::builder(limit).cancellation_token(scope.clone()).summary("approval".to_owned()).build(),
    );
    pin_mut!(decided, timer);
    select! {
        _ = decided => {}
        _ = timer => change(ctx, |s| if !s.order.is_cancelled() { s.order.time_out() }),
    }
    match ctx.state(|s| s.order.approval()) {
        Approval::Granted => {
            change(ctx, |s| s.order.approved(&now(ctx)));
            Ok(())
        }
        Approval::Refused(cause) => Err(cause),
        Approval::Pending => Err(interrupted()),
    }
}

async fn reserve(ctx: &Context, scope: &WorkflowCancellationToken) -> Result<(), Cause> {
    let input = ctx.state(|s| inventory::Reserve {
        call: call_context(ctx, s, Call::ReserveInventory),
        lines: s
            .input
            .items
            .iter()
            .map(|item| StockLine { sku: item.sku.clone(), quantity: item.quantity })
            .collect(),
    });
    change(ctx, |s| s.order.begin(CurrentStep::ReservingInventory));
    let reserved =
        step(ctx, scope, Compensation::ReleaseInventory, InventoryActivities::reserve_inventory, input)
            .await?;
    change(ctx, |s| s.order.reserved(&reserved.reservation_id, &now(ctx)));
    Ok(())
}

async fn capture(ctx: &Context, scope: &WorkflowCancellationToken, auth_id: String) -> Result<(), Cause> {
    let input = ctx.state(|s| payment::Capture {
        call: call_context(ctx, s, Call::CapturePayment),
        auth_id,
        amount: s.input.amount,
        currency: s.input.currency.clone(),
    });
    change(ctx, |s| s.order.begin(CurrentStep::CapturingPayment));
    step(ctx, scope, Compensation::RefundPayment, PaymentActivities::capture_payment, input).await?;
    change(ctx, |s| s.order.captured(&now(ctx)));
    Ok(())
}

async fn label(ctx: &Context, scope: &WorkflowCancellationToken) -> Result<(), Cause> {
    let input = ctx.state(|s| shipping::CreateLabel {
        call: call_context(ctx, s, Call::CreateShippingLabel),
        address: s.input.shipping_address.clone(),
    });
    change(ctx, |s| s.order.begin(CurrentStep::CreatingShippingLabel));
    let label =
        step(ctx, scope, Compensation::CancelShipping, ShippingActivities::create_shipping_label, input)
            .await?;
    let ships = change(ctx, |s| s.order.labelled(&label.label_id, &label.tracking_number, &now(ctx)));
    if ships { Ok(()) } else { Err(interrupted()) }
}

/// Past the point of no return, so neither a failure nor a cancellation matters here.
async fn notify(ctx: &Context) {
    let input = ctx.state(|s| notification::Notify {
        call: call_context(ctx, s, Call::SendNotification),
        recipient: s.input.customer_email.clone(),
        subject: format!("Your order {} is on its way", s.input.order_id),
        message: format!(
            "Tracking number: {}",
            s.order.state().tracking_number.as_deref().unwrap_or_default()
        ),
    });
    change(ctx, |s| s.order.begin(CurrentStep::SendingNotification));
    let options = ctx.state(|s| {
        policies::options(Call::SendNotification, &s.input.timing, WorkflowCancellationToken::new())
    });
    let outcome = ctx.execute_activity(NotificationActivities::send_notification, input, options).await;
    let outcome = outcome.map_err(|error| told(&error).error);
    change(ctx, |s| {
        s.order.notified(outcome.as_ref().map(|sent| sent.notification_id.as_str()), &now(ctx));
    });
}

/// One step of the saga: owes its undo before it runs, and no longer where a definitive refusal
/// proved that nothing happened.
async fn step<A: ActivityDefinition + 'static>(
    ctx: &Context,
    scope: &WorkflowCancellationToken,
    compensation: Compensation,
    activity: A,
    input: A::Input,
) -> Result<A::Output, Cause> {
    if ctx.state(|s| s.order.is_cancelled()) {
        return Err(interrupted());
    }
    ctx.state_mut(|s| s.saga.owe(compensation));
    let options = ctx.state(|s| policies::options(compensation.forward(), &s.input.timing, scope.clone()));
    ctx.execute_activity(activity, input, options).await.map_err(|error| {
        let Failed { refusal, error } = told(&error);
        if refusal.is_definitive() {
            ctx.state_mut(|s| s.saga.forgive(compensation));
        }
        Cause::new(refusal.into(), error.message)
    })
}

/// Undoes what is owed, round after round, until nothing is. Nothing interrupts it.
async fn compensate(ctx: &Context) -> Result<(), WorkflowTermination> {
    let mut round = ctx.state(|s| s.first_round);
    loop {
        while let Some(compensation) = ctx.state(|s| s.saga.next(round)) {
            undo(ctx, compensation, round).await;
        }
        if ctx.state(|s| s.saga.open().next().is_none()) {
            return Ok(());
        }
        change(ctx, |s| s.order.compensation_failed());
        wait_for_next_round(ctx, round).await;
        round = round.saturating_add(1);
        change(ctx, |s| s.order.compensating());
        if ctx.continue_as_new_suggested() {
            let input = ctx.state(|s| OrderInput {
                resumed: Some(Box::new(Resumed { order: s.order.clone(), saga: s.saga.clone(), round })),
                ..s.input.clone()
            });
            ctx.continue_as_new(input, ContinueAsNewOptions::default())?;
        }
    }
}

async fn wait_for_next_round(ctx: &Context, round: u32) {
    let wait = ctx.state(|s| s.input.timing.compensation_wait(round));
    let asked = ctx
        .wait_condition_with_options(
            |s| s.retry_requested,
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
    ctx.state_mut(|s| s.retry_requested = false);
}

async fn undo(ctx: &Context, compensation: Compensation, round: u32) {
    let call = compensation.call();
    let input = ctx
        .state(|s| Undo { call: call_context(ctx, s, call), forward_key: key(ctx, compensation.forward()) });
    let options = ctx.state(|s| policies::options(call, &s.input.timing, WorkflowCancellationToken::new()));
    let outcome = match compensation {
        Compensation::CancelShipping => {
            ctx.execute_activity(ShippingActivities::cancel_shipping_label, input, options).await
        }
        Compensation::RefundPayment => {
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
            if s.saga.undone(compensation, found) {
                s.order.compensation(compensation, status, attempt, None, &at);
            }
        }
        Err(error) => {
            let attempts = policies::Policy::of(call).attempts;
            let error = told(&error).error;
            if s.saga.failed(compensation, round) {
                s.order.compensation(compensation, CompensationStatus::Failed, attempts, Some(error), &at);
            }
        }
    });
}

/// What a failed activity says, without the wrappings that mean nothing to a reader.
fn told(error: &ActivityExecutionError) -> Failed {
    match error {
        ActivityExecutionError::Cancelled(_) => {
            Failed { refusal: Refusal::NoAnswer, error: order_error("cancelled", "the call was interrupted") }
        }
        ActivityExecutionError::Serialization(error) => {
            Failed { refusal: Refusal::Unexpected, error: order_error("serialization", &error.to_string()) }
        }
        ActivityExecutionError::Failed(failed) => match failed.cause() {
            Some(IncomingError::Application(cause)) => Failed {
                refusal: Refusal::from_failure(cause.type_name(), !cause.is_non_retryable()),
                error: order_error(cause.type_name().unwrap_or("unknown"), &cause.source_error().to_string()),
            },
            Some(IncomingError::Timeout(_)) => Failed {
                refusal: Refusal::NoAnswer,
                error: order_error("activity_timeout", "the worker did not finish the call in time"),
            },
            _ => Failed { refusal: Refusal::Unexpected, error: order_error("unknown", "the call failed") },
        },
        _ => Failed { refusal: Refusal::Unexpected, error: order_error("unknown", "the call failed") },
    }
}

fn order_error(code: &str, message: &str) -> OrderError {
    OrderError { code: code.to_owned(), message: message.to_owned() }
}

/// A step that did not run or finish because of a cancellation; the cause of the end is the
/// cancellation's own, which came first.
fn interrupted() -> Cause {
    Cause::new(FailureCode::OrderCancelled, "the order was cancelled")
}

fn failure(cause: &Cause, state: OrderState) -> WorkflowTermination {
    let category = if cause.code.is_benign() {
        ApplicationErrorCategory::Benign
    } else {
        ApplicationErrorCategory::Unspecified
    };
    ApplicationFailure::builder(cause.message.clone())
        .type_name(cause.code.name().to_owned())
        .non_retryable(true)
        .category(category)
        .details(state)
        .build()
        .into()
}

fn call_context(ctx: &Context, workflow: &OrderFulfillment, call: Call) -> CallContext {
    CallContext {
        order_id: workflow.input.order_id.clone(),
        idempotency_key: key(ctx, call),
        correlation_id: workflow.input.correlation_id.clone(),
    }
}

fn key(ctx: &Context, call: Call) -> String {
    ids::idempotency_key(ctx.workflow_id(), ctx.info().first_execution_run_id(), call)
}

fn now(ctx: &Context) -> String {
    time::rfc3339(ctx.workflow_time())
}
