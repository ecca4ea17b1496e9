//! The state of a return: a pure state machine. The query, the endpoint and the final result show this state.

use serde::{Deserialize, Serialize};

use super::messages::ReturnInput;
use crate::{
    activities::{inventory::StockLine, payment::Refunded, refusal::Refusal, shipping::Label},
    failure::{StateError, with_reason},
    saga::{CompensationRecords, RecordsCompensations, Saga},
};

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum ReturnStatus {
    Processing,
    /// The goods are back, and the money too.
    Completed,
    /// The goods are back. The provider refused the refund, which is tried again.
    RefundRefused,
    Cancelled,
    Failed,
    Compensating,
    CompensationFailed,
}

impl ReturnStatus {
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the serialized name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum ReturnStep {
    CreatingReturnLabel,
    /// From here on, the return can't be cancelled.
    Restocking,
    Refunding,
    Completed,
}

impl ReturnStep {
    /// Returns the serialized name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

/// The reason that a return failed, and the type of the workflow's failure.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum ReturnFailure {
    ReturnCancelled,
    AddressRejected,
    /// The provider does not take the goods back.
    RestockRefused,
    ProviderUnavailable,
    Internal,
}

impl ReturnFailure {
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the serialized name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    /// Returns true for a decision of the business, as opposed to an error of a system.
    #[must_use]
    pub const fn is_benign(self) -> bool {
        matches!(self, Self::ReturnCancelled | Self::AddressRejected | Self::RestockRefused)
    }
}

impl From<Refusal> for ReturnFailure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::AddressError => Self::AddressRejected,
            Refusal::NoAnswer => Self::ProviderUnavailable,
            _ => Self::Internal,
        }
    }
}

/// The first reason that a return failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    pub code: ReturnFailure,
    pub message: String,
}

impl Cause {
    #[must_use]
    pub fn new(code: ReturnFailure, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The state that the query and the endpoint show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReturnState {
    pub return_id: String,
    pub order_id: String,
    pub status: ReturnStatus,
    pub step: ReturnStep,
    pub lines: Vec<StockLine>,
    /// True if nothing of the order is left with the customer afterwards.
    pub is_whole: bool,
    /// The refund in minor units.
    pub amount: u64,
    pub currency: String,
    pub reason: Option<String>,
    pub label_id: Option<String>,
    pub tracking_number: Option<String>,
    pub refund_id: Option<String>,
    /// True after a cancellation in time.
    pub cancelled: bool,
    pub compensations: CompensationRecords,
    pub error: Option<StateError>,
    /// Grows by one with every change that a caller can see.
    pub version: u64,
}

/// A return. The restock is its pivot: before it, everything can be undone; after it, the refund follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Return {
    state: ReturnState,
    /// Set once: the reason that the return failed.
    cause: Option<Cause>,
}

impl Return {
    #[must_use]
    pub fn new(input: &ReturnInput) -> Self {
        Self {
            state: ReturnState {
                return_id: input.return_id.clone(),
                order_id: input.order_id.clone(),
                status: ReturnStatus::Processing,
                step: ReturnStep::CreatingReturnLabel,
                lines: input.lines.clone(),
                is_whole: input.is_whole,
                amount: input.amount,
                currency: input.currency.clone(),
                reason: input.reason.clone(),
                label_id: None,
                tracking_number: None,
                refund_id: None,
                cancelled: false,
                compensations: CompensationRecords::default(),
                error: None,
                version: 0,
            },
            cause: None,
        }
    }

    #[must_use]
    pub fn state(&self) -> &ReturnState {
        &self.state
    }

    fn state_mut(&mut self) -> &mut ReturnState {
        self.state.version += 1;
        &mut self.state
    }

    pub fn record_label(&mut self, label: Label) {
        let state = self.state_mut();
        state.label_id = Some(label.label_id);
        state.tracking_number = Some(label.tracking_number);
    }

    /// Cancels it. Returns false if it is too late: the goods are taken back already, or it has failed.
    pub fn cancel(&mut self, reason: Option<String>) -> bool {
        if self.state.step != ReturnStep::CreatingReturnLabel || self.cause.is_some() {
            return false;
        }
        let message = with_reason("the return was cancelled", reason);
        self.cause = Some(Cause::new(ReturnFailure::ReturnCancelled, message));
        self.state_mut().cancelled = true;
        true
    }

    /// Starts the restock, after which no cancellation counts. Returns false if it was cancelled before.
    pub fn start_restock(&mut self) -> bool {
        if self.cause.is_some() {
            return false;
        }
        self.state_mut().step = ReturnStep::Restocking;
        true
    }

    /// Starts the refund of goods that are back.
    pub fn start_refund(&mut self) {
        let state = self.state_mut();
        state.step = ReturnStep::Refunding;
        state.status = ReturnStatus::Processing;
    }

    #[must_use]
    pub fn is_restocked(&self) -> bool {
        matches!(self.state.step, ReturnStep::Refunding | ReturnStep::Completed)
    }

    /// Records a refund that the provider refused.
    pub fn refuse_refund(&mut self, error: StateError) {
        let state = self.state_mut();
        state.status = ReturnStatus::RefundRefused;
        state.error = Some(error);
    }

    pub fn complete(&mut self, refunded: Refunded) {
        let state = self.state_mut();
        state.refund_id = refunded.refund_id;
        state.step = ReturnStep::Completed;
        state.status = ReturnStatus::Completed;
        state.error = None;
    }

    /// Starts the compensation. The first cause stays.
    pub fn start_compensation(&mut self, cause: Cause) {
        let cause = self.cause.get_or_insert(cause).clone();
        let state = self.state_mut();
        state.error = Some(StateError::new(cause.code.name(), cause.message));
        state.status = ReturnStatus::Compensating;
    }

    /// Ends the return with its original cause. No compensation may be pending.
    pub fn finish(&mut self, saga: &Saga) -> Cause {
        debug_assert_eq!(saga.pending().count(), 0);
        let is_cancelled = self.state.cancelled;
        self.state_mut().status = if is_cancelled { ReturnStatus::Cancelled } else { ReturnStatus::Failed };
        self.cause
            .clone()
            .unwrap_or_else(|| Cause::new(ReturnFailure::Internal, "the return ended without a cause"))
    }
}

impl RecordsCompensations for Return {
    fn compensations_mut(&mut self) -> &mut CompensationRecords {
        &mut self.state_mut().compensations
    }

    fn enter_compensating(&mut self) {
        self.state_mut().status = ReturnStatus::Compensating;
    }

    fn enter_compensation_failed(&mut self) {
        self.state_mut().status = ReturnStatus::CompensationFailed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{activities::shipping::Address, policies::Timing};
    use proptest::prelude::*;

    fn new() -> Return {
        Return::new(&ReturnInput {
            return_id: "42-1".to_owned(),
            order_id: "42".to_owned(),
            order_first_run_id: "run".to_owned(),
            lines: vec![StockLine { sku: "book".to_owned(), quantity: 2 }],
            is_whole: true,
            amount: 5998,
            currency: "usd".to_owned(),
            address: Address {
                street: "1 Row".to_owned(),
                city: "London".to_owned(),
                state: None,
                zip: None,
                country: "GB".to_owned(),
            },
            reason: None,
            correlation_id: "c".to_owned(),
            timing: Timing::default(),
            resumed: None,
        })
    }

    fn refunded() -> Refunded {
        Refunded { refund_id: Some("re_1".to_owned()) }
    }

    #[test]
    fn a_return_that_comes_back_is_refunded() {
        let mut back = new();
        assert!(back.start_restock());
        back.start_refund();
        back.complete(refunded());
        let state = back.state();
        assert_eq!((state.status, state.step), (ReturnStatus::Completed, ReturnStep::Completed));
        assert_eq!(state.refund_id.as_deref(), Some("re_1"));
    }

    #[test]
    fn a_cancellation_counts_until_the_restock() {
        let mut early = new();
        assert!(early.cancel(Some("kept it".to_owned())));
        assert!(!early.start_restock());
        early.start_compensation(Cause::new(ReturnFailure::Internal, "x"));
        let cause = early.finish(&Saga::default());
        assert_eq!(
            (cause.code, early.state().status),
            (ReturnFailure::ReturnCancelled, ReturnStatus::Cancelled)
        );

        let mut late = new();
        assert!(late.start_restock());
        assert!(!late.cancel(None));
    }

    #[test]
    fn a_refused_refund_is_shown_and_can_still_succeed() {
        let mut back = new();
        assert!(back.start_restock());
        back.start_refund();
        back.refuse_refund(StateError::new("refund_exceeds_capture", "too much"));
        assert_eq!(back.state().status, ReturnStatus::RefundRefused);
        back.start_refund();
        back.complete(refunded());
        assert_eq!((back.state().status, &back.state().error), (ReturnStatus::Completed, &None));
    }

    #[test]
    fn each_name_matches_its_serialized_form() {
        for status in ReturnStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
        for code in ReturnFailure::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
    }

    proptest! {
        /// No sequence of events takes goods back and cancels the return.
        #[test]
        fn no_goods_come_back_in_a_cancelled_return(events in proptest::collection::vec(any::<bool>(), 0..10)) {
            let mut back = new();
            let (mut cancelled, mut restocked) = (false, false);
            for is_cancellation in events {
                if is_cancellation {
                    cancelled |= back.cancel(None);
                } else {
                    restocked |= back.start_restock();
                }
                prop_assert!(!(cancelled && restocked));
            }
        }
    }
}
