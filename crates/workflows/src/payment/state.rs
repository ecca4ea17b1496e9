//! The state of a payment: a pure state machine. The query, the status endpoint and the final result show
//! this state.

use serde::{Deserialize, Serialize};

use crate::{
    activities::{payment::Charged, refusal::Refusal},
    failure::{StateError, with_reason},
    saga::{CompensationRecords, CompensationStatus, RecordsCompensations, Saga},
};

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum PaymentStatus {
    Pending,
    Processing,
    /// Charged. It can be cancelled while `cancellable` is true.
    Succeeded,
    /// Nothing was ever charged.
    Failed,
    /// It was charged, and refunded.
    Compensated,
    Compensating,
    CompensationFailed,
}

impl PaymentStatus {
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the serialized name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

/// The reason that a payment failed, and the type of the workflow's failure.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum PaymentFailure {
    PaymentCancelled,
    PaymentDeclined,
    ProviderUnavailable,
    LedgerMismatch,
    Internal,
}

impl PaymentFailure {
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the serialized name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    /// Returns true for a decision of the business, as opposed to an error of a system.
    #[must_use]
    pub const fn is_benign(self) -> bool {
        matches!(self, Self::PaymentCancelled | Self::PaymentDeclined)
    }
}

impl From<Refusal> for PaymentFailure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InsufficientFunds => Self::PaymentDeclined,
            Refusal::LedgerMismatch => Self::LedgerMismatch,
            Refusal::NoAnswer => Self::ProviderUnavailable,
            Refusal::OutOfStock
            | Refusal::AddressError
            | Refusal::AuthorizationExpired
            | Refusal::Unexpected => Self::Internal,
        }
    }
}

/// The first reason that a payment failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    pub code: PaymentFailure,
    pub message: String,
}

impl Cause {
    #[must_use]
    pub fn new(code: PaymentFailure, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The state that the query and the status endpoint show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentState {
    pub order_id: String,
    pub status: PaymentStatus,
    /// The known attempts of the charge; at least 1 after its start.
    pub attempts: u32,
    /// Minor units.
    pub amount: u64,
    pub currency: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charged_at: Option<String>,
    /// True while a cancellation counts.
    pub cancellable: bool,
    /// True after a cancellation in time.
    pub cancelled: bool,
    pub compensations: CompensationRecords,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StateError>,
    /// Grows by one with every change that a caller can see.
    pub version: u64,
}

/// A payment. The first of failure, cancellation and the end of the window decides; a later one changes
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    state: PaymentState,
    /// Set once: the reason that the payment failed.
    cause: Option<Cause>,
}

impl Payment {
    #[must_use]
    pub fn new(order_id: &str, amount: u64, currency: &str) -> Self {
        Self {
            state: PaymentState {
                order_id: order_id.to_owned(),
                status: PaymentStatus::Pending,
                attempts: 0,
                amount,
                currency: currency.to_owned(),
                charge_id: None,
                auth_id: None,
                charged_at: None,
                cancellable: true,
                cancelled: false,
                compensations: CompensationRecords::default(),
                error: None,
                version: 0,
            },
            cause: None,
        }
    }

    #[must_use]
    pub fn state(&self) -> &PaymentState {
        &self.state
    }

    fn state_mut(&mut self) -> &mut PaymentState {
        self.state.version += 1;
        &mut self.state
    }

    /// Starts the charge.
    pub fn start_charge(&mut self) {
        let state = self.state_mut();
        state.status = PaymentStatus::Processing;
        state.attempts = 1;
    }

    /// Records the answer of the charge.
    pub fn record_charge(&mut self, charged: &Charged, at: &str) {
        let state = self.state_mut();
        state.attempts = charged.attempt;
        state.charge_id = Some(charged.charge_id.clone());
        state.auth_id = Some(charged.auth_id.clone());
        state.charged_at = Some(at.to_owned());
        state.status = PaymentStatus::Succeeded;
    }

    /// Records a failed charge with its known attempts.
    pub fn record_failed_charge(&mut self, attempts: u32) {
        self.state_mut().attempts = attempts.max(1);
    }

    /// Handles signal `cancelPayment` and Temporal's own cancellation. Returns false if it changes nothing:
    /// the window is closed, or the payment has another cause.
    pub fn cancel(&mut self, reason: Option<String>) -> bool {
        if !self.state.cancellable {
            return false;
        }
        let message = with_reason("the payment was cancelled", reason);
        self.cause = Some(Cause::new(PaymentFailure::PaymentCancelled, message));
        let state = self.state_mut();
        state.cancelled = true;
        state.cancellable = false;
        true
    }

    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.state.cancelled
    }

    /// Closes the window. Returns false if the payment was cancelled before.
    pub fn close_cancel_window(&mut self) -> bool {
        if self.state.cancellable {
            self.state_mut().cancellable = false;
        }
        self.cause.is_none()
    }

    /// Starts the compensation. The first cause stays.
    pub fn start_compensation(&mut self, cause: Cause) {
        let cause = self.cause.get_or_insert(cause).clone();
        let state = self.state_mut();
        state.error = Some(StateError::new(cause.code.name(), cause.message));
        state.cancellable = false;
        state.status = PaymentStatus::Compensating;
    }

    /// Ends the payment with its original cause. No compensation may be pending.
    pub fn finish(&mut self, saga: &Saga) -> Cause {
        debug_assert_eq!(saga.pending().count(), 0);
        let given_back =
            self.state.compensations.iter().any(|undo| {
                matches!(undo.status, CompensationStatus::Completed | CompensationStatus::Resolved)
            });
        self.state_mut().status = if given_back { PaymentStatus::Compensated } else { PaymentStatus::Failed };
        self.cause
            .clone()
            .unwrap_or_else(|| Cause::new(PaymentFailure::Internal, "the payment ended without a cause"))
    }
}

impl RecordsCompensations for Payment {
    fn compensations_mut(&mut self) -> &mut CompensationRecords {
        &mut self.state_mut().compensations
    }

    fn enter_compensating(&mut self) {
        self.state_mut().status = PaymentStatus::Compensating;
    }

    fn enter_compensation_failed(&mut self) {
        self.state_mut().status = PaymentStatus::CompensationFailed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saga::{Compensation, CompensationOutcome};
    use proptest::prelude::*;

    const AT: &str = "2026-11-23T12:00:00.000Z";

    fn payment() -> Payment {
        Payment::new("42", 5998, "usd")
    }

    fn charged() -> Charged {
        Charged { charge_id: "ch_1".to_owned(), auth_id: "auth_1".to_owned(), attempt: 2 }
    }

    fn cause(code: PaymentFailure) -> Cause {
        Cause::new(code, "a cause of the test")
    }

    fn refunded(status: CompensationStatus) -> CompensationOutcome {
        CompensationOutcome { compensation: Compensation::RefundCharge, status, attempts: 1, error: None }
    }

    #[test]
    fn a_settled_payment_shows_its_charge_and_its_attempts() {
        let mut payment = payment();
        assert_eq!((payment.state().status, payment.state().attempts), (PaymentStatus::Pending, 0));
        payment.start_charge();
        assert_eq!((payment.state().status, payment.state().attempts), (PaymentStatus::Processing, 1));
        payment.record_charge(&charged(), AT);
        let state = payment.state();
        assert_eq!((state.status, state.attempts, state.cancellable), (PaymentStatus::Succeeded, 2, true));
        assert!(payment.close_cancel_window());
        let state = payment.state();
        assert_eq!((state.status, state.cancellable), (PaymentStatus::Succeeded, false));
        assert_eq!(state.charge_id.as_deref(), Some("ch_1"));
    }

    #[test]
    fn a_cancellation_after_the_window_changes_nothing() {
        let mut payment = payment();
        payment.record_charge(&charged(), AT);
        assert!(payment.close_cancel_window());
        let before = payment.clone();
        assert!(!payment.cancel(None));
        assert_eq!(payment, before);
    }

    #[test]
    fn a_cancellation_inside_the_window_prevents_the_settlement() {
        let mut payment = payment();
        payment.record_charge(&charged(), AT);
        assert!(payment.cancel(Some("changed my mind".to_owned())));
        assert!(!payment.cancel(Some("again".to_owned())));
        assert!(!payment.close_cancel_window());
        payment.start_compensation(cause(PaymentFailure::Internal));
        payment.record_compensation(refunded(CompensationStatus::Completed), AT);
        let cause = payment.finish(&Saga::default());
        assert_eq!(cause.code, PaymentFailure::PaymentCancelled);
        assert_eq!(cause.message, "the payment was cancelled: changed my mind");
        assert_eq!(payment.state().status, PaymentStatus::Compensated);
    }

    #[test]
    fn only_a_charged_payment_ends_compensated() {
        for (found, status) in [
            (Some(CompensationStatus::Completed), PaymentStatus::Compensated),
            (Some(CompensationStatus::Resolved), PaymentStatus::Compensated),
            (Some(CompensationStatus::NothingToUndo), PaymentStatus::Failed),
            (None, PaymentStatus::Failed),
        ] {
            let mut payment = payment();
            payment.start_charge();
            payment.start_compensation(cause(PaymentFailure::ProviderUnavailable));
            if let Some(found) = found {
                payment.record_compensation(refunded(found), AT);
            }
            payment.finish(&Saga::default());
            assert_eq!(payment.state().status, status, "{found:?}");
        }
    }

    #[test]
    fn each_name_matches_its_serialized_form() {
        for code in PaymentFailure::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
        for status in PaymentStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
    }

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Process,
        Charge,
        Cancel,
        Settle,
        Fail,
    }

    proptest! {
        /// No sequence of events both settles and cancels a payment.
        #[test]
        fn a_payment_is_never_both_settled_and_cancelled(
            events in proptest::collection::vec(
                prop_oneof![
                    Just(Event::Process), Just(Event::Charge), Just(Event::Cancel), Just(Event::Settle), Just(Event::Fail),
                ],
                0..20,
            ),
        ) {
            let mut payment = payment();
            let (mut stays, mut cancelled, mut version) = (false, false, 0);
            for event in events {
                match event {
                    Event::Process => payment.start_charge(),
                    Event::Charge => payment.record_charge(&charged(), AT),
                    Event::Cancel => cancelled |= payment.cancel(None),
                    Event::Settle => stays |= payment.close_cancel_window(),
                    Event::Fail if !stays => payment.start_compensation(cause(PaymentFailure::Internal)),
                    Event::Fail => {}
                }
                prop_assert!(!(stays && cancelled));
                prop_assert_eq!(payment.is_cancelled(), cancelled);
                prop_assert!(payment.state().version >= version);
                version = payment.state().version;
            }
        }
    }
}
