//! The sequence of an order. What it may do and in which state it is, `progress` and `saga` decide;
//! here are only the calls, the waits and their order.

use std::convert::Infallible;

use futures::{FutureExt, pin_mut};
use temporalio_common::ActivityDefinition;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ContinueAsNewOptions, MemoValue, SyncWorkflowContext, TimerOptions, WaitConditionOptions,
    WorkflowCancellationToken, WorkflowContext, WorkflowContextView, WorkflowResult, WorkflowTermination,
    workflows::select,
};

use super::{
    messages::{CarriedState, OrderInput, Progress},
    state::{Approval, Cause, CurrentStep, FailureCode, Order, OrderState, OrderStatus},
};
use crate::{
    activities::{
        inventory::{self, InventoryActivities, StockLine},
        notification::{self, NotificationActivities},
        payment::{self, PaymentActivities},
        shipping::{self, ShippingActivities},
    },
    cancellation::{Cancellable, run_until_cancelled},
    failure::{self, ActivityFailure},
    ids::{self, Call},
    policies::{self, Timing},
    saga::{
        self, Compensating, Compensation, CompensationOutcome, CompensationRounds, Reason, Resolution, Saga,
        call_context, compensate, update_state, workflow_time,
    },
    search_attributes,
    signal::Signal,
    time,
};

/// `orderFulfillmentWorkflow`: ships the order, or leaves nothing behind.
#[workflow]
pub struct OrderFulfillment {
    input: OrderInput,
    order: Order,
    rounds: CompensationRounds,
    /// The status that the search attribute shows: the starter wrote the first one.
    published_status: OrderStatus,
}

type Context = WorkflowContext<OrderFulfillment>;

#[workflow_methods]
impl OrderFulfillment {
    #[init]
    pub fn new(_ctx: &WorkflowContextView, mut input: OrderInput) -> Self {
        let CarriedState { order, saga, round } = match input.resumed.take() {
            Some(resumed) => *resumed,
            None => CarriedState {
                order: Order::new(&input.order_id, input.requires_approval),
                saga: Saga::default(),
                round: 1,
            },
        };
        let published_status = order.state().status;
        Self { input, order, rounds: CompensationRounds::new(saga, round), published_status }
    }

    /// # Errors
    /// Where the order didn't ship: a failure whose type is the [`FailureCode`], with the final state
    /// in its details.
    #[run(name = "orderFulfillmentWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<OrderState> {
        if ctx.state(|s| s.rounds.first_round == 1) {
            let scope = WorkflowCancellationToken::new();
            match run_until_cancelled(ctx, &scope, run_steps(ctx, &scope)).await {
                Ok(()) => return Ok(ctx.state(|s| s.order.state().clone())),
                Err(cause) => {
                    update_state(ctx, |s| s.order.start_compensation(cause));
                    write_error_memo(ctx);
                }
            }
        }
        compensate(ctx).await?;
        let Cause { code, message } = update_state(ctx, |s| s.order.finish(&s.rounds.saga));
        let state = ctx.state(|s| s.order.state().clone());
        Err(failure::workflow_failure(code.name(), &message, code.is_benign(), state))
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
        self.rounds.request_retry();
    }

    #[signal(name = "resolveCompensation")]
    pub fn resolve_compensation(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        resolution: Signal<Resolution>,
    ) {
        if let Some((compensation, note)) = self.rounds.resolve(resolution) {
            self.order.record_resolution(compensation, note, &time::rfc3339(ctx.workflow_time()));
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

impl Cancellable for OrderFulfillment {
    fn is_cancelled(&self) -> bool {
        self.order.is_cancelled()
    }

    fn cancel(&mut self, reason: Option<String>) -> bool {
        self.order.cancel(reason)
    }
}

impl Compensating for OrderFulfillment {
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

    fn start_undo(&mut self, compensation: Compensation, at: &str) {
        self.order.start_undo(compensation, at);
    }

    fn record_compensation(&mut self, outcome: CompensationOutcome, at: &str) {
        self.order.record_compensation(outcome, at);
    }

    fn enter_compensation_failed(&mut self) {
        self.order.enter_compensation_failed();
    }

    fn enter_compensating(&mut self) {
        self.order.enter_compensating();
    }

    fn continue_as_new(ctx: &Context, round: u32) -> Result<Infallible, WorkflowTermination> {
        let input = ctx.state(|s| {
            let resumed = CarriedState { order: s.order.clone(), saga: s.rounds.saga.clone(), round };
            OrderInput { resumed: Some(Box::new(resumed)), ..s.input.clone() }
        });
        ctx.continue_as_new(input, ContinueAsNewOptions::default())
    }

    /// Writes the search attribute and the summary that the Temporal UI shows.
    fn publish_state(ctx: &Context) {
        let (status, step, usable) = ctx.state(|s| {
            let state = s.order.state();
            (state.status, state.current_step, s.input.search_attributes)
        });
        ctx.set_current_details(format!("**{}**: {}", status.name(), step.name()));
        if usable && ctx.state(|s| s.published_status != status) {
            ctx.state_mut(|s| s.published_status = status);
            ctx.upsert_search_attributes([
                search_attributes::ORDER_STATUS.value_set(status.name().to_owned())
            ]);
        }
    }
}

/// Lists show why an order failed, and what they can read of it is its memo.
fn write_error_memo(ctx: &Context) {
    let error = ctx.state(|s| s.order.state().error.clone());
    // A memo that can't be written is no reason to leave money held.
    let _ = ctx.upsert_memo([(ids::ERROR_MEMO, Some(MemoValue::new(error)))]);
}

/// The steps of an order, in their order.
async fn run_steps(ctx: &Context, scope: &WorkflowCancellationToken) -> Result<(), Cause> {
    let auth_id = authorize(ctx, scope).await?;
    wait_for_approval(ctx, scope).await?;
    reserve(ctx, scope).await?;
    capture(ctx, scope, auth_id).await?;
    create_label(ctx, scope).await?;
    send_notification(ctx).await;
    update_state(ctx, |s| s.order.mark_shipped());
    Ok(())
}

async fn authorize(ctx: &Context, scope: &WorkflowCancellationToken) -> Result<String, Cause> {
    let input = ctx.state(|s| payment::Authorize {
        call: call_context(ctx, Call::AuthorizePayment),
        customer_id: s.input.customer_id.clone(),
        amount: s.input.amount,
        currency: s.input.currency.clone(),
    });
    update_state(ctx, |s| s.order.start_step(CurrentStep::AuthorizingPayment));
    let authorized =
        step(ctx, scope, Compensation::ReleasePayment, PaymentActivities::authorize_payment, input).await?;
    update_state(ctx, |s| s.order.record_authorization(&authorized.auth_id, &workflow_time(ctx)));
    Ok(authorized.auth_id)
}

async fn wait_for_approval(ctx: &Context, scope: &WorkflowCancellationToken) -> Result<(), Cause> {
    if ctx.state(|s| !s.input.requires_approval) {
        return Ok(());
    }
    update_state(ctx, |s| s.order.start_step(CurrentStep::AwaitingApproval));
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
        _ = timer => update_state(ctx, |s| if !s.order.is_cancelled() { s.order.time_out_approval() }),
    }
    match ctx.state(|s| s.order.approval()) {
        Approval::Approved => {
            update_state(ctx, |s| s.order.record_approval(&workflow_time(ctx)));
            Ok(())
        }
        Approval::Denied(cause) => Err(cause),
        Approval::Pending => Err(cancelled_cause()),
    }
}

async fn reserve(ctx: &Context, scope: &WorkflowCancellationToken) -> Result<(), Cause> {
    let input = ctx.state(|s| inventory::Reserve {
        call: call_context(ctx, Call::ReserveInventory),
        lines: s
            .input
            .items
            .iter()
            .map(|item| StockLine { sku: item.sku.clone(), quantity: item.quantity })
            .collect(),
    });
    update_state(ctx, |s| s.order.start_step(CurrentStep::ReservingInventory));
    let reserved =
        step(ctx, scope, Compensation::ReleaseInventory, InventoryActivities::reserve_inventory, input)
            .await?;
    update_state(ctx, |s| s.order.record_reservation(&reserved.reservation_id, &workflow_time(ctx)));
    Ok(())
}

async fn capture(ctx: &Context, scope: &WorkflowCancellationToken, auth_id: String) -> Result<(), Cause> {
    let input = ctx.state(|s| payment::Capture {
        call: call_context(ctx, Call::CapturePayment),
        auth_id,
        amount: s.input.amount,
        currency: s.input.currency.clone(),
    });
    update_state(ctx, |s| s.order.start_step(CurrentStep::CapturingPayment));
    step(ctx, scope, Compensation::RefundPayment, PaymentActivities::capture_payment, input).await?;
    update_state(ctx, |s| s.order.record_capture(&workflow_time(ctx)));
    Ok(())
}

async fn create_label(ctx: &Context, scope: &WorkflowCancellationToken) -> Result<(), Cause> {
    let input = ctx.state(|s| shipping::CreateLabel {
        call: call_context(ctx, Call::CreateShippingLabel),
        address: s.input.shipping_address.clone(),
    });
    update_state(ctx, |s| s.order.start_step(CurrentStep::CreatingShippingLabel));
    let label =
        step(ctx, scope, Compensation::CancelShipping, ShippingActivities::create_shipping_label, input)
            .await?;
    let ships = update_state(ctx, |s| {
        s.order.record_label(&label.label_id, &label.tracking_number, &workflow_time(ctx))
    });
    if ships { Ok(()) } else { Err(cancelled_cause()) }
}

/// Past the point of no return, so neither a failure nor a cancellation matters here.
async fn send_notification(ctx: &Context) {
    let input = ctx.state(|s| notification::Notify {
        call: call_context(ctx, Call::SendNotification),
        recipient: s.input.customer_email.clone(),
        subject: format!("Your order {} is on its way", s.input.order_id),
        message: format!(
            "Tracking number: {}",
            s.order.state().tracking_number.as_deref().unwrap_or_default()
        ),
    });
    update_state(ctx, |s| s.order.start_step(CurrentStep::SendingNotification));
    let options = ctx.state(|s| {
        policies::activity_options(Call::SendNotification, &s.input.timing, WorkflowCancellationToken::new())
    });
    let outcome = ctx.execute_activity(NotificationActivities::send_notification, input, options).await;
    let outcome = outcome.map_err(|error| ActivityFailure::from_activity_error(&error).error);
    update_state(ctx, |s| {
        s.order.record_notification(
            outcome.as_ref().map(|sent| sent.notification_id.as_str()),
            &workflow_time(ctx),
        );
    });
}

/// One step of the saga, unless the order is cancelled.
async fn step<A: ActivityDefinition + 'static>(
    ctx: &Context,
    scope: &WorkflowCancellationToken,
    compensation: Compensation,
    activity: A,
    input: A::Input,
) -> Result<A::Output, Cause> {
    if ctx.state(|s| s.order.is_cancelled()) {
        return Err(cancelled_cause());
    }
    saga::run_step(ctx, scope, compensation, activity, input)
        .await
        .map_err(|ActivityFailure { refusal, error, .. }| Cause::new(refusal.into(), error.message))
}

/// A step that did not run or finish with_reason of a cancellation; the cause of the end is the
/// cancellation's own, which came first.
fn cancelled_cause() -> Cause {
    Cause::new(FailureCode::OrderCancelled, "the order was cancelled")
}
