//! The compensations of a workflow: their states, and the order in which they run. Pure.

use serde::{Deserialize, Serialize};

use crate::{activities::UndoResult, ids::Call};

/// The compensation of one step. It is registered *before* its step runs, because a step whose answer is lost
/// may have taken effect.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::EnumString, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Compensation {
    CancelShipping,
    RefundPayment,
    ReleaseInventory,
    ReleasePayment,
    /// Refunds a payment that one call authorized and captured.
    RefundCharge,
    CancelReturnLabel,
}

impl Compensation {
    /// The compensations of an order.
    pub const ORDER: [Self; 4] =
        [Self::CancelShipping, Self::RefundPayment, Self::ReleaseInventory, Self::ReleasePayment];
    /// The compensation of a payment.
    pub const PAYMENT: [Self; 1] = [Self::RefundCharge];
    /// The compensation of a return.
    pub const RETURN: [Self; 1] = [Self::CancelReturnLabel];

    /// Returns the name in states, signals and histories.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    /// Returns the forward call of the step, and the call that undoes it.
    const fn calls(self) -> (Call, Call) {
        match self {
            Self::CancelShipping => (Call::CreateShippingLabel, Call::CancelShippingLabel),
            Self::RefundPayment => (Call::CapturePayment, Call::RefundPayment),
            Self::ReleaseInventory => (Call::ReserveInventory, Call::ReleaseInventory),
            Self::ReleasePayment => (Call::AuthorizePayment, Call::ReleasePayment),
            Self::RefundCharge => (Call::ChargePayment, Call::RefundPayment),
            Self::CancelReturnLabel => (Call::CreateReturnLabel, Call::CancelReturnLabel),
        }
    }

    /// Returns the call of the step.
    #[must_use]
    pub const fn forward_call(self) -> Call {
        self.calls().0
    }

    /// Returns the call that undoes the step.
    #[must_use]
    pub const fn undo_call(self) -> Call {
        self.calls().1
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CompensationState {
    /// Registered, and not yet tried to its last attempt.
    #[serde(rename = "owed")]
    Pending,
    /// Its attempts were used up in this round.
    Failed {
        round: u32,
    },
    Undone,
    NothingToUndo,
    Resolved,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RegisteredCompensation {
    compensation: Compensation,
    #[serde(rename = "standing")]
    state: CompensationState,
}

/// The registered compensations of a workflow, oldest step first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saga {
    #[serde(rename = "debts")]
    compensations: Vec<RegisteredCompensation>,
}

impl Saga {
    /// Registers a compensation. The caller does so before the step runs.
    pub fn register(&mut self, compensation: Compensation) {
        if self.find(compensation).is_none() {
            let state = CompensationState::Pending;
            self.compensations.push(RegisteredCompensation { compensation, state });
        }
    }

    /// Removes a compensation whose step had no effect, as a definitive refusal proved.
    pub fn discard(&mut self, compensation: Compensation) {
        self.compensations.retain(|one| one.compensation != compensation);
    }

    /// Returns the next compensation of a round (counted from 1), newest step first. `None` ends the round.
    #[must_use]
    pub fn next_in_round(&self, round: u32) -> Option<Compensation> {
        self.compensations
            .iter()
            .rev()
            .filter(|one| match one.state {
                CompensationState::Pending => true,
                CompensationState::Failed { round: failed_in } => failed_in < round,
                CompensationState::Undone
                | CompensationState::NothingToUndo
                | CompensationState::Resolved => false,
            })
            .map(|one| one.compensation)
            .find(|compensation| self.may_run(*compensation))
    }

    /// Returns false for a void that must wait for its refund. A captured payment can't be voided, so the void
    /// runs only after the refund found nothing to undo.
    fn may_run(&self, compensation: Compensation) -> bool {
        compensation != Compensation::ReleasePayment
            || self
                .find(Compensation::RefundPayment)
                .is_none_or(|refund| refund.state == CompensationState::NothingToUndo)
    }

    /// Records a success. Returns false if the compensation was resolved meanwhile; it stays resolved.
    pub fn record_success(&mut self, compensation: Compensation, result: UndoResult) -> bool {
        let state = match result {
            UndoResult::Undone => CompensationState::Undone,
            UndoResult::NothingToUndo => CompensationState::NothingToUndo,
        };
        self.set_state(compensation, state)
    }

    /// Records that the attempts of a round are used up. Returns false if the compensation was resolved
    /// meanwhile; it stays resolved.
    pub fn record_failure(&mut self, compensation: Compensation, round: u32) -> bool {
        self.set_state(compensation, CompensationState::Failed { round })
    }

    /// Marks a compensation as done by hand. Returns false if it isn't pending.
    pub fn resolve(&mut self, compensation: Compensation) -> bool {
        self.is_pending(compensation) && self.set_state(compensation, CompensationState::Resolved)
    }

    /// Returns the pending compensations, newest step first.
    pub fn pending(&self) -> impl Iterator<Item = Compensation> {
        self.compensations.iter().rev().filter(|one| self.is_unsettled(one)).map(|one| one.compensation)
    }

    /// Returns true if the compensation is pending.
    #[must_use]
    pub fn is_pending(&self, compensation: Compensation) -> bool {
        self.pending().any(|pending| pending == compensation)
    }

    fn is_unsettled(&self, one: &RegisteredCompensation) -> bool {
        let unsettled = matches!(one.state, CompensationState::Pending | CompensationState::Failed { .. });
        let settled_by_refund = one.compensation == Compensation::ReleasePayment
            && self.find(Compensation::RefundPayment).is_some_and(|refund| {
                matches!(refund.state, CompensationState::Undone | CompensationState::Resolved)
            });
        unsettled && !settled_by_refund
    }

    fn find(&self, compensation: Compensation) -> Option<&RegisteredCompensation> {
        self.compensations.iter().find(|one| one.compensation == compensation)
    }

    fn set_state(&mut self, compensation: Compensation, state: CompensationState) -> bool {
        self.compensations
            .iter_mut()
            .find(|one| one.compensation == compensation && one.state != CompensationState::Resolved)
            .map(|one| one.state = state)
            .is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Compensation::{CancelShipping, RefundPayment, ReleaseInventory, ReleasePayment};
    use proptest::prelude::*;

    fn saga_with(compensations: &[Compensation]) -> Saga {
        let mut saga = Saga::default();
        for compensation in compensations {
            saga.register(*compensation);
        }
        saga
    }

    /// Runs one round in which `outcome` answers each undo. Returns the undos in their order.
    fn run_round(
        saga: &mut Saga,
        round: u32,
        outcome: impl Fn(Compensation) -> Option<UndoResult>,
    ) -> Vec<Compensation> {
        let mut ran = Vec::new();
        while let Some(compensation) = saga.next_in_round(round) {
            ran.push(compensation);
            match outcome(compensation) {
                Some(result) => assert!(saga.record_success(compensation, result)),
                None => assert!(saga.record_failure(compensation, round)),
            }
        }
        ran
    }

    const ALL_STEPS: [Compensation; 4] = [ReleasePayment, ReleaseInventory, RefundPayment, CancelShipping];

    #[test]
    fn compensations_run_in_reverse_and_a_refunded_payment_is_not_voided() {
        let mut saga = saga_with(&ALL_STEPS);
        let ran = run_round(&mut saga, 1, |_| Some(UndoResult::Undone));
        assert_eq!(ran, [CancelShipping, RefundPayment, ReleaseInventory]);
        assert_eq!(saga.pending().count(), 0);
    }

    #[test]
    fn a_payment_with_nothing_to_refund_is_voided() {
        let mut saga = saga_with(&ALL_STEPS);
        let ran = run_round(&mut saga, 1, |compensation| {
            Some(if compensation == RefundPayment { UndoResult::NothingToUndo } else { UndoResult::Undone })
        });
        assert_eq!(ran, [CancelShipping, RefundPayment, ReleaseInventory, ReleasePayment]);
        assert_eq!(saga.pending().count(), 0);
    }

    #[test]
    fn a_failed_compensation_delays_only_its_dependent() {
        let mut saga = saga_with(&ALL_STEPS);
        let ran = run_round(&mut saga, 1, |compensation| {
            (compensation != RefundPayment).then_some(UndoResult::Undone)
        });
        assert_eq!(ran, [CancelShipping, RefundPayment, ReleaseInventory]);
        assert_eq!(saga.pending().collect::<Vec<_>>(), [RefundPayment, ReleasePayment]);
        assert_eq!(
            run_round(&mut saga, 2, |_| Some(UndoResult::NothingToUndo)),
            [RefundPayment, ReleasePayment]
        );
    }

    #[test]
    fn a_refund_done_by_hand_needs_no_void() {
        let mut saga = saga_with(&ALL_STEPS);
        run_round(&mut saga, 1, |compensation| (compensation != RefundPayment).then_some(UndoResult::Undone));
        assert!(saga.resolve(RefundPayment));
        assert!(!saga.resolve(RefundPayment), "the refund is already resolved");
        assert_eq!(saga.pending().count(), 0);
    }

    #[test]
    fn a_compensation_resolved_while_it_runs_stays_resolved() {
        let mut saga = saga_with(&ALL_STEPS);
        run_round(&mut saga, 1, |compensation| (compensation != RefundPayment).then_some(UndoResult::Undone));
        assert_eq!(saga.next_in_round(2), Some(RefundPayment));
        assert!(saga.resolve(RefundPayment));
        assert!(!saga.record_failure(RefundPayment, 2));
        assert!(!saga.record_success(RefundPayment, UndoResult::NothingToUndo));
        assert_eq!((saga.next_in_round(3), saga.pending().count()), (None, 0));
    }

    #[test]
    fn a_definitive_refusal_discards_the_compensation() {
        let mut saga = saga_with(&[ReleasePayment, ReleaseInventory]);
        saga.discard(ReleaseInventory);
        assert_eq!(run_round(&mut saga, 1, |_| Some(UndoResult::Undone)), [ReleasePayment]);
    }

    proptest! {
        /// Each round ends, whichever undos fail. Once every call is answered, no compensation is pending.
        #[test]
        fn no_sequence_of_failures_leaves_a_compensation_pending(
            steps in 0_usize..=4,
            failing in proptest::collection::vec(proptest::collection::vec(any::<bool>(), 4), 0..6),
            captured in any::<bool>(),
        ) {
            let mut saga = saga_with(&ALL_STEPS[..steps]);
            let index = |compensation| ALL_STEPS.iter().position(|one| *one == compensation).unwrap();
            let answer = |compensation| if compensation == RefundPayment && !captured { UndoResult::NothingToUndo } else { UndoResult::Undone };
            let rounds = u32::try_from(failing.len()).unwrap();
            for (number, fails) in (1..).zip(&failing) {
                let ran = run_round(&mut saga, number, |compensation| (!fails[index(compensation)]).then(|| answer(compensation)));
                prop_assert!(ran.len() <= 4);
            }
            run_round(&mut saga, rounds + 1, |compensation| Some(answer(compensation)));
            prop_assert_eq!(saga.pending().count(), 0);
        }
    }
}
