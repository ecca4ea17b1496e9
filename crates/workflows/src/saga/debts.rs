//! Which undos a workflow owes, in which order, and what became of them. Pure.

use serde::{Deserialize, Serialize};

use crate::{activities::Found, ids::Call};

/// One compensation. Registered *before* its step runs, since a step whose answer is lost may still
/// have taken effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compensation {
    CancelShipping,
    RefundPayment,
    ReleaseInventory,
    ReleasePayment,
    /// Of a payment that was authorized and captured in one.
    RefundCharge,
}

impl Compensation {
    /// Those that an order can owe.
    pub const OF_AN_ORDER: [Self; 4] =
        [Self::CancelShipping, Self::RefundPayment, Self::ReleaseInventory, Self::ReleasePayment];
    /// The one that a payment can owe.
    pub const OF_A_PAYMENT: [Self; 1] = [Self::RefundCharge];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CancelShipping => "cancel_shipping",
            Self::RefundPayment => "refund_payment",
            Self::ReleaseInventory => "release_inventory",
            Self::ReleasePayment => "release_payment",
            Self::RefundCharge => "refund_charge",
        }
    }

    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let all = Self::OF_AN_ORDER.into_iter().chain(Self::OF_A_PAYMENT);
        all.into_iter().find(|compensation| compensation.name() == name)
    }

    /// The call that undoes.
    #[must_use]
    pub const fn call(self) -> Call {
        match self {
            Self::CancelShipping => Call::CancelShippingLabel,
            Self::RefundPayment | Self::RefundCharge => Call::RefundPayment,
            Self::ReleaseInventory => Call::ReleaseInventory,
            Self::ReleasePayment => Call::ReleasePayment,
        }
    }

    /// The call that is undone.
    #[must_use]
    pub const fn forward(self) -> Call {
        match self {
            Self::CancelShipping => Call::CreateShippingLabel,
            Self::RefundPayment => Call::CapturePayment,
            Self::ReleaseInventory => Call::ReserveInventory,
            Self::ReleasePayment => Call::AuthorizePayment,
            Self::RefundCharge => Call::ChargePayment,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    Owed,
    /// Its attempts were used up in this round.
    Failed {
        round: u32,
    },
    Undone,
    NothingToUndo,
    Resolved,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Debt {
    compensation: Compensation,
    standing: Standing,
}

/// The undos a workflow owes, oldest step first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saga {
    debts: Vec<Debt>,
}

impl Saga {
    /// Before a step runs.
    pub fn owe(&mut self, compensation: Compensation) {
        if self.debt(compensation).is_none() {
            self.debts.push(Debt { compensation, standing: Standing::Owed });
        }
    }

    /// A definitive refusal proved that the step had no effect.
    pub fn forgive(&mut self, compensation: Compensation) {
        self.debts.retain(|debt| debt.compensation != compensation);
    }

    /// The next undo to run in a round (counted from 1), newest step first; `None` ends the round.
    #[must_use]
    pub fn next(&self, round: u32) -> Option<Compensation> {
        self.debts
            .iter()
            .rev()
            .filter(|debt| match debt.standing {
                Standing::Owed => true,
                Standing::Failed { round: failed_in } => failed_in < round,
                Standing::Undone | Standing::NothingToUndo | Standing::Resolved => false,
            })
            .map(|debt| debt.compensation)
            .find(|compensation| self.may_run(*compensation))
    }

    /// The payment is undone as one ordered pair: what was captured can't be released, so the release
    /// comes only once the refund has found nothing to refund.
    fn may_run(&self, compensation: Compensation) -> bool {
        compensation != Compensation::ReleasePayment
            || self
                .debt(Compensation::RefundPayment)
                .is_none_or(|refund| refund.standing == Standing::NothingToUndo)
    }

    /// An undo succeeded. `false` where somebody resolved it meanwhile, which stands.
    pub fn undone(&mut self, compensation: Compensation, found: Found) -> bool {
        let standing = match found {
            Found::Undone => Standing::Undone,
            Found::NothingToUndo => Standing::NothingToUndo,
        };
        self.set(compensation, standing)
    }

    /// An undo used up its attempts. `false` where somebody resolved it meanwhile, which stands.
    pub fn failed(&mut self, compensation: Compensation, round: u32) -> bool {
        self.set(compensation, Standing::Failed { round })
    }

    /// Somebody undid it by hand. `false` where there is nothing of that name to resolve.
    pub fn resolve(&mut self, compensation: Compensation) -> bool {
        self.is_open(compensation) && self.set(compensation, Standing::Resolved)
    }

    /// What is still owed.
    pub fn open(&self) -> impl Iterator<Item = Compensation> {
        self.debts.iter().rev().filter(|debt| self.is_unsettled(debt)).map(|debt| debt.compensation)
    }

    /// Whether it is still owed.
    #[must_use]
    pub fn is_open(&self, compensation: Compensation) -> bool {
        self.open().any(|open| open == compensation)
    }

    fn is_unsettled(&self, debt: &Debt) -> bool {
        let unsettled = matches!(debt.standing, Standing::Owed | Standing::Failed { .. });
        let settled_by_refund = debt.compensation == Compensation::ReleasePayment
            && self
                .debt(Compensation::RefundPayment)
                .is_some_and(|refund| matches!(refund.standing, Standing::Undone | Standing::Resolved));
        unsettled && !settled_by_refund
    }

    fn debt(&self, compensation: Compensation) -> Option<&Debt> {
        self.debts.iter().find(|debt| debt.compensation == compensation)
    }

    fn set(&mut self, compensation: Compensation, standing: Standing) -> bool {
        let unresolved =
            |debt: &&mut Debt| debt.compensation == compensation && debt.standing != Standing::Resolved;
        self.debts.iter_mut().find(unresolved).map(|debt| debt.standing = standing).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Compensation::{CancelShipping, RefundPayment, ReleaseInventory, ReleasePayment};
    use proptest::prelude::*;

    fn owing(compensations: &[Compensation]) -> Saga {
        let mut saga = Saga::default();
        for compensation in compensations {
            saga.owe(*compensation);
        }
        saga
    }

    /// Runs one round, where each undo finds what `outcome` says; gives the undos in their order.
    fn round(
        saga: &mut Saga,
        round: u32,
        outcome: impl Fn(Compensation) -> Option<Found>,
    ) -> Vec<Compensation> {
        let mut ran = Vec::new();
        while let Some(compensation) = saga.next(round) {
            ran.push(compensation);
            match outcome(compensation) {
                Some(found) => assert!(saga.undone(compensation, found)),
                None => assert!(saga.failed(compensation, round)),
            }
        }
        ran
    }

    const WHOLE: [Compensation; 4] = [ReleasePayment, ReleaseInventory, RefundPayment, CancelShipping];

    #[test]
    fn undos_run_in_reverse_and_a_refunded_payment_is_not_released() {
        let mut saga = owing(&WHOLE);
        let ran = round(&mut saga, 1, |_| Some(Found::Undone));
        assert_eq!(ran, [CancelShipping, RefundPayment, ReleaseInventory]);
        assert_eq!(saga.open().count(), 0);
    }

    #[test]
    fn a_payment_with_nothing_to_refund_is_released() {
        let mut saga = owing(&WHOLE);
        let ran = round(&mut saga, 1, |compensation| {
            Some(if compensation == RefundPayment { Found::NothingToUndo } else { Found::Undone })
        });
        assert_eq!(ran, [CancelShipping, RefundPayment, ReleaseInventory, ReleasePayment]);
        assert_eq!(saga.open().count(), 0);
    }

    #[test]
    fn a_failed_undo_does_not_hold_up_the_others_but_its_dependent() {
        let mut saga = owing(&WHOLE);
        let ran =
            round(&mut saga, 1, |compensation| (compensation != RefundPayment).then_some(Found::Undone));
        assert_eq!(ran, [CancelShipping, RefundPayment, ReleaseInventory]);
        assert_eq!(saga.open().collect::<Vec<_>>(), [RefundPayment, ReleasePayment]);
        assert_eq!(round(&mut saga, 2, |_| Some(Found::NothingToUndo)), [RefundPayment, ReleasePayment]);
    }

    #[test]
    fn a_refund_done_by_hand_needs_no_release() {
        let mut saga = owing(&WHOLE);
        round(&mut saga, 1, |compensation| (compensation != RefundPayment).then_some(Found::Undone));
        assert!(saga.resolve(RefundPayment));
        assert!(!saga.resolve(RefundPayment), "it is settled already");
        assert_eq!(saga.open().count(), 0);
    }

    #[test]
    fn what_somebody_resolved_while_its_undo_ran_stays_resolved() {
        let mut saga = owing(&WHOLE);
        round(&mut saga, 1, |compensation| (compensation != RefundPayment).then_some(Found::Undone));
        assert_eq!(saga.next(2), Some(RefundPayment));
        assert!(saga.resolve(RefundPayment));
        assert!(!saga.failed(RefundPayment, 2));
        assert!(!saga.undone(RefundPayment, Found::NothingToUndo));
        assert_eq!((saga.next(3), saga.open().count()), (None, 0));
    }

    #[test]
    fn what_was_refused_for_good_is_not_owed() {
        let mut saga = owing(&[ReleasePayment, ReleaseInventory]);
        saga.forgive(ReleaseInventory);
        assert_eq!(round(&mut saga, 1, |_| Some(Found::Undone)), [ReleasePayment]);
    }

    proptest! {
        /// However undos fail and however often, a round ends, a release never runs before its refund
        /// found nothing, and once everything answers nothing stays open.
        #[test]
        fn every_history_of_failures_ends_with_nothing_owed(
            steps in 0_usize..=4,
            failing in proptest::collection::vec(proptest::collection::vec(any::<bool>(), 4), 0..6),
            captured in any::<bool>(),
        ) {
            let mut saga = owing(&WHOLE[..steps]);
            let index = |compensation| WHOLE.iter().position(|one| *one == compensation).unwrap();
            let answer = |compensation| if compensation == RefundPayment && !captured { Found::NothingToUndo } else { Found::Undone };
            let rounds = u32::try_from(failing.len()).unwrap();
            for (number, fails) in (1..).zip(&failing) {
                let ran = round(&mut saga, number, |compensation| (!fails[index(compensation)]).then(|| answer(compensation)));
                prop_assert!(ran.len() <= 4);
            }
            round(&mut saga, rounds + 1, |compensation| Some(answer(compensation)));
            prop_assert_eq!(saga.open().count(), 0);
        }
    }
}
