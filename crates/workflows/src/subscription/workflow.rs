//! The sequence of a subscription: wait for the period, place its order, and continue as new.

use std::time::Duration;

use futures::{FutureExt, pin_mut};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ContinueAsNewOptions, SyncWorkflowContext, TimerOptions, WorkflowCancellationToken, WorkflowContext,
    WorkflowContextView, WorkflowResult, WorkflowTermination, workflows::select,
};

use super::{
    messages::{SubscriptionInput, Terms},
    recurrence::Recurrence,
    state::{Action, Change, OrderEnd, Refused, Subscription, SubscriptionState, SubscriptionStatus},
};
use crate::{
    activities::shipping::Address,
    cancellation::{uncancelled, wait_for_handlers},
    child_order::{self, ChildOrder},
    ids,
    order_fulfillment::messages::OrderInput,
    saga::Reason,
    search_attributes,
    signal::Signal,
    time::millis,
};

/// `subscriptionWorkflow`: places an order in each period.
#[workflow]
pub struct SubscriptionWorkflow {
    input: SubscriptionInput,
    subscription: Subscription,
    /// The periods that ended in this history.
    periods: u32,
    /// The status in the search attribute. The API wrote the first one.
    published_status: SubscriptionStatus,
}

type Context = WorkflowContext<SubscriptionWorkflow>;
type Refusal = Box<dyn std::error::Error + Send + Sync>;

#[workflow_methods]
impl SubscriptionWorkflow {
    #[init]
    pub fn new(ctx: &WorkflowContextView, mut input: SubscriptionInput) -> Self {
        let subscription = match input.resumed.take() {
            Some(resumed) => *resumed,
            None => Subscription::new(
                (&input.subscription_id, &input.customer_id),
                (input.terms.clone(), &input.currency),
                input.recurrence.clone(),
                input.max_orders,
                (input.start_at_ms.unwrap_or_else(|| millis(ctx.start_time())), input.retry_after_ms),
            ),
        };
        let published_status = subscription.state().status;
        Self { input, subscription, periods: 0, published_status }
    }

    /// # Errors
    /// Never fails by itself. The error is the continuation in a new history.
    #[run(name = "subscriptionWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<SubscriptionState> {
        loop {
            let at = now(ctx);
            let action = ctx.state_mut(|s| s.subscription.next_action(at));
            publish_state(ctx);
            match action {
                Action::End => return Ok(ctx.state(|s| s.subscription.state().clone())),
                Action::PlaceOrder => place_order(ctx).await,
                Action::Wait(length) => wait(ctx, length).await,
            }
            if ctx.state(|s| s.periods >= s.input.periods_per_run) || ctx.continue_as_new_suggested() {
                continue_as_new(ctx).await?;
            }
        }
    }

    #[signal(name = "cancelSubscription")]
    pub fn cancel_by_signal(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _: Signal<Reason>) {
        self.subscription.count_message();
        // A signal can't answer.
        let _ = self.subscription.cancel();
    }

    #[signal(name = "skipNextOrder")]
    pub fn skip_next_by_signal(&mut self, ctx: &mut SyncWorkflowContext<Self>, _: Signal<()>) {
        self.subscription.count_message();
        // A signal can't answer.
        let _ = self.subscription.skip_next(millis(ctx.workflow_time()));
    }

    #[signal(name = "setItems")]
    pub fn set_items_by_signal(&mut self, _ctx: &mut SyncWorkflowContext<Self>, terms: Signal<Terms>) {
        self.subscription.count_message();
        if let Some(terms) = terms.0 {
            // A signal can't answer.
            let _ = self.subscription.change_items(terms);
        }
    }

    #[update_validator(pause)]
    fn check_pause(&self, _ctx: &WorkflowContextView, _: &Signal<()>) -> Result<(), Refusal> {
        self.check(Change::Pause)
    }

    /// Places no order until it is resumed.
    ///
    /// # Errors
    /// Returns the reason why nothing changes. The same holds for every other update.
    #[update(name = "pause")]
    pub fn pause(
        &mut self,
        _ctx: &mut SyncWorkflowContext<Self>,
        _: Signal<()>,
    ) -> Result<SubscriptionState, Refusal> {
        self.change(Subscription::pause)
    }

    #[update_validator(resume)]
    fn check_resume(&self, _ctx: &WorkflowContextView, _: &Signal<()>) -> Result<(), Refusal> {
        self.check(Change::Resume)
    }

    /// # Errors
    /// As [`Self::pause`].
    #[update(name = "resume")]
    pub fn resume(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        _: Signal<()>,
    ) -> Result<SubscriptionState, Refusal> {
        let at = millis(ctx.workflow_time());
        self.change(|subscription| subscription.resume(at))
    }

    #[update_validator(skip_next)]
    fn check_skip_next(&self, _ctx: &WorkflowContextView, _: &Signal<()>) -> Result<(), Refusal> {
        self.check(Change::SkipNext)
    }

    /// # Errors
    /// As [`Self::pause`].
    #[update(name = "skipNext")]
    pub fn skip_next(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        _: Signal<()>,
    ) -> Result<SubscriptionState, Refusal> {
        let at = millis(ctx.workflow_time());
        self.change(|subscription| subscription.skip_next(at))
    }

    #[update_validator(change_items)]
    fn check_items(&self, _ctx: &WorkflowContextView, _: &Terms) -> Result<(), Refusal> {
        self.check(Change::Items)
    }

    /// Changes the content of the orders after the running one.
    ///
    /// # Errors
    /// As [`Self::pause`].
    #[update(name = "changeItems")]
    pub fn change_items(
        &mut self,
        _ctx: &mut SyncWorkflowContext<Self>,
        terms: Terms,
    ) -> Result<SubscriptionState, Refusal> {
        self.change(|subscription| subscription.change_items(terms))
    }

    #[update_validator(change_address)]
    fn check_address(&self, _ctx: &WorkflowContextView, _: &Address) -> Result<(), Refusal> {
        self.check(Change::ShippingAddress)
    }

    /// Changes the destination of the orders after the running one.
    ///
    /// # Errors
    /// As [`Self::pause`].
    #[update(name = "changeAddress")]
    pub fn change_address(
        &mut self,
        _ctx: &mut SyncWorkflowContext<Self>,
        address: Address,
    ) -> Result<SubscriptionState, Refusal> {
        let answer = self.change(Subscription::change_address)?;
        self.input.shipping_address = address;
        Ok(answer)
    }

    #[update_validator(change_interval)]
    fn check_interval(&self, _ctx: &WorkflowContextView, _: &Recurrence) -> Result<(), Refusal> {
        self.check(Change::Interval)
    }

    /// # Errors
    /// As [`Self::pause`].
    #[update(name = "changeInterval")]
    pub fn change_interval(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        recurrence: Recurrence,
    ) -> Result<SubscriptionState, Refusal> {
        let at = millis(ctx.workflow_time());
        self.change(|subscription| subscription.change_interval(recurrence, at))
    }

    #[update_validator(cancel)]
    fn check_cancel(&self, _ctx: &WorkflowContextView, _: &Signal<()>) -> Result<(), Refusal> {
        self.check(Change::Cancel)
    }

    /// Ends the subscription after the running order.
    ///
    /// # Errors
    /// As [`Self::pause`].
    #[update(name = "cancel")]
    pub fn cancel(
        &mut self,
        _ctx: &mut SyncWorkflowContext<Self>,
        _: Signal<()>,
    ) -> Result<SubscriptionState, Refusal> {
        self.change(Subscription::cancel)
    }

    #[query(name = "getSubscription")]
    pub fn state(&self, _ctx: &WorkflowContextView) -> SubscriptionState {
        self.subscription.state().clone()
    }

    fn check(&self, change: Change) -> Result<(), Refusal> {
        Ok(self.subscription.state().check(change)?)
    }

    fn change(
        &mut self,
        apply: impl FnOnce(&mut Subscription) -> Result<(), Refused>,
    ) -> Result<SubscriptionState, Refusal> {
        self.subscription.count_message();
        apply(&mut self.subscription)?;
        Ok(self.subscription.state().clone())
    }
}

/// Places the order of the present period, and waits for its end.
async fn place_order(ctx: &Context) {
    let (order, total) = ctx.state(|s| {
        let order_id = ids::subscribed_order_id(&s.input.subscription_id, s.subscription.state().period);
        let terms = &s.subscription.state().terms;
        let order = OrderInput {
            order_id,
            customer_id: s.input.customer_id.clone(),
            customer_email: s.input.customer_email.clone(),
            items: terms.items.clone(),
            amount: terms.amount,
            currency: s.input.currency.clone(),
            shipping_address: s.input.shipping_address.clone(),
            requires_approval: false,
            correlation_id: s.input.correlation_id.clone(),
            search_attributes: s.input.search_attributes,
            timing: s.input.timing,
            resumed: None,
        };
        (order, terms.total.clone())
    });
    ctx.state_mut(|s| s.subscription.start_order(&ids::order_workflow_id(&order.order_id)));
    publish_state(ctx);
    let end = match child_order::run(ctx, order, &total, WorkflowCancellationToken::new()).await {
        ChildOrder::Shipped => OrderEnd::Shipped,
        ChildOrder::NotShipped { status: Some(_), error } => OrderEnd::Failed(error),
        ChildOrder::NotShipped { status: None, error } => OrderEnd::Unknown(error),
    };
    let at = now(ctx);
    ctx.state_mut(|s| {
        let period = s.subscription.state().period;
        s.subscription.finish_order(end, at);
        s.periods += u32::from(s.subscription.state().period != period);
    });
    notice_cancellation(ctx);
}

/// Waits for the given time, or for a change.
async fn wait(ctx: &Context, length: Option<Duration>) {
    let version = ctx.state(|s| s.subscription.state().version);
    let changed = ctx
        .wait_condition_with_options(move |s| s.subscription.state().version != version, uncancelled())
        .fuse();
    let token = WorkflowCancellationToken::new();
    let timer = async {
        match length {
            Some(length) => {
                let options = TimerOptions::builder(length).cancellation_token(token.clone());
                ctx.timer(options.summary("next order".to_owned()).build()).await;
            }
            None => std::future::pending::<()>().await,
        }
    }
    .fuse();
    let cancelled = ctx.cancelled();
    pin_mut!(changed, timer, cancelled);
    select! {
        _ = changed => token.cancel(),
        () = timer => {}
        _ = cancelled => token.cancel(),
    }
    notice_cancellation(ctx);
}

/// Handles Temporal's own cancellation as the update.
fn notice_cancellation(ctx: &Context) {
    if ctx.cancellation_token().is_cancelled() {
        // It may have ended, or be cancelled already.
        let _ = ctx.state_mut(|s| s.subscription.cancel());
    }
}

/// Continues in a new history, when no handler runs. Temporal delivers messages that arrive meanwhile to the new run.
async fn continue_as_new(ctx: &Context) -> Result<(), WorkflowTermination> {
    if ctx.state(|s| s.subscription.state().status.is_final()) {
        return Ok(());
    }
    wait_for_handlers(ctx).await;
    // The next history takes its own first status for the published one.
    publish_state(ctx);
    let input = ctx
        .state(|s| SubscriptionInput { resumed: Some(Box::new(s.subscription.clone())), ..s.input.clone() });
    ctx.continue_as_new(input, ContinueAsNewOptions::default())?;
    Ok(())
}

/// Writes the search attribute and the summary that the Temporal UI shows.
fn publish_state(ctx: &Context) {
    let (status, details, usable) = ctx.state(|s| {
        let state = s.subscription.state();
        let details =
            format!("**{}**: period {}, {} shipped", state.status.name(), state.period, state.shipped);
        (state.status, details, s.input.search_attributes)
    });
    ctx.set_current_details(details);
    if usable && ctx.state(|s| s.published_status != status) {
        ctx.state_mut(|s| s.published_status = status);
        ctx.upsert_search_attributes([
            search_attributes::SUBSCRIPTION_STATUS.value_set(status.name().to_owned())
        ]);
    }
}

fn now(ctx: &Context) -> i64 {
    millis(ctx.workflow_time())
}
