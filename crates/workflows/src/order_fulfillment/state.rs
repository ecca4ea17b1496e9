//! The state of an order: a pure state machine. Queries, the status endpoint and the final result show this
//! state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::messages::Decide;
use crate::{
    activities::refusal::Refusal,
    failure::{StateError, with_reason},
    saga::{CompensationRecords, Reason, RecordsCompensations, Saga},
};

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum OrderStatus {
    PendingApproval,
    Approved,
    Processing,
    Shipped,
    Rejected,
    Cancelled,
    Failed,
    Compensating,
    CompensationFailed,
}

impl OrderStatus {
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the serialized name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Shipped | Self::Rejected | Self::Cancelled | Self::Failed)
    }
}

/// The current step of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum CurrentStep {
    Initializing,
    AuthorizingPayment,
    AwaitingApproval,
    ReservingInventory,
    CapturingPayment,
    CreatingShippingLabel,
    SendingNotification,
    Compensating,
    Completed,
}

impl CurrentStep {
    /// Returns the serialized name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    /// Returns true from the request for the label on. The carrier has the address then.
    #[must_use]
    pub const fn has_asked_for_label(self) -> bool {
        matches!(self, Self::CreatingShippingLabel | Self::SendingNotification | Self::Completed)
    }

    /// Returns the progress at the start of the step. During compensation the progress stays.
    const fn start_progress(self) -> u8 {
        match self {
            Self::Initializing | Self::Compensating => 0,
            Self::AuthorizingPayment => 5,
            Self::AwaitingApproval => 20,
            Self::ReservingInventory => 30,
            Self::CapturingPayment => 45,
            Self::CreatingShippingLabel => 60,
            Self::SendingNotification => 90,
            Self::Completed => 100,
        }
    }
}

/// A finished step in `completedSteps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Step {
    PaymentAuthorization,
    ManagerApproval,
    InventoryReservation,
    PaymentCapture,
    ShippingLabel,
    CustomerNotification,
}

impl Step {
    /// Returns the serialized name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    Completed,
    /// It failed, and the order continues without it.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompletedStep {
    pub name: Step,
    pub status: StepStatus,
    pub timestamp: String,
    pub data: BTreeMap<String, String>,
}

/// The reason that an order did not ship, and the type of the workflow's failure.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum FailureCode {
    OrderRejected,
    ApprovalTimeout,
    OrderCancelled,
    PaymentDeclined,
    PaymentExpired,
    OutOfStock,
    AddressRejected,
    ProviderUnavailable,
    LedgerMismatch,
    Internal,
}

impl FailureCode {
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the serialized name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    const fn status(self) -> OrderStatus {
        match self {
            Self::OrderRejected | Self::ApprovalTimeout => OrderStatus::Rejected,
            Self::OrderCancelled => OrderStatus::Cancelled,
            _ => OrderStatus::Failed,
        }
    }

    /// Returns true for a decision of the business, as opposed to an error of a system.
    #[must_use]
    pub const fn is_benign(self) -> bool {
        !matches!(self, Self::ProviderUnavailable | Self::LedgerMismatch | Self::Internal)
    }
}

impl From<Refusal> for FailureCode {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InsufficientFunds => Self::PaymentDeclined,
            Refusal::OutOfStock => Self::OutOfStock,
            Refusal::AddressError => Self::AddressRejected,
            Refusal::AuthorizationExpired => Self::PaymentExpired,
            Refusal::LedgerMismatch => Self::LedgerMismatch,
            Refusal::NoAnswer => Self::ProviderUnavailable,
            Refusal::Unexpected => Self::Internal,
        }
    }
}

/// The first reason that an order can't ship.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    pub code: FailureCode,
    pub message: String,
}

impl Cause {
    #[must_use]
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The state that queries and the status endpoint show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderState {
    pub order_id: String,
    pub status: OrderStatus,
    /// 0 to 100. It never decreases, and is 100 only for a shipped order.
    pub progress: u8,
    pub current_step: CurrentStep,
    pub completed_steps: Vec<CompletedStep>,
    pub compensations: CompensationRecords,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StateError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_number: Option<String>,
    pub requires_approval: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The person who decided, if the API knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// True after a cancellation in time. The order won't ship.
    pub cancelled: bool,
    /// The person who cancelled it, if the API knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<String>,
    /// Grows by one with every change that a caller can see.
    pub version: u64,
}

/// The reasons why an order refuses an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooLate {
    #[error("the order was placed without requiresApproval")]
    ApprovalNotRequired,
    #[error("somebody decided before, or the time for it is over")]
    AlreadyDecided,
    #[error("the shipping label was asked for")]
    LabelRequested,
    #[error("the order doesn't ship")]
    NotShipping,
}

/// The first decision on an order that needs approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Decision {
    Approved,
    Rejected,
    TimedOut,
}

impl Decision {
    /// Returns the serialized name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

/// The state of the approval, for the workflow's wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    Pending,
    Approved,
    Denied(Cause),
}

/// An order. The first of approval, rejection, timeout and cancellation decides; a later one changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    state: OrderState,
    /// Set once: the reason that the order can't ship.
    cause: Option<Cause>,
}

impl Order {
    #[must_use]
    pub fn new(order_id: &str, requires_approval: bool) -> Self {
        Self {
            state: OrderState {
                order_id: order_id.to_owned(),
                status: if requires_approval {
                    OrderStatus::PendingApproval
                } else {
                    OrderStatus::Processing
                },
                progress: 0,
                current_step: CurrentStep::Initializing,
                completed_steps: Vec::new(),
                compensations: CompensationRecords::default(),
                error: None,
                auth_id: None,
                reservation_id: None,
                label_id: None,
                tracking_number: None,
                requires_approval,
                decision: None,
                decided_by: None,
                cancelled: false,
                cancelled_by: None,
                version: 0,
            },
            cause: None,
        }
    }

    #[must_use]
    pub fn state(&self) -> &OrderState {
        &self.state
    }

    fn state_mut(&mut self) -> &mut OrderState {
        self.state.version += 1;
        &mut self.state
    }

    /// Starts a step.
    pub fn start_step(&mut self, step: CurrentStep) {
        let past_approval = matches!(
            step,
            CurrentStep::ReservingInventory
                | CurrentStep::CapturingPayment
                | CurrentStep::CreatingShippingLabel
                | CurrentStep::SendingNotification
        );
        let state = self.state_mut();
        state.current_step = step;
        state.progress = state.progress.max(step.start_progress());
        if past_approval {
            state.status = OrderStatus::Processing;
        }
    }

    fn push_completed_step(&mut self, name: Step, status: StepStatus, at: &str, data: &[(&str, &str)]) {
        let data = data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.state_mut().completed_steps.push(CompletedStep { name, status, timestamp: at.to_owned(), data });
    }

    pub fn record_authorization(&mut self, auth_id: &str, at: &str) {
        self.state.auth_id = Some(auth_id.to_owned());
        self.push_completed_step(
            Step::PaymentAuthorization,
            StepStatus::Completed,
            at,
            &[("authId", auth_id)],
        );
    }

    pub fn record_approval(&mut self, at: &str) {
        self.push_completed_step(Step::ManagerApproval, StepStatus::Completed, at, &[]);
    }

    pub fn record_reservation(&mut self, reservation_id: &str, at: &str) {
        self.state.reservation_id = Some(reservation_id.to_owned());
        let data = [("reservationId", reservation_id)];
        self.push_completed_step(Step::InventoryReservation, StepStatus::Completed, at, &data);
    }

    pub fn record_capture(&mut self, at: &str) {
        self.push_completed_step(Step::PaymentCapture, StepStatus::Completed, at, &[]);
    }

    /// Records the label, the point of no return. Returns false if the order was cancelled before.
    pub fn record_label(&mut self, label_id: &str, tracking_number: &str, at: &str) -> bool {
        if self.state.cancelled {
            return false;
        }
        self.state.label_id = Some(label_id.to_owned());
        self.state.tracking_number = Some(tracking_number.to_owned());
        let data = [("labelId", label_id), ("trackingNumber", tracking_number)];
        self.push_completed_step(Step::ShippingLabel, StepStatus::Completed, at, &data);
        true
    }

    /// Records the notification. The order ships also if it failed.
    pub fn record_notification(&mut self, outcome: Result<&str, &StateError>, at: &str) {
        match outcome {
            Ok(id) => self.push_completed_step(
                Step::CustomerNotification,
                StepStatus::Completed,
                at,
                &[("notificationId", id)],
            ),
            Err(error) => self.push_completed_step(
                Step::CustomerNotification,
                StepStatus::Failed,
                at,
                &[("code", &error.code), ("message", &error.message)],
            ),
        }
    }

    pub fn mark_shipped(&mut self) {
        self.start_step(CurrentStep::Completed);
        self.state.status = OrderStatus::Shipped;
    }

    fn is_undecided(&self) -> bool {
        self.check_decision().is_ok()
    }

    /// # Errors
    /// Returns the reason why no decision counts any more.
    pub fn check_decision(&self) -> Result<(), TooLate> {
        let state = &self.state;
        match (state.requires_approval, state.decision, &self.cause) {
            (false, ..) => Err(TooLate::ApprovalNotRequired),
            (true, Some(_), _) => Err(TooLate::AlreadyDecided),
            (true, None, Some(_)) => Err(TooLate::NotShipping),
            (true, None, None) => Ok(()),
        }
    }

    /// # Errors
    /// Returns the reason why the shipping address can't change any more.
    pub fn check_address_change(&self) -> Result<(), TooLate> {
        if self.cause.is_some() {
            return Err(TooLate::NotShipping);
        }
        if self.state.current_step.has_asked_for_label() { Err(TooLate::LabelRequested) } else { Ok(()) }
    }

    /// Handles signal `approveOrder`. An approval before the wait counts.
    pub fn approve(&mut self) {
        if self.is_undecided() {
            let state = self.state_mut();
            state.decision = Some(Decision::Approved);
            state.status = OrderStatus::Approved;
        }
    }

    /// Rejects the order.
    pub fn reject(&mut self, reason: Option<String>) {
        if self.is_undecided() {
            self.state_mut().decision = Some(Decision::Rejected);
            let message = with_reason("the order was rejected", reason);
            self.cause = Some(Cause::new(FailureCode::OrderRejected, message));
        }
    }

    /// Handles update `decide`.
    pub fn decide(&mut self, decide: Decide) {
        let counts = self.is_undecided();
        let actor = match decide {
            Decide::Approve { actor } => {
                self.approve();
                actor
            }
            Decide::Reject(Reason { reason, actor }) => {
                self.reject(reason);
                actor
            }
        };
        if counts && actor.is_some() {
            self.state_mut().decided_by = actor;
        }
    }

    /// Ends the wait for a decision.
    pub fn time_out_approval(&mut self) {
        if self.is_undecided() {
            self.state_mut().decision = Some(Decision::TimedOut);
            self.cause = Some(Cause::new(FailureCode::ApprovalTimeout, "nobody decided in time"));
        }
    }

    /// Handles signal `cancelOrder` and Temporal's own cancellation. Returns false if it changes nothing: the
    /// label exists, or the order has another cause.
    pub fn cancel(&mut self, reason: Option<String>) -> bool {
        if self.state.label_id.is_some() || self.cause.is_some() {
            return false;
        }
        self.cause =
            Some(Cause::new(FailureCode::OrderCancelled, with_reason("the order was cancelled", reason)));
        self.state_mut().cancelled = true;
        true
    }

    /// Handles signal `cancelOrder`, which can name the person who sent it.
    pub fn cancel_by(&mut self, Reason { reason, actor }: Reason) {
        if self.cancel(reason) && actor.is_some() {
            self.state_mut().cancelled_by = actor;
        }
    }

    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.state.cancelled
    }

    #[must_use]
    pub fn approval(&self) -> Approval {
        match (self.state.decision, &self.cause) {
            _ if !self.state.requires_approval => Approval::Approved,
            (Some(Decision::Approved), _) => Approval::Approved,
            (Some(Decision::Rejected | Decision::TimedOut), Some(cause)) => Approval::Denied(cause.clone()),
            _ => Approval::Pending,
        }
    }

    /// Starts the compensation. The first cause stays.
    pub fn start_compensation(&mut self, cause: Cause) {
        let cause = self.cause.get_or_insert(cause).clone();
        let state = self.state_mut();
        state.error = Some(StateError::new(cause.code.name(), cause.message));
        state.current_step = CurrentStep::Compensating;
        state.status = OrderStatus::Compensating;
    }

    /// Ends the order with its original cause. No compensation may be pending.
    pub fn finish(&mut self, saga: &Saga) -> Cause {
        debug_assert_eq!(saga.pending().count(), 0);
        let cause = self
            .cause
            .clone()
            .unwrap_or_else(|| Cause::new(FailureCode::Internal, "the order ended without a cause"));
        self.set_final_status(cause.code.status());
        cause
    }

    fn set_final_status(&mut self, status: OrderStatus) {
        let state = self.state_mut();
        state.current_step = CurrentStep::Completed;
        state.status = status;
    }
}

impl RecordsCompensations for Order {
    fn compensations_mut(&mut self) -> &mut CompensationRecords {
        &mut self.state_mut().compensations
    }

    fn enter_compensating(&mut self) {
        self.state_mut().status = OrderStatus::Compensating;
    }

    fn enter_compensation_failed(&mut self) {
        self.state_mut().status = OrderStatus::CompensationFailed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saga::CompensationStatus;
    use crate::saga::{Compensation, CompensationOutcome};
    use proptest::prelude::*;

    const AT: &str = "2026-11-23T12:00:00.000Z";

    fn order(requires_approval: bool) -> Order {
        Order::new("42", requires_approval)
    }

    fn cause() -> Cause {
        Cause::new(FailureCode::PaymentDeclined, "declined")
    }

    fn released(status: CompensationStatus, attempts: u32) -> CompensationOutcome {
        CompensationOutcome { compensation: Compensation::ReleasePayment, status, attempts, error: None }
    }

    #[test]
    fn an_order_that_ships_reaches_100_and_lists_its_steps() {
        let mut order = order(false);
        assert_eq!((order.state().status, order.state().progress), (OrderStatus::Processing, 0));
        order.start_step(CurrentStep::AuthorizingPayment);
        order.record_authorization("auth_1", AT);
        order.start_step(CurrentStep::ReservingInventory);
        order.record_reservation("res_1", AT);
        order.start_step(CurrentStep::CapturingPayment);
        order.record_capture(AT);
        order.start_step(CurrentStep::CreatingShippingLabel);
        assert!(order.record_label("lbl_1", "1Z", AT));
        order.start_step(CurrentStep::SendingNotification);
        order.record_notification(Ok("ntf_1"), AT);
        assert_eq!(order.state().progress, 90);
        order.mark_shipped();
        let state = order.state();
        assert_eq!(
            (state.status, state.progress, state.current_step),
            (OrderStatus::Shipped, 100, CurrentStep::Completed)
        );
        let names: Vec<Step> = state.completed_steps.iter().map(|step| step.name).collect();
        assert_eq!(
            names,
            [
                Step::PaymentAuthorization,
                Step::InventoryReservation,
                Step::PaymentCapture,
                Step::ShippingLabel,
                Step::CustomerNotification
            ]
        );
        assert_eq!(state.completed_steps[0].data["authId"], "auth_1");
        assert_eq!(state.tracking_number.as_deref(), Some("1Z"));
    }

    #[test]
    fn the_address_may_change_until_the_label_is_asked_for() {
        let mut order = order(false);
        for step in [CurrentStep::AuthorizingPayment, CurrentStep::CapturingPayment] {
            order.start_step(step);
            assert_eq!(order.check_address_change(), Ok(()));
        }
        order.start_step(CurrentStep::CreatingShippingLabel);
        assert_eq!(order.check_address_change(), Err(TooLate::LabelRequested));
    }

    #[test]
    fn the_address_of_an_order_that_does_not_ship_cannot_change() {
        let mut order = order(false);
        order.cancel(None);
        assert_eq!(order.check_address_change(), Err(TooLate::NotShipping));
        order.start_compensation(cause());
        assert_eq!(order.check_address_change(), Err(TooLate::NotShipping));
    }

    #[test]
    fn a_decision_is_refused_with_its_reason() {
        assert_eq!(order(false).check_decision(), Err(TooLate::ApprovalNotRequired));
        let mut approved = order(true);
        assert_eq!(approved.check_decision(), Ok(()));
        approved.approve();
        assert_eq!(approved.check_decision(), Err(TooLate::AlreadyDecided));
        let mut cancelled = order(true);
        cancelled.cancel(None);
        assert_eq!(cancelled.check_decision(), Err(TooLate::NotShipping));
    }

    #[test]
    fn an_approval_before_the_wait_is_kept() {
        let mut order = order(true);
        assert_eq!(order.state().status, OrderStatus::PendingApproval);
        order.approve();
        order.start_step(CurrentStep::AuthorizingPayment);
        assert_eq!((order.approval(), order.state().status), (Approval::Approved, OrderStatus::Approved));
        order.start_step(CurrentStep::ReservingInventory);
        assert_eq!(order.state().status, OrderStatus::Processing);
    }

    #[test]
    fn the_first_decision_wins() {
        let mut order = order(true);
        order.reject(Some("too dear".to_owned()));
        let version = order.state().version;
        order.approve();
        order.time_out_approval();
        order.reject(None);
        assert!(!order.cancel(None));
        assert_eq!(
            order.approval(),
            Approval::Denied(Cause::new(FailureCode::OrderRejected, "the order was rejected: too dear"))
        );
        assert_eq!(order.state().version, version);
    }

    #[test]
    fn an_approval_after_a_cancellation_changes_nothing() {
        let mut order = order(true);
        assert!(order.cancel(Some("changed my mind".to_owned())));
        order.approve();
        assert_eq!(order.approval(), Approval::Pending);
        order.start_compensation(cause());
        assert_eq!(order.finish(&Saga::default()).code, FailureCode::OrderCancelled);
        assert_eq!(order.state().status, OrderStatus::Cancelled);
    }

    #[test]
    fn an_approved_order_can_be_cancelled_until_its_label_exists() {
        let mut early = order(true);
        early.approve();
        assert!(early.cancel(None));
        assert!(!early.record_label("lbl_1", "1Z", AT), "a cancelled order gets no label");

        let mut late = order(false);
        assert!(late.record_label("lbl_1", "1Z", AT));
        assert!(!late.cancel(None));
        assert!(!late.is_cancelled());
    }

    #[test]
    fn a_compensated_order_keeps_its_progress_and_its_cause() {
        let mut order = order(false);
        order.start_step(CurrentStep::CapturingPayment);
        order.start_compensation(cause());
        order.record_compensation(released(CompensationStatus::Failed, 3), AT);
        order.enter_compensation_failed();
        assert_eq!(order.state().status, OrderStatus::CompensationFailed);
        order.enter_compensating();
        order.record_compensation(released(CompensationStatus::Completed, 1), AT);
        order.start_compensation(Cause::new(FailureCode::Internal, "later"));
        assert_eq!(order.finish(&Saga::default()), cause());
        let state = order.state();
        assert_eq!((state.status, state.progress), (OrderStatus::Failed, 45));
        let records: Vec<_> = state.compensations.iter().map(|one| (one.attempts, one.status)).collect();
        assert_eq!(records, [(4, CompensationStatus::Completed)]);
        assert_eq!(state.error.as_ref().unwrap().code, "PAYMENT_DECLINED");
    }

    #[test]
    fn each_name_of_an_order_matches_its_serialized_form() {
        for code in FailureCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
        for status in OrderStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
    }

    #[derive(Debug, Clone)]
    enum Event {
        Approve,
        Reject,
        TimeOut,
        Cancel,
        Begin(CurrentStep),
        Label,
        Compensate,
        Ship,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Approve),
            Just(Event::Reject),
            Just(Event::TimeOut),
            Just(Event::Cancel),
            Just(Event::Label),
            Just(Event::Compensate),
            prop_oneof![
                Just(CurrentStep::AuthorizingPayment),
                Just(CurrentStep::ReservingInventory),
                Just(CurrentStep::CreatingShippingLabel),
            ]
            .prop_map(Event::Begin),
        ]
    }

    proptest! {
        #[test]
        fn progress_never_decreases_and_only_a_shipped_order_has_100(
            requires_approval in any::<bool>(),
            events in proptest::collection::vec(event(), 0..40),
            ships in any::<bool>(),
        ) {
            let mut order = order(requires_approval);
            let (mut progress, mut version, mut decided) = (0, 0, None);
            let last = ships.then_some(Event::Ship);
            for event in events.into_iter().chain(last) {
                match event {
                    Event::Approve => order.approve(),
                    Event::Reject => order.reject(None),
                    Event::TimeOut => order.time_out_approval(),
                    Event::Cancel => { order.cancel(None); }
                    Event::Begin(step) => order.start_step(step),
                    Event::Label => { order.record_label("l", "t", AT); }
                    Event::Compensate => order.start_compensation(cause()),
                    Event::Ship => order.mark_shipped(),
                }
                let state = order.state();
                prop_assert!(state.progress >= progress && state.version >= version);
                prop_assert_eq!(state.progress == 100, state.status == OrderStatus::Shipped);
                (progress, version) = (state.progress, state.version);
                let approval = order.approval();
                if let Some(first) = &decided {
                    prop_assert_eq!(first, &approval);
                } else if approval != Approval::Pending {
                    decided = Some(approval);
                }
            }
        }
    }
}
