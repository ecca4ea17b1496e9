//! Compares what an order left in the provider's ledger with the end of its workflow. Pure.

use serde::{Deserialize, Serialize};

use crate::ids::Call;

/// The kind of an effect that nothing has undone.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Effect {
    // In the order in which a saga undoes them.
    Labelled,
    Captured,
    Reserved,
    Held,
}

impl Effect {
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    /// Returns the call that undoes it.
    #[must_use]
    pub const fn undo_call(self) -> Call {
        match self {
            Self::Labelled => Call::CancelShippingLabel,
            Self::Captured => Call::RefundPayment,
            Self::Reserved => Call::ReleaseInventory,
            Self::Held => Call::ReleasePayment,
        }
    }
}

/// An effect in the ledger that nothing has undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenEffect {
    pub effect: Effect,
    /// The provider's id of the payment, reservation or label.
    pub resource: String,
    /// The idempotency key of the call that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Minor units, for money only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

impl OpenEffect {
    /// Returns true if a run of this workflow caused it, but not the given one.
    fn is_of_an_earlier_run(&self, workflow_id: &str, first_run_id: &str) -> bool {
        let rest = self.key.as_deref().and_then(|key| key.strip_prefix(workflow_id)?.strip_prefix('/'));
        rest.is_some_and(|rest| rest.split('/').next() != Some(first_run_id))
    }
}

/// The state of an order's latest execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum End {
    Running,
    /// An order that shipped.
    Shipped,
    /// A payment that succeeded, with nothing to ship.
    Paid,
    /// Failed by itself, after its compensation.
    Failed,
    Terminated,
    TimedOut,
}

impl End {
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    /// Returns the outcome that the ledger should have.
    #[must_use]
    pub const fn outcome(self) -> Option<&'static str> {
        match self {
            Self::Running => None,
            Self::Shipped => Some("shipped"),
            Self::Paid => Some("paid"),
            Self::Failed | Self::Terminated | Self::TimedOut => Some("not_shipped"),
        }
    }
}

/// The latest execution of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    pub workflow_id: String,
    pub first_run_id: String,
    pub end: End,
}

/// A kind of difference between the ledger and the executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Difference {
    /// The order did not ship, and effects of it are open. Undo by key ends them.
    Orphan,
    /// Effects are open, and Temporal has no execution that could have caused them.
    UnknownOrder,
    /// The order shipped, or the payment succeeded, and the ledger doesn't show exactly that.
    NotAsItEnded,
    /// The ledger has an outcome that the execution contradicts.
    OtherOutcome,
}

impl Difference {
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

/// A difference of one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub difference: Difference,
    pub order_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    /// The effects that should not be open; of an order that shipped, all that are open.
    pub open: Vec<OpenEffect>,
}

/// Returns the difference between the open effects of an order and its execution, if there is one.
#[must_use]
pub fn compare(
    order_id: &str,
    open: &[OpenEffect],
    outcome: Option<&str>,
    execution: Option<&Execution>,
) -> Option<Finding> {
    let finding = |difference, open: Vec<OpenEffect>| {
        Some(Finding {
            difference,
            order_id: order_id.to_owned(),
            workflow_id: execution.map(|execution| execution.workflow_id.clone()),
            end: execution.map(|execution| execution.end),
            open,
        })
    };
    let Some(Execution { workflow_id, first_run_id, end }) = execution else {
        return (!open.is_empty()).then(|| finding(Difference::UnknownOrder, open.to_vec())).flatten();
    };
    // The present run may have changed its effects since they were read. Earlier runs have ended.
    let (earlier, present): (Vec<_>, Vec<_>) =
        open.iter().cloned().partition(|one| one.is_of_an_earlier_run(workflow_id, first_run_id));
    if !earlier.is_empty() {
        return finding(Difference::Orphan, earlier);
    }
    match end {
        // An observer knows of the shipping, and repairing it would undo the order.
        End::Failed | End::Terminated | End::TimedOut if matches!(outcome, Some("shipped" | "paid")) => {
            finding(Difference::OtherOutcome, present)
        }
        End::Failed | End::Terminated | End::TimedOut if !present.is_empty() => {
            finding(Difference::Orphan, present)
        }
        End::Shipped if !is_as_shipped(&present) => finding(Difference::NotAsItEnded, present),
        End::Paid if !has_exactly(&present, &[Effect::Captured]) => {
            finding(Difference::NotAsItEnded, present)
        }
        End::Running | End::Failed | End::Terminated | End::TimedOut | End::Shipped | End::Paid => None,
    }
}

fn is_as_shipped(open: &[OpenEffect]) -> bool {
    has_exactly(open, &[Effect::Labelled, Effect::Captured, Effect::Reserved])
}

/// Returns true if each of the effects is there once, and no other. The effects are sorted.
fn has_exactly(open: &[OpenEffect], effects: &[Effect]) -> bool {
    let mut found: Vec<_> = open.iter().map(|one| one.effect).collect();
    found.sort();
    found == effects
}

#[cfg(test)]
mod tests {
    use super::*;
    use Effect::{Captured, Held, Labelled, Reserved};

    fn open(effects: &[(Effect, &str)]) -> Vec<OpenEffect> {
        let one = |&(effect, run): &(Effect, &str)| OpenEffect {
            effect,
            resource: effect.name().to_owned(),
            key: (!run.is_empty()).then(|| format!("order-fulfillment-1/{run}/{}", effect.name())),
            amount: None,
            currency: None,
        };
        effects.iter().map(one).collect()
    }

    fn execution(end: End) -> Execution {
        Execution { workflow_id: "order-fulfillment-1".to_owned(), first_run_id: "run-2".to_owned(), end }
    }

    fn difference(
        end: End,
        effects: &[(Effect, &str)],
        outcome: Option<&str>,
    ) -> Option<(Difference, Vec<Effect>)> {
        let finding = compare("1", &open(effects), outcome, Some(&execution(end)))?;
        Some((finding.difference, finding.open.iter().map(|one| one.effect).collect()))
    }

    const SHIPPED: [(Effect, &str); 3] = [(Captured, "run-2"), (Reserved, "run-2"), (Labelled, "run-2")];

    #[test]
    fn a_running_order_may_have_any_effects_of_its_own() {
        assert_eq!(difference(End::Running, &[(Held, "run-2"), (Reserved, "run-2")], None), None);
        assert_eq!(difference(End::Running, &[], None), None);
    }

    #[test]
    fn an_order_that_did_not_ship_must_leave_nothing_open() {
        for end in [End::Failed, End::Terminated, End::TimedOut] {
            assert_eq!(difference(end, &[], Some("not_shipped")), None);
            let effects = [(Held, "run-2"), (Reserved, "run-2")];
            assert_eq!(difference(end, &effects, None), Some((Difference::Orphan, vec![Held, Reserved])));
        }
    }

    #[test]
    fn an_order_that_an_observer_saw_shipped_is_not_taken_for_an_orphan() {
        let found = difference(End::Terminated, &SHIPPED, Some("shipped"));
        assert_eq!(found, Some((Difference::OtherOutcome, vec![Captured, Reserved, Labelled])));
    }

    #[test]
    fn an_order_that_shipped_has_one_capture_one_reservation_and_one_label() {
        assert_eq!(difference(End::Shipped, &SHIPPED, Some("shipped")), None);
        let mut more = SHIPPED.to_vec();
        more.push((Captured, "run-2"));
        let fewer = &SHIPPED[..2];
        for effects in [&more, fewer, &[]] {
            let (found, _) = difference(End::Shipped, effects, None).unwrap();
            assert_eq!(found, Difference::NotAsItEnded, "{effects:?}");
        }
    }

    #[test]
    fn a_payment_that_succeeded_is_captured_and_nothing_else() {
        assert_eq!(difference(End::Paid, &[(Captured, "run-2")], Some("paid")), None);
        assert!(difference(End::Paid, &[], None).is_some());
        assert!(difference(End::Paid, &[(Captured, "run-2"), (Held, "run-2")], None).is_some());
    }

    #[test]
    fn effects_of_an_earlier_run_are_orphans_whatever_the_present_run_does() {
        for end in [End::Running, End::Shipped, End::Failed] {
            let mut effects = SHIPPED.to_vec();
            effects.push((Held, "run-1"));
            assert_eq!(difference(end, &effects, None), Some((Difference::Orphan, vec![Held])), "{end:?}");
        }
    }

    #[test]
    fn effects_without_an_execution_are_of_an_unknown_order() {
        assert_eq!(compare("1", &[], None, None), None);
        let found = compare("1", &open(&[(Held, "")]), None, None).unwrap();
        assert_eq!((found.difference, found.workflow_id, found.end), (Difference::UnknownOrder, None, None));
    }

    #[test]
    fn a_key_of_another_workflow_is_no_earlier_run() {
        let effects = [OpenEffect {
            key: Some("order-fulfillment-12/run-1/x".to_owned()),
            ..open(&[(Held, "")])[0].clone()
        }];
        assert_eq!(compare("1", &effects, None, Some(&execution(End::Running))), None);
    }
}
