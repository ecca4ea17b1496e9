//! The sequence of an order: its calls and waits. The modules `state` and `saga` decide.

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
    messages::{AddressChange, CarriedState, Decide, Decided, Item, OrderInput, Progress},
    state::{
        Approval, Cause,
        CurrentStep::{
            self, AuthorizingPayment, CapturingPayment, CreatingShippingLabel, ReservingInventory,
        },
        FailureCode, Order, OrderState, OrderStatus,
    },
};
use crate::{
    activities::{
        CallContext,
        inventory::{self, InventoryActivities, StockLine},
        notification::{self, NotificationActivities},
        payment::{self, PaymentActivities},
        shipping::{self, Address, ShippingActivities},
    },
    cancellation::{Cancellable, run_until_cancelled},
    failure::{self, ActivityFailure},
    ids::{self, Call},
    policies::{self, Timing},
    saga::{
        Compensating,
        Compensation::{CancelShipping, RefundPayment, ReleaseInventory, ReleasePayment},
        CompensationRounds, Reason, RecordsCompensations, Resolution, Saga, UndoableStep, call_context,
        compensate, step, update_state, workflow_time,
    },
    search_attributes,
    signal::Signal,
    time,
};

/// `orderFulfillmentWorkflow`: ships the order, or undoes all its effects.
#[workflow]
pub struct OrderFulfillment {
    input: OrderInput,
    order: Order,
    rounds: CompensationRounds,
    /// The status in the search attribute. The API wrote the first one.
    published_status: OrderStatus,
}

type Context = WorkflowContext<OrderFulfillment>;
type Refusal = Box<dyn std::error::Error + Send + Sync>;

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
    /// Fails if the order didn't ship. The failure's type is the [`FailureCode`], and its details are the
    /// final state.
    #[run(name = "orderFulfillmentWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<OrderState> {
        if ctx.state(|s| s.rounds.first_round == 1) {
            if ctx.info().parent().is_some() {
                write_list_memo(ctx);
            }
            let scope = WorkflowCancellationToken::new();
            match run_until_cancelled(ctx, &scope, run_steps(&Steps { ctx, scope: &scope })).await {
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
        self.order.decide(Decide::Reject(reason.0.unwrap_or_default()));
    }

    #[signal(name = "cancelOrder")]
    pub fn cancel(&mut self, _ctx: &mut SyncWorkflowContext<Self>, reason: Signal<Reason>) {
        self.order.cancel_by(reason.0.unwrap_or_default());
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

    #[update_validator(decide)]
    fn check_decision(&self, _ctx: &WorkflowContextView, _: &Decide) -> Result<(), Refusal> {
        Ok(self.order.check_decision()?)
    }

    /// Approves or rejects the order. Unlike the signals, it answers whether it counted.
    #[update(name = "decide")]
    pub fn decide(&mut self, _ctx: &mut SyncWorkflowContext<Self>, decide: Decide) -> Decided {
        let counted = self.order.check_decision().is_ok();
        self.order.decide(decide);
        Decided { counted, state: self.order.state().clone() }
    }

    #[update_validator(change_shipping_address)]
    fn check_address_change(&self, _ctx: &WorkflowContextView, _: &Address) -> Result<(), Refusal> {
        Ok(self.order.check_address_change()?)
    }

    /// Changes the destination. The label reads it when the workflow asks for the label.
    ///
    /// # Errors
    /// Fails if the label was asked for meanwhile, or the order doesn't ship.
    #[update(name = "changeShippingAddress")]
    pub fn change_shipping_address(
        &mut self,
        _ctx: &mut SyncWorkflowContext<Self>,
        address: Address,
    ) -> Result<AddressChange, Refusal> {
        self.order.check_address_change()?;
        let changed = self.input.shipping_address != address;
        self.input.shipping_address = address;
        Ok(AddressChange { changed })
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

    fn machine_mut(&mut self) -> &mut impl RecordsCompensations {
        &mut self.order
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

/// Writes the memo of a child order. The API writes that of any other order, but a parent can't set one.
fn write_list_memo(ctx: &Context) {
    let (order_id, customer_id, amount, currency) = ctx.state(|s| {
        let input = &s.input;
        (input.order_id.clone(), input.customer_id.clone(), input.amount, input.currency.clone())
    });
    // The order continues also if the memo can't be written.
    let _ = ctx.upsert_memo([
        (ids::ORDER_ID_MEMO, Some(MemoValue::new(order_id))),
        (ids::CUSTOMER_ID_MEMO, Some(MemoValue::new(customer_id))),
        (ids::AMOUNT_MEMO, Some(MemoValue::new(amount))),
        (ids::CURRENCY_MEMO, Some(MemoValue::new(currency))),
    ]);
}

/// Writes the error into the memo, where lists read it.
fn write_error_memo(ctx: &Context) {
    let error = ctx.state(|s| s.order.state().error.clone());
    // Compensation continues also if the memo can't be written.
    let _ = ctx.upsert_memo([(ids::ERROR_MEMO, Some(MemoValue::new(error)))]);
}

/// The saga of an order. Each step is declared with its compensation, which is registered before the step runs.
async fn run_steps(steps: &Steps<'_>) -> Result<(), Cause> {
    let authorize = step(PaymentActivities::authorize_payment).undo_by(ReleasePayment);
    let payment = steps.run(AuthorizingPayment, authorize, authorize_input).await?;
    steps.record(|order, at| order.record_authorization(&payment.auth_id, at));

    wait_for_approval(steps).await?;

    let reserve = step(InventoryActivities::reserve_inventory).undo_by(ReleaseInventory);
    let reservation = steps.run(ReservingInventory, reserve, reserve_input).await?;
    steps.record(|order, at| order.record_reservation(&reservation.reservation_id, at));

    let capture = step(PaymentActivities::capture_payment).undo_by(RefundPayment);
    let auth_id = payment.auth_id;
    steps.run(CapturingPayment, capture, |order, call| capture_input(order, call, auth_id)).await?;
    steps.record(Order::record_capture);

    let create_label = step(ShippingActivities::create_shipping_label).undo_by(CancelShipping);
    let label = steps.run(CreatingShippingLabel, create_label, label_input).await?;
    if !steps.record(|order, at| order.record_label(&label.label_id, &label.tracking_number, at)) {
        return Err(cancelled_cause());
    }

    // The label is the point of no return. A failed notification does not stop the order.
    send_notification(steps.ctx).await;
    update_state(steps.ctx, |s| s.order.mark_shipped());
    Ok(())
}

/// Runs the steps of an order, and records their results.
struct Steps<'a> {
    ctx: &'a Context,
    /// Interrupts the running step after a cancellation.
    scope: &'a WorkflowCancellationToken,
}

impl Steps<'_> {
    /// Runs a step, unless the order is cancelled.
    async fn run<A: ActivityDefinition + 'static>(
        &self,
        current: CurrentStep,
        step: UndoableStep<A>,
        input: impl FnOnce(&OrderInput, CallContext) -> A::Input,
    ) -> Result<A::Output, Cause> {
        let ctx = self.ctx;
        let call = step.call_context(ctx);
        let input = ctx.state(|s| input(&s.input, call));
        update_state(ctx, |s| s.order.start_step(current));
        if ctx.state(|s| s.order.is_cancelled()) {
            return Err(cancelled_cause());
        }
        step.run(ctx, self.scope, input)
            .await
            .map_err(|ActivityFailure { refusal, error, .. }| Cause::new(refusal.into(), error.message))
    }

    /// Records the result of a step with the workflow's time.
    fn record<R>(&self, apply: impl FnOnce(&mut Order, &str) -> R) -> R {
        let at = workflow_time(self.ctx);
        update_state(self.ctx, |s| apply(&mut s.order, &at))
    }
}

fn authorize_input(order: &OrderInput, call: CallContext) -> payment::Authorize {
    payment::Authorize {
        call,
        customer_id: order.customer_id.clone(),
        amount: order.amount,
        currency: order.currency.clone(),
    }
}

fn reserve_input(order: &OrderInput, call: CallContext) -> inventory::Reserve {
    let line = |item: &Item| StockLine { sku: item.sku.clone(), quantity: item.quantity };
    inventory::Reserve { call, lines: order.items.iter().map(line).collect() }
}

fn capture_input(order: &OrderInput, call: CallContext, auth_id: String) -> payment::Capture {
    payment::Capture { call, auth_id, amount: order.amount, currency: order.currency.clone() }
}

fn label_input(order: &OrderInput, call: CallContext) -> shipping::CreateLabel {
    shipping::CreateLabel { call, address: order.shipping_address.clone() }
}

/// Waits for a decision, if the order needs one.
async fn wait_for_approval(Steps { ctx, scope }: &Steps<'_>) -> Result<(), Cause> {
    if ctx.state(|s| !s.input.requires_approval) {
        return Ok(());
    }
    update_state(ctx, |s| s.order.start_step(CurrentStep::AwaitingApproval));
    let limit = ctx.state(|s| std::time::Duration::from_millis(s.input.timing.approval_timeout_ms));
    let decided = ctx
        .wait_condition_with_options(
            |s| s.order.approval() != Approval::Pending,
            WaitConditionOptions::builder().cancellation_token((*scope).clone()).build(),
        )
        .fuse();
    let timer = ctx.timer(
        TimerOptions::builder(limit)
            .cancellation_token((*scope).clone())
            .summary("approval".to_owned())
            .build(),
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

/// Sends the notification. The order ships without it, too, and no cancellation counts any more.
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

/// Returns the cause of a step that a cancellation prevented. The order keeps the cancellation's own cause,
/// which came first.
fn cancelled_cause() -> Cause {
    Cause::new(FailureCode::OrderCancelled, "the order was cancelled")
}
