//! The state of an order: a pure state machine. Queries, the status endpoint and the final result all
//! show this one state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    activities::refusal::Refusal,
    failure::{StateError, because},
    saga::{Compensation, Compensations, Ran, Saga},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    pub const ALL: [Self; 9] = [
        Self::PendingApproval,
        Self::Approved,
        Self::Processing,
        Self::Shipped,
        Self::Rejected,
        Self::Cancelled,
        Self::Failed,
        Self::Compensating,
        Self::CompensationFailed,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PendingApproval => "pending_approval",
            Self::Approved => "approved",
            Self::Processing => "processing",
            Self::Shipped => "shipped",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Compensating => "compensating",
            Self::CompensationFailed => "compensation_failed",
        }
    }

    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Shipped | Self::Rejected | Self::Cancelled | Self::Failed)
    }
}

/// What the order is doing now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initializing => "initializing",
            Self::AuthorizingPayment => "authorizing_payment",
            Self::AwaitingApproval => "awaiting_approval",
            Self::ReservingInventory => "reserving_inventory",
            Self::CapturingPayment => "capturing_payment",
            Self::CreatingShippingLabel => "creating_shipping_label",
            Self::SendingNotification => "sending_notification",
            Self::Compensating => "compensating",
            Self::Completed => "completed",
        }
    }

    /// The progress at which the step begins. While it compensates, an order's progress stands still.
    const fn progress(self) -> u8 {
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

/// A step that is over, as `completedSteps` lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    PaymentAuthorization,
    ManagerApproval,
    InventoryReservation,
    PaymentCapture,
    ShippingLabel,
    CustomerNotification,
}

impl Step {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PaymentAuthorization => "payment_authorization",
            Self::ManagerApproval => "manager_approval",
            Self::InventoryReservation => "inventory_reservation",
            Self::PaymentCapture => "payment_capture",
            Self::ShippingLabel => "shipping_label",
            Self::CustomerNotification => "customer_notification",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    Completed,
    /// It failed, and the order goes on without it.
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

/// Why an order did not ship; the type of the workflow's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
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
    pub const ALL: [Self; 10] = [
        Self::OrderRejected,
        Self::ApprovalTimeout,
        Self::OrderCancelled,
        Self::PaymentDeclined,
        Self::PaymentExpired,
        Self::OutOfStock,
        Self::AddressRejected,
        Self::ProviderUnavailable,
        Self::LedgerMismatch,
        Self::Internal,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OrderRejected => "ORDER_REJECTED",
            Self::ApprovalTimeout => "APPROVAL_TIMEOUT",
            Self::OrderCancelled => "ORDER_CANCELLED",
            Self::PaymentDeclined => "PAYMENT_DECLINED",
            Self::PaymentExpired => "PAYMENT_EXPIRED",
            Self::OutOfStock => "OUT_OF_STOCK",
            Self::AddressRejected => "ADDRESS_REJECTED",
            Self::ProviderUnavailable => "PROVIDER_UNAVAILABLE",
            Self::LedgerMismatch => "LEDGER_MISMATCH",
            Self::Internal => "INTERNAL",
        }
    }

    const fn status(self) -> OrderStatus {
        match self {
            Self::OrderRejected | Self::ApprovalTimeout => OrderStatus::Rejected,
            Self::OrderCancelled => OrderStatus::Cancelled,
            _ => OrderStatus::Failed,
        }
    }

    /// An outcome of the business and not a fault of any system.
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

/// What ended an order before it shipped.
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

/// What queries and the status endpoint show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderState {
    pub order_id: String,
    pub status: OrderStatus,
    /// 0 to 100; never goes back, and is 100 only when shipped.
    pub progress: u8,
    pub current_step: CurrentStep,
    pub completed_steps: Vec<CompletedStep>,
    pub compensations: Compensations,
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
    /// Somebody cancelled it in time; it won't ship.
    pub cancelled: bool,
    /// Grows by one with every change that a caller can see.
    pub version: u64,
}

/// What was decided about an order that needs approval, and who was first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Approved,
    Rejected,
    TimedOut,
}

impl Decision {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::TimedOut => "timed_out",
        }
    }
}

/// Where an approval stands, for the workflow's wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    Pending,
    Granted,
    Refused(Cause),
}

/// An order on its way. The first of approval, rejection, timeout and cancellation decides; what
/// comes later changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    state: OrderState,
    /// Set once: what ends the order before it ships.
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
                compensations: Compensations::default(),
                error: None,
                auth_id: None,
                reservation_id: None,
                label_id: None,
                tracking_number: None,
                requires_approval,
                decision: None,
                cancelled: false,
                version: 0,
            },
            cause: None,
        }
    }

    #[must_use]
    pub fn state(&self) -> &OrderState {
        &self.state
    }

    fn change(&mut self) -> &mut OrderState {
        self.state.version += 1;
        &mut self.state
    }

    /// A step begins.
    pub fn begin(&mut self, step: CurrentStep) {
        let past_approval = matches!(
            step,
            CurrentStep::ReservingInventory
                | CurrentStep::CapturingPayment
                | CurrentStep::CreatingShippingLabel
                | CurrentStep::SendingNotification
        );
        let state = self.change();
        state.current_step = step;
        state.progress = state.progress.max(step.progress());
        if past_approval {
            state.status = OrderStatus::Processing;
        }
    }

    fn completed(&mut self, name: Step, status: StepStatus, at: &str, data: &[(&str, &str)]) {
        let data = data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.change().completed_steps.push(CompletedStep { name, status, timestamp: at.to_owned(), data });
    }

    pub fn authorized(&mut self, auth_id: &str, at: &str) {
        self.state.auth_id = Some(auth_id.to_owned());
        self.completed(Step::PaymentAuthorization, StepStatus::Completed, at, &[("authId", auth_id)]);
    }

    pub fn approved(&mut self, at: &str) {
        self.completed(Step::ManagerApproval, StepStatus::Completed, at, &[]);
    }

    pub fn reserved(&mut self, reservation_id: &str, at: &str) {
        self.state.reservation_id = Some(reservation_id.to_owned());
        let data = [("reservationId", reservation_id)];
        self.completed(Step::InventoryReservation, StepStatus::Completed, at, &data);
    }

    pub fn captured(&mut self, at: &str) {
        self.completed(Step::PaymentCapture, StepStatus::Completed, at, &[]);
    }

    /// The label exists: from here on the order ships. `false` where it was cancelled before.
    pub fn labelled(&mut self, label_id: &str, tracking_number: &str, at: &str) -> bool {
        if self.state.cancelled {
            return false;
        }
        self.state.label_id = Some(label_id.to_owned());
        self.state.tracking_number = Some(tracking_number.to_owned());
        let data = [("labelId", label_id), ("trackingNumber", tracking_number)];
        self.completed(Step::ShippingLabel, StepStatus::Completed, at, &data);
        true
    }

    /// A notification that failed is recorded; the order ships all the same.
    pub fn notified(&mut self, outcome: Result<&str, &StateError>, at: &str) {
        match outcome {
            Ok(id) => self.completed(
                Step::CustomerNotification,
                StepStatus::Completed,
                at,
                &[("notificationId", id)],
            ),
            Err(error) => self.completed(
                Step::CustomerNotification,
                StepStatus::Failed,
                at,
                &[("code", &error.code), ("message", &error.message)],
            ),
        }
    }

    pub fn shipped(&mut self) {
        self.begin(CurrentStep::Completed);
        self.state.status = OrderStatus::Shipped;
    }

    fn undecided(&self) -> bool {
        let state = &self.state;
        state.requires_approval && state.decision.is_none() && self.cause.is_none()
    }

    /// Signal `approveOrder`. Kept when it comes before the wait.
    pub fn approve(&mut self) {
        if self.undecided() {
            let state = self.change();
            state.decision = Some(Decision::Approved);
            state.status = OrderStatus::Approved;
        }
    }

    /// Signal `rejectOrder`.
    pub fn reject(&mut self, reason: Option<String>) {
        if self.undecided() {
            self.change().decision = Some(Decision::Rejected);
            let message = because("the order was rejected", reason);
            self.cause = Some(Cause::new(FailureCode::OrderRejected, message));
        }
    }

    /// The wait for a decision is over.
    pub fn time_out(&mut self) {
        if self.undecided() {
            self.change().decision = Some(Decision::TimedOut);
            self.cause = Some(Cause::new(FailureCode::ApprovalTimeout, "nobody decided in time"));
        }
    }

    /// Signal `cancelOrder` or Temporal's own cancellation: works until the label exists or something
    /// else has ended the order. `false` where it changes nothing.
    pub fn cancel(&mut self, reason: Option<String>) -> bool {
        if self.state.label_id.is_some() || self.cause.is_some() {
            return false;
        }
        self.cause =
            Some(Cause::new(FailureCode::OrderCancelled, because("the order was cancelled", reason)));
        self.change().cancelled = true;
        true
    }

    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.state.cancelled
    }

    #[must_use]
    pub fn approval(&self) -> Approval {
        match (self.state.decision, &self.cause) {
            _ if !self.state.requires_approval => Approval::Granted,
            (Some(Decision::Approved), _) => Approval::Granted,
            (Some(Decision::Rejected | Decision::TimedOut), Some(cause)) => Approval::Refused(cause.clone()),
            _ => Approval::Pending,
        }
    }

    /// The order won't ship; what was done is undone. The first cause stays.
    pub fn compensate(&mut self, cause: Cause) {
        let cause = self.cause.get_or_insert(cause).clone();
        let state = self.change();
        state.error = Some(StateError::new(cause.code.name(), cause.message));
        state.current_step = CurrentStep::Compensating;
        state.status = OrderStatus::Compensating;
    }

    /// A round of compensation begins.
    pub fn compensating(&mut self) {
        self.change().status = OrderStatus::Compensating;
    }

    /// An attempt at an undo begins.
    pub fn compensation_runs(&mut self, name: Compensation, at: &str) {
        self.change().compensations.running(name, at);
    }

    /// An undo ran.
    pub fn compensation(&mut self, ran: Ran, at: &str) {
        self.change().compensations.ran(ran, at);
    }

    /// Somebody undid it by hand.
    pub fn resolved(&mut self, name: Compensation, note: String, at: &str) {
        self.change().compensations.resolved(name, note, at);
    }

    /// A round is over and left something undone.
    pub fn compensation_failed(&mut self) {
        self.change().status = OrderStatus::CompensationFailed;
    }

    /// Nothing is owed any more: the order ends with its original cause.
    pub fn ended(&mut self, saga: &Saga) -> Cause {
        debug_assert_eq!(saga.open().count(), 0);
        let cause = self
            .cause
            .clone()
            .unwrap_or_else(|| Cause::new(FailureCode::Internal, "the order ended without a cause"));
        self.begin_end(cause.code.status());
        cause
    }

    fn begin_end(&mut self, status: OrderStatus) {
        let state = self.change();
        state.current_step = CurrentStep::Completed;
        state.status = status;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saga::CompensationStatus;
    use proptest::prelude::*;

    const AT: &str = "2026-11-23T12:00:00.000Z";

    fn order(requires_approval: bool) -> Order {
        Order::new("42", requires_approval)
    }

    fn cause() -> Cause {
        Cause::new(FailureCode::PaymentDeclined, "declined")
    }

    fn released(status: CompensationStatus, attempts: u32) -> Ran {
        Ran { compensation: Compensation::ReleasePayment, status, attempts, error: None }
    }

    #[test]
    fn an_order_that_ships_reaches_100_and_lists_its_steps() {
        let mut order = order(false);
        assert_eq!((order.state().status, order.state().progress), (OrderStatus::Processing, 0));
        order.begin(CurrentStep::AuthorizingPayment);
        order.authorized("auth_1", AT);
        order.begin(CurrentStep::ReservingInventory);
        order.reserved("res_1", AT);
        order.begin(CurrentStep::CapturingPayment);
        order.captured(AT);
        order.begin(CurrentStep::CreatingShippingLabel);
        assert!(order.labelled("lbl_1", "1Z", AT));
        order.begin(CurrentStep::SendingNotification);
        order.notified(Ok("ntf_1"), AT);
        assert_eq!(order.state().progress, 90);
        order.shipped();
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
    fn an_approval_before_the_wait_is_kept() {
        let mut order = order(true);
        assert_eq!(order.state().status, OrderStatus::PendingApproval);
        order.approve();
        order.begin(CurrentStep::AuthorizingPayment);
        assert_eq!((order.approval(), order.state().status), (Approval::Granted, OrderStatus::Approved));
        order.begin(CurrentStep::ReservingInventory);
        assert_eq!(order.state().status, OrderStatus::Processing);
    }

    #[test]
    fn the_first_decision_wins() {
        let mut order = order(true);
        order.reject(Some("too dear".to_owned()));
        let version = order.state().version;
        order.approve();
        order.time_out();
        order.reject(None);
        assert!(!order.cancel(None));
        assert_eq!(
            order.approval(),
            Approval::Refused(Cause::new(FailureCode::OrderRejected, "the order was rejected: too dear"))
        );
        assert_eq!(order.state().version, version);
    }

    #[test]
    fn an_approval_after_a_cancellation_changes_nothing() {
        let mut order = order(true);
        assert!(order.cancel(Some("changed my mind".to_owned())));
        order.approve();
        assert_eq!(order.approval(), Approval::Pending);
        order.compensate(cause());
        assert_eq!(order.ended(&Saga::default()).code, FailureCode::OrderCancelled);
        assert_eq!(order.state().status, OrderStatus::Cancelled);
    }

    #[test]
    fn an_approved_order_can_be_cancelled_until_its_label_exists() {
        let mut early = order(true);
        early.approve();
        assert!(early.cancel(None));
        assert!(!early.labelled("lbl_1", "1Z", AT), "it was cancelled while the label was made");

        let mut late = order(false);
        assert!(late.labelled("lbl_1", "1Z", AT));
        assert!(!late.cancel(None));
        assert!(!late.is_cancelled());
    }

    #[test]
    fn a_compensated_order_keeps_its_progress_and_its_cause() {
        let mut order = order(false);
        order.begin(CurrentStep::CapturingPayment);
        order.compensate(cause());
        order.compensation(released(CompensationStatus::Failed, 3), AT);
        order.compensation_failed();
        assert_eq!(order.state().status, OrderStatus::CompensationFailed);
        order.compensating();
        order.compensation(released(CompensationStatus::Completed, 1), AT);
        order.compensate(Cause::new(FailureCode::Internal, "later"));
        assert_eq!(order.ended(&Saga::default()), cause());
        let state = order.state();
        assert_eq!((state.status, state.progress), (OrderStatus::Failed, 45));
        let records: Vec<_> = state.compensations.iter().map(|one| (one.attempts, one.status)).collect();
        assert_eq!(records, [(4, CompensationStatus::Completed)]);
        assert_eq!(state.error.as_ref().unwrap().code, "PAYMENT_DECLINED");
    }

    #[test]
    fn every_failure_code_has_the_name_that_it_is_written_with() {
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
        fn progress_never_goes_back_and_only_shipping_makes_it_100(
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
                    Event::TimeOut => order.time_out(),
                    Event::Cancel => { order.cancel(None); }
                    Event::Begin(step) => order.begin(step),
                    Event::Label => { order.labelled("l", "t", AT); }
                    Event::Compensate => order.compensate(cause()),
                    Event::Ship => order.shipped(),
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
