//! Rebuilds the last state of a workflow from its history, if the workflow did not end by itself. This
//! does not run the workflow's code, so it needs no worker.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::de::DeserializeOwned;
use temporalio_common::protos::temporal::api::{
    common::v1::Payloads,
    failure::v1::{Failure, failure::FailureInfo},
    history::v1::{HistoryEvent as Event, history_event::Attributes},
};
use workflows::{
    activities::{
        UndoOutput, UndoResult,
        inventory::Reserved,
        notification::Notified,
        payment::{Authorized, Charged},
        shipping::Label,
        user_context::{CatFact, Location, Weather},
    },
    failure::StateError,
    ids::Call,
    order_batch::{
        messages::BatchInput,
        state::{Batch, BatchState},
    },
    order_fulfillment::{
        messages::{Decide, OrderInput},
        state::{Cause, CurrentStep, FailureCode, Order, OrderState, OrderStatus},
    },
    order_return::{
        messages::ReturnInput,
        state::{Return, ReturnState},
    },
    payment::{
        messages::PaymentInput,
        state::{self as payment, Payment, PaymentFailure, PaymentState, PaymentStatus},
    },
    reconciliation::{messages::ReconciliationInput, report::Report},
    saga::{
        Compensation, CompensationOutcome, CompensationRecords, CompensationStatus, Reason,
        RecordsCompensations, Resolution,
    },
    subscription::{
        messages::SubscriptionInput,
        state::{Subscription, SubscriptionState},
    },
    time,
    user_context::{
        messages::UserContextInput,
        state::{Part, UserContext, UserContextState, UserContextStatus},
    },
};

use crate::gateway::Outside;

/// Describes the close of a workflow that left no state behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// Holds `None` if its code failed.
    pub outside: Option<Outside>,
    pub error: StateError,
}

/// Describes a state that a history can rebuild.
pub trait Recall: DeserializeOwned + Send + 'static {
    /// Returns the last state of the run. Returns `None` if the history has no readable input.
    fn recall(past: &Past<'_>, close: &Close) -> Option<Self>;
}

/// Holds the events of one run.
pub struct Past<'a>(pub &'a [Event]);

/// Describes one event, as far as a state shows it.
enum Fact<'a> {
    Began(Call),
    Done(Call, &'a Option<Payloads>),
    Failed(Call, StateError, u32),
    Signalled(&'a str, Option<&'a Payloads>),
    /// The workflow accepted an update.
    Updated(&'a str, Option<&'a Payloads>),
    /// Somebody asked Temporal itself to cancel the workflow.
    CancelAsked(Reason),
    TimerFired,
}

impl Past<'_> {
    pub(super) fn input<T: DeserializeOwned>(&self) -> Option<T> {
        self.0.iter().find_map(|event| match event.attributes.as_ref()? {
            Attributes::WorkflowExecutionStartedEventAttributes(started) => first(started.input.as_ref()),
            _ => None,
        })
    }

    /// Returns a version that is higher than that of any earlier state. A change needs more than one
    /// event.
    fn version(&self, before: u64) -> u64 {
        let last = self.0.last().map_or(0, |event| event.event_id);
        before.saturating_add(u64::try_from(last).unwrap_or_default())
    }

    /// Returns the events in the order in which the workflow learned of them. A signal counts from the
    /// first workflow task that was completed after it.
    fn facts(&self) -> Vec<(String, Fact<'_>)> {
        let mut calls = HashMap::new();
        let mut attempts = HashMap::new();
        let mut unheard = Vec::new();
        let mut facts = Vec::new();
        for event in self.0 {
            let at = time::rfc3339(moment(event));
            let of = |scheduled: i64, calls: &HashMap<i64, Call>| calls.get(&scheduled).copied();
            match event.attributes.as_ref() {
                Some(Attributes::ActivityTaskScheduledEventAttributes(scheduled)) => {
                    if let Ok(call) = scheduled.activity_id.parse::<Call>() {
                        calls.insert(event.event_id, call);
                        facts.push((at, Fact::Began(call)));
                    }
                }
                Some(Attributes::ActivityTaskStartedEventAttributes(started)) => {
                    attempts.insert(started.scheduled_event_id, u32::try_from(started.attempt).unwrap_or(1));
                }
                Some(Attributes::ActivityTaskCompletedEventAttributes(done)) => {
                    facts.extend(
                        of(done.scheduled_event_id, &calls).map(|call| (at, Fact::Done(call, &done.result))),
                    );
                }
                Some(Attributes::ActivityTaskFailedEventAttributes(failed)) => {
                    let attempt = attempts.get(&failed.scheduled_event_id).copied().unwrap_or(1);
                    let error = state_error(failed.failure.as_ref());
                    facts.extend(
                        of(failed.scheduled_event_id, &calls)
                            .map(|call| (at, Fact::Failed(call, error, attempt))),
                    );
                }
                Some(Attributes::ActivityTaskTimedOutEventAttributes(late)) => {
                    let attempt = attempts.get(&late.scheduled_event_id).copied().unwrap_or(1);
                    let error = StateError::new("activity_timeout", "the call was not finished in time");
                    facts.extend(
                        of(late.scheduled_event_id, &calls)
                            .map(|call| (at, Fact::Failed(call, error, attempt))),
                    );
                }
                Some(Attributes::WorkflowExecutionSignaledEventAttributes(signal)) => {
                    unheard.push((at, Fact::Signalled(&signal.signal_name, signal.input.as_ref())));
                }
                Some(Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(accepted)) => {
                    let input = accepted.accepted_request.as_ref().and_then(|request| request.input.as_ref());
                    facts.extend(input.map(|input| (at, Fact::Updated(&input.name, input.args.as_ref()))));
                }
                Some(Attributes::WorkflowExecutionCancelRequestedEventAttributes(asked)) => {
                    let reason = Some(asked.cause.clone()).filter(|cause| !cause.is_empty());
                    unheard.push((at, Fact::CancelAsked(Reason { reason, actor: None })));
                }
                Some(Attributes::TimerFiredEventAttributes(_)) => unheard.push((at, Fact::TimerFired)),
                Some(Attributes::WorkflowTaskCompletedEventAttributes(_)) => facts.append(&mut unheard),
                _ => {}
            }
        }
        facts
    }
}

impl Recall for OrderState {
    fn recall(past: &Past<'_>, close: &Close) -> Option<Self> {
        let input: OrderInput = past.input()?;
        let mut order = match input.resumed {
            Some(resumed) => resumed.order,
            None => Order::new(&input.order_id, input.requires_approval),
        };
        let version = past.version(order.state().version);
        for (at, fact) in past.facts() {
            remember(&mut order, fact, &at);
        }
        let mut state = order.state().clone();
        if close.outside.is_none() {
            state.status = OrderStatus::Failed;
        }
        state.error = Some(close.error.clone());
        Some(Self { version, ..state })
    }
}

fn remember(order: &mut Order, fact: Fact<'_>, at: &str) {
    match fact {
        Fact::Began(call) => {
            if let Some(step) = step(call) {
                if call == Call::ReserveInventory && order.state().requires_approval {
                    order.record_approval(at);
                }
                order.start_step(step);
            } else {
                if order.state().error.is_none() {
                    order.start_compensation(Cause::new(FailureCode::Internal, "a step failed"));
                }
                if let Some(compensation) = undo(&Compensation::ORDER, call) {
                    order.start_undo(compensation, at);
                }
            }
        }
        Fact::Done(Call::AuthorizePayment, result) => {
            if let Some(Authorized { auth_id }) = first(result.as_ref()) {
                order.record_authorization(&auth_id, at);
            }
            if order.state().requires_approval {
                order.start_step(CurrentStep::AwaitingApproval);
            }
        }
        Fact::Done(Call::ReserveInventory, result) => {
            if let Some(Reserved { reservation_id }) = first(result.as_ref()) {
                order.record_reservation(&reservation_id, at);
            }
        }
        Fact::Done(Call::CapturePayment, _) => order.record_capture(at),
        Fact::Done(Call::CreateShippingLabel, result) => {
            if let Some(Label { label_id, tracking_number }) = first(result.as_ref()) {
                order.record_label(&label_id, &tracking_number, at);
            }
        }
        Fact::Done(Call::SendNotification, result) => {
            if let Some(Notified { notification_id }) = first(result.as_ref()) {
                order.record_notification(Ok(&notification_id), at);
            }
        }
        Fact::Failed(Call::SendNotification, error, _) => order.record_notification(Err(&error), at),
        Fact::Done(call, result) => {
            if let Some(ran) = undone(&Compensation::ORDER, call, result.as_ref()) {
                order.record_compensation(ran, at);
            }
        }
        Fact::Failed(call, error, attempts) => {
            if let Some(ran) = not_undone(&Compensation::ORDER, call, error, attempts) {
                order.record_compensation(ran, at);
            }
        }
        Fact::Signalled("approveOrder", _) => order.approve(),
        Fact::Signalled("rejectOrder", payload) => {
            order.decide(Decide::Reject(first(payload).unwrap_or_default()));
        }
        Fact::Updated("decide", payload) => {
            if let Some(decide) = first(payload) {
                order.decide(decide);
            }
        }
        Fact::Signalled("cancelOrder", payload) => order.cancel_by(first(payload).unwrap_or_default()),
        Fact::Signalled("resolveCompensation", payload) => {
            if let Some((compensation, note)) = by_hand(&order.state().compensations, payload) {
                order.record_resolution(compensation, note, at);
            }
        }
        Fact::CancelAsked(reason) => order.cancel_by(reason),
        Fact::TimerFired => {
            if order.state().current_step == CurrentStep::AwaitingApproval {
                order.time_out_approval();
            }
        }
        Fact::Signalled(..) | Fact::Updated(..) => {}
    }
}

const fn step(call: Call) -> Option<CurrentStep> {
    match call {
        Call::AuthorizePayment => Some(CurrentStep::AuthorizingPayment),
        Call::ReserveInventory => Some(CurrentStep::ReservingInventory),
        Call::CapturePayment => Some(CurrentStep::CapturingPayment),
        Call::CreateShippingLabel => Some(CurrentStep::CreatingShippingLabel),
        Call::SendNotification => Some(CurrentStep::SendingNotification),
        _ => None,
    }
}

impl Recall for PaymentState {
    fn recall(past: &Past<'_>, close: &Close) -> Option<Self> {
        let input: PaymentInput = past.input()?;
        let mut payment = match input.resumed {
            Some(resumed) => resumed.payment,
            None => Payment::new(&input.order_id, input.amount, &input.currency),
        };
        let version = past.version(payment.state().version);
        for (at, fact) in past.facts() {
            match fact {
                Fact::Began(Call::ChargePayment) => payment.start_charge(),
                Fact::Began(call) => {
                    if payment.state().error.is_none() {
                        payment.start_compensation(payment::Cause::new(
                            PaymentFailure::Internal,
                            "the charge failed",
                        ));
                    }
                    if let Some(compensation) = undo(&Compensation::PAYMENT, call) {
                        payment.start_undo(compensation, &at);
                    }
                }
                Fact::Done(Call::ChargePayment, result) => {
                    if let Some(charged) = first::<Charged>(result.as_ref()) {
                        payment.record_charge(&charged, &at);
                    }
                }
                Fact::Failed(Call::ChargePayment, _, attempts) => payment.record_failed_charge(attempts),
                Fact::Done(call, result) => {
                    if let Some(ran) = undone(&Compensation::PAYMENT, call, result.as_ref()) {
                        payment.record_compensation(ran, &at);
                    }
                }
                Fact::Failed(call, error, attempts) => {
                    if let Some(ran) = not_undone(&Compensation::PAYMENT, call, error, attempts) {
                        payment.record_compensation(ran, &at);
                    }
                }
                Fact::Signalled("cancelPayment", payload) => {
                    payment.cancel(reason(payload));
                }
                Fact::Signalled("resolveCompensation", payload) => {
                    if let Some((compensation, note)) = by_hand(&payment.state().compensations, payload) {
                        payment.record_resolution(compensation, note, &at);
                    }
                }
                Fact::CancelAsked(Reason { reason, .. }) => {
                    payment.cancel(reason);
                }
                Fact::Signalled(..) | Fact::Updated(..) | Fact::TimerFired => {}
            }
        }
        let mut state = payment.state().clone();
        if close.outside.is_none() {
            state.status = PaymentStatus::Failed;
        }
        state.cancellable = false;
        state.error = Some(close.error.clone());
        Some(Self { version, ..state })
    }
}

impl Recall for UserContextState {
    fn recall(past: &Past<'_>, close: &Close) -> Option<Self> {
        let input: UserContextInput = past.input()?;
        let mut context = UserContext::new(input.user_id, input.strategy);
        for (_, fact) in past.facts() {
            match fact {
                Fact::Done(Call::GetLocation, result) => {
                    if let Some(location) = first::<Location>(result.as_ref()) {
                        context.record_location(location);
                    }
                }
                Fact::Done(Call::GetWeather, result) => {
                    if let Some(weather) = first::<Weather>(result.as_ref()) {
                        context.record_weather(weather);
                    }
                }
                Fact::Done(Call::GetCatFact, result) => {
                    if let Some(fact) = first::<CatFact>(result.as_ref()) {
                        context.record_cat_fact(fact);
                    }
                }
                Fact::Failed(Call::GetLocation, error, _) => {
                    context.record_failure(Part::Location, &error.message);
                }
                Fact::Failed(Call::GetWeather, error, _) => {
                    context.record_failure(Part::Weather, &error.message);
                }
                Fact::Failed(Call::GetCatFact, error, _) => {
                    context.record_failure(Part::CatFact, &error.message);
                }
                Fact::Signalled("cancel", payload) => {
                    context.cancel(reason(payload));
                }
                Fact::CancelAsked(Reason { reason, .. }) => {
                    context.cancel(reason);
                }
                Fact::Began(_)
                | Fact::Done(..)
                | Fact::Failed(..)
                | Fact::Signalled(..)
                | Fact::Updated(..)
                | Fact::TimerFired => {}
            }
        }
        let mut state = context.state().clone();
        if close.outside.is_none() {
            state.status = UserContextStatus::Failed;
        }
        state.error = Some(close.error.clone());
        Some(Self { version: past.version(0), ..state })
    }
}

impl Recall for SubscriptionState {
    /// Returns the state at the start of the run. The orders of the run show the rest.
    fn recall(past: &Past<'_>, close: &Close) -> Option<Self> {
        let input: SubscriptionInput = past.input()?;
        let subscription = match input.resumed {
            Some(resumed) => *resumed,
            None => Subscription::new(
                (&input.subscription_id, &input.customer_id),
                (input.terms, &input.currency),
                input.recurrence,
                input.max_orders,
                (input.start_at_ms.unwrap_or_default(), input.retry_after_ms),
            ),
        };
        let state = subscription.state().clone();
        let (version, error) = (past.version(state.version), Some(close.error.clone()));
        Some(Self { version, error, next_order_at_ms: None, ..state })
    }
}

impl Recall for BatchState {
    /// Returns the state at the start of the run. The orders show the rest.
    fn recall(past: &Past<'_>, _close: &Close) -> Option<Self> {
        let input: BatchInput = past.input()?;
        let begun = || Batch::new(&input.batch_id, input.orders, input.chunks, input.window);
        Some(input.resumed.map_or_else(begun, |resumed| *resumed).state().clone())
    }
}

impl Recall for ReturnState {
    /// Returns the state at the start of the run, with what is known of its label and its goods.
    fn recall(past: &Past<'_>, close: &Close) -> Option<Self> {
        let input: ReturnInput = past.input()?;
        let begun = Return::new(&input);
        let mut back = input.resumed.map_or(begun, |resumed| resumed.order_return);
        let version = past.version(back.state().version);
        for (_, fact) in past.facts() {
            if let Fact::Done(Call::CreateReturnLabel, result) = fact
                && let Some(label) = first::<Label>(result.as_ref())
            {
                back.record_label(label);
            }
        }
        let state = back.state().clone();
        Some(Self { error: Some(close.error.clone()), version, ..state })
    }
}

impl Recall for Report {
    /// Returns the report at the start of the run, because its pages are not in the history as a whole.
    fn recall(past: &Past<'_>, _close: &Close) -> Option<Self> {
        let input: ReconciliationInput = past.input()?;
        let started_at = time::rfc3339(past.0.first().and_then(moment));
        Some(input.resumed.map_or_else(|| Self::new(input.repair, started_at), |report| *report))
    }
}

/// Returns the compensation that makes a call.
fn undo(pending: &[Compensation], call: Call) -> Option<Compensation> {
    pending.iter().copied().find(|one| one.undo_call() == call)
}

/// Returns the undo of a completed call.
fn undone(pending: &[Compensation], call: Call, result: Option<&Payloads>) -> Option<CompensationOutcome> {
    let compensation = undo(pending, call)?;
    let UndoOutput { found, attempt } = first(result)?;
    let status = match found {
        UndoResult::Undone => CompensationStatus::Completed,
        UndoResult::NothingToUndo => CompensationStatus::NothingToUndo,
    };
    Some(CompensationOutcome { compensation, status, attempts: attempt, error: None })
}

/// Returns the undo of a failed call.
fn not_undone(
    pending: &[Compensation],
    call: Call,
    error: StateError,
    attempts: u32,
) -> Option<CompensationOutcome> {
    let compensation = undo(pending, call)?;
    Some(CompensationOutcome {
        compensation,
        status: CompensationStatus::Failed,
        attempts,
        error: Some(error),
    })
}

/// Returns the reason from a signal.
fn reason(payload: Option<&Payloads>) -> Option<String> {
    first::<Reason>(payload).and_then(|given| given.reason)
}

/// Returns the compensation that an operator resolved by hand, if the resolution still counted.
fn by_hand(records: &CompensationRecords, payload: Option<&Payloads>) -> Option<(Compensation, String)> {
    let Resolution { step, note, actor } = first(payload)?;
    let failed = records.iter().find(|record| record.name.name() == step && record.status.is_resolvable())?;
    Some((failed.name, format!("{actor}: {note}")))
}

/// Reads the only value of some payloads.
pub fn first<T: DeserializeOwned>(payloads: Option<&Payloads>) -> Option<T> {
    serde_json::from_slice(&payloads?.payloads.first()?.data).ok()
}

/// Returns the error of a failure, with the message of the innermost one.
pub fn state_error(failure: Option<&Failure>) -> StateError {
    let Some(failure) = failure else {
        return StateError::new("INTERNAL", "the workflow failed");
    };
    let mut innermost = failure;
    while let Some(cause) = innermost.cause.as_deref() {
        innermost = cause;
    }
    let code = match innermost.failure_info.as_ref() {
        Some(FailureInfo::ApplicationFailureInfo(application)) if !application.r#type.is_empty() => {
            &application.r#type
        }
        _ => "INTERNAL",
    };
    StateError::new(code, innermost.message.clone())
}

fn moment(event: &Event) -> Option<SystemTime> {
    let at = event.event_time.as_ref()?;
    let since = Duration::new(u64::try_from(at.seconds).ok()?, u32::try_from(at.nanos).ok()?);
    UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use serde_json::{Value, json};
    use temporalio_client::WorkflowHistory;

    use super::*;

    /// Returns the events of every recorded history, by its name.
    async fn histories() -> Vec<(String, Vec<Event>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workflows/tests/histories");
        let mut histories = Vec::new();
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let history = WorkflowHistory::from_json(&fs::read(&path).unwrap()).unwrap();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            histories.push((name, history.into_events().await.unwrap()));
        }
        histories
    }

    fn workflow(events: &[Event]) -> String {
        let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) = &events[0].attributes else {
            panic!("the first event starts the workflow");
        };
        started.workflow_type.as_ref().unwrap().name.clone()
    }

    /// Returns the state that the workflow itself ended with.
    fn own<S: DeserializeOwned>(events: &[Event]) -> Option<S> {
        match events.last()?.attributes.as_ref()? {
            Attributes::WorkflowExecutionCompletedEventAttributes(completed) => {
                first(completed.result.as_ref())
            }
            Attributes::WorkflowExecutionFailedEventAttributes(failed) => {
                match failed.failure.as_ref()?.failure_info.as_ref()? {
                    FailureInfo::ApplicationFailureInfo(application) => first(application.details.as_ref()),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn terminated() -> Close {
        Close { outside: Some(Outside::Terminated), error: Outside::Terminated.error("a test") }
    }

    /// Returns the steps of an order, without times and attempts.
    fn of_order(state: &OrderState) -> Value {
        let steps: Vec<_> = state.completed_steps.iter().map(|step| (step.name.name(), &step.data)).collect();
        let undos: Vec<_> =
            state.compensations.iter().map(|record| (record.name.name(), json!(record.status))).collect();
        json!([
            state.order_id,
            steps,
            undos,
            state.auth_id,
            state.reservation_id,
            state.label_id,
            state.cancelled,
            state.decision
        ])
    }

    #[tokio::test]
    async fn what_a_history_shows_of_an_order_is_what_its_workflow_said() {
        let mut seen = 0;
        for (name, events) in histories().await {
            let (true, Some(own)) =
                (workflow(&events) == "orderFulfillmentWorkflow", own::<OrderState>(&events))
            else {
                continue;
            };
            let recalled = OrderState::recall(&Past(&events), &terminated()).unwrap();
            assert_eq!(of_order(&recalled), of_order(&own), "{name}");
            assert_eq!(recalled.error.unwrap().code, "TERMINATED");
            assert!(recalled.version > own.version, "{name}");
            seen += 1;
        }
        assert!(seen >= 5, "{seen} histories of orders");
    }

    #[tokio::test]
    async fn what_a_history_shows_of_a_payment_is_what_its_workflow_said() {
        let mut seen = 0;
        for (name, events) in histories().await {
            let (true, Some(own)) = (workflow(&events) == "paymentWorkflow", own::<PaymentState>(&events))
            else {
                continue;
            };
            let recalled = PaymentState::recall(&Past(&events), &terminated()).unwrap();
            let shown = |state: &PaymentState| {
                let undos: Vec<_> = state
                    .compensations
                    .iter()
                    .map(|record| (record.name.name(), json!(record.status)))
                    .collect();
                json!([state.order_id, state.amount, state.charge_id, state.auth_id, undos, state.cancelled])
            };
            assert_eq!(shown(&recalled), shown(&own), "{name}");
            assert!(recalled.version > own.version && !recalled.cancellable, "{name}");
            seen += 1;
        }
        assert!(seen >= 3, "{seen} histories of payments");
    }

    #[tokio::test]
    async fn what_a_history_shows_of_a_user_context_is_what_its_workflow_said() {
        let mut seen = 0;
        for (name, events) in histories().await {
            let (true, Some(own)) =
                (workflow(&events) == "userContextWorkflow", own::<UserContextState>(&events))
            else {
                continue;
            };
            let recalled = UserContextState::recall(&Past(&events), &terminated()).unwrap();
            assert_eq!((&recalled.location, &recalled.weather), (&own.location, &own.weather), "{name}");
            assert_eq!((&recalled.cat_fact, &recalled.user_id), (&own.cat_fact, &own.user_id), "{name}");
            assert!(recalled.version > own.version, "{name}");
            seen += 1;
        }
        assert!(seen >= 2, "{seen} histories of user contexts");
    }

    #[tokio::test]
    async fn a_history_that_was_cut_off_anywhere_still_shows_a_state() {
        for (name, events) in histories().await {
            for length in 1..=events.len() {
                let past = Past(&events[..length]);
                let is_read = match workflow(&events).as_str() {
                    "orderFulfillmentWorkflow" => OrderState::recall(&past, &terminated()).is_some(),
                    "paymentWorkflow" => PaymentState::recall(&past, &terminated()).is_some(),
                    "subscriptionWorkflow" => SubscriptionState::recall(&past, &terminated()).is_some(),
                    "orderBatchWorkflow" => BatchState::recall(&past, &terminated()).is_some(),
                    "orderBatchChunkWorkflow" => true,
                    "reconciliationWorkflow" => Report::recall(&past, &terminated()).is_some(),
                    _ => UserContextState::recall(&past, &terminated()).is_some(),
                };
                assert!(is_read, "{name}, {length} events");
            }
        }
    }
}
