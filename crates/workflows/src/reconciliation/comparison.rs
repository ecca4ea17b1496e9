//! Compares what an order left in the provider's ledger with the end of its workflow. Pure.

use serde::{Deserialize, Serialize};

use crate::ids::{self, Call};

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
    /// A label for the way back.
    ReturnLabelled,
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
            Self::ReturnLabelled => Call::CancelReturnLabel,
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
    /// Returns the workflow and the first run that caused it. `None` if the key has another form.
    #[must_use]
    pub fn cause(&self) -> Option<(&str, &str)> {
        ids::caller_of_key(self.key.as_deref()?)
    }
}

/// The state of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum End {
    Running,
    /// An order that shipped.
    Shipped,
    /// A payment that succeeded, with nothing to ship.
    Paid,
    /// A return whose goods and money are back.
    Returned,
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

    const fn is_unsuccessful(self) -> bool {
        matches!(self, Self::Failed | Self::Terminated | Self::TimedOut)
    }
}

/// An execution that may have caused effects of an order: from its first run, through resets and continuations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    pub workflow_id: String,
    pub first_run_id: String,
    pub end: End,
}

impl Execution {
    fn is_running_return(&self) -> bool {
        self.end == End::Running && ids::is_return(&self.workflow_id)
    }

    fn caused(&self, effect: &OpenEffect) -> bool {
        effect.cause() == Some((&self.workflow_id, &self.first_run_id))
    }
}

/// The outcome that an observer records for an order. A greater one replaces a lesser one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Outcome {
    NotShipped,
    Paid,
    Shipped,
    PartlyReturned,
    Returned,
}

impl Outcome {
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    /// Returns the outcome of an order with these executions and open effects. `None` while one runs, or if there is
    /// none.
    #[must_use]
    pub fn of(executions: &[Execution], open: &[OpenEffect]) -> Option<Self> {
        let has = |end| executions.iter().any(|one| one.end == end);
        if let Some(order) = executions.iter().find(|one| one.end == End::Shipped) {
            let keeps_money =
                open.iter().any(|effect| effect.effect == Effect::Captured && order.caused(effect));
            Some(match (has(End::Returned), keeps_money) {
                (false, _) => Self::Shipped,
                (true, true) => Self::PartlyReturned,
                (true, false) => Self::Returned,
            })
        } else if executions.is_empty() || has(End::Running) {
            None
        } else if has(End::Paid) {
            Some(Self::Paid)
        } else {
            Some(Self::NotShipped)
        }
    }
}

/// A kind of difference between the ledger and the executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Difference {
    /// An execution ended without success, and effects of it are open. Undo by key ends them.
    Orphan,
    /// Effects are open, and Temporal knows no execution that caused them.
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

/// Returns the differences between what an order has open, its recorded outcome, and its executions.
///
/// An effect belongs to the execution that its key names. So an order and a payment with the same id, and earlier
/// executions of an order that was placed again, are each judged by their own end.
#[must_use]
pub fn compare(
    order_id: &str,
    open: &[OpenEffect],
    outcome: Option<Outcome>,
    executions: &[Execution],
) -> Vec<Finding> {
    let finding = |difference, execution: Option<&Execution>, open| Finding {
        difference,
        order_id: order_id.to_owned(),
        workflow_id: execution.map(|execution| execution.workflow_id.clone()),
        end: execution.map(|execution| execution.end),
        open,
    };
    let effects_of = |execution: &Execution| -> Vec<_> {
        open.iter().filter(|effect| execution.caused(effect)).cloned().collect()
    };
    let of_unknown: Vec<_> =
        open.iter().filter(|effect| !executions.iter().any(|one| one.caused(effect))).cloned().collect();
    // Temporal deletes old executions. The outcome that was recorded before then explains their effects.
    let is_forgotten_success = match outcome {
        Some(Outcome::Shipped) => is_as_shipped(&of_unknown),
        Some(Outcome::PartlyReturned) => is_as_returned(&of_unknown, &SHIPPED),
        Some(Outcome::Returned) => is_as_returned(&of_unknown, &[Effect::Labelled]),
        Some(Outcome::Paid) => has_exactly(&of_unknown, &[Effect::Captured]),
        Some(Outcome::NotShipped) | None => false,
    };
    let is_success = |outcome: Option<Outcome>| outcome > Some(Outcome::NotShipped);
    let actual = Outcome::of(executions, open);
    let succeeded = is_forgotten_success || is_success(actual);
    let claims_success = is_success(outcome);
    let is_returning = executions.iter().any(Execution::is_running_return);
    let mut findings = Vec::new();
    if !of_unknown.is_empty() && !is_forgotten_success {
        findings.push(finding(Difference::UnknownOrder, None, of_unknown));
    }
    for (index, execution) in executions.iter().enumerate() {
        let effects = effects_of(execution);
        let difference = match execution.end {
            // An observer knows of a success that no execution shows. A repair could undo it.
            end if end.is_unsuccessful() && claims_success && !succeeded => {
                (index == 0 || !effects.is_empty()).then_some(Difference::OtherOutcome)
            }
            end if end.is_unsuccessful() => (!effects.is_empty()).then_some(Difference::Orphan),
            // A return takes its effects away, one after another.
            End::Shipped if is_returning => None,
            End::Shipped => {
                let expected: &[_] =
                    if actual == Some(Outcome::Returned) { &[Effect::Labelled] } else { &SHIPPED };
                (!has_exactly(&effects, expected)).then_some(Difference::NotAsItEnded)
            }
            End::Returned => {
                (!has_exactly(&effects, &[Effect::ReturnLabelled])).then_some(Difference::NotAsItEnded)
            }
            End::Paid => (!has_exactly(&effects, &[Effect::Captured])).then_some(Difference::NotAsItEnded),
            _ => None,
        };
        findings.extend(difference.map(|difference| finding(difference, Some(execution), effects)));
    }
    findings
}

const SHIPPED: [Effect; 3] = [Effect::Labelled, Effect::Captured, Effect::Reserved];

fn is_as_shipped(open: &[OpenEffect]) -> bool {
    has_exactly(open, &SHIPPED)
}

/// Returns true if there is a label for the way back, and otherwise exactly these effects.
fn is_as_returned(open: &[OpenEffect], rest: &[Effect]) -> bool {
    let (back, others): (Vec<_>, Vec<_>) =
        open.iter().cloned().partition(|one| one.effect == Effect::ReturnLabelled);
    !back.is_empty() && has_exactly(&others, rest)
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

    const ORDER: &str = "order-fulfillment-1";
    const PAYMENT: &str = "payment-1";
    const AS_SHIPPED: [Effect; 3] = [Captured, Reserved, Labelled];

    /// Returns effects that a run of a workflow caused.
    fn open(workflow: &str, run: &str, effects: &[Effect]) -> Vec<OpenEffect> {
        let one = |effect: &Effect| OpenEffect {
            effect: *effect,
            resource: effect.name().to_owned(),
            key: Some(format!("{workflow}/{run}/{}", effect.name())),
            amount: None,
            currency: None,
        };
        effects.iter().map(one).collect()
    }

    fn execution(workflow: &str, run: &str, end: End) -> Execution {
        Execution { workflow_id: workflow.to_owned(), first_run_id: run.to_owned(), end }
    }

    fn differences(
        open: &[OpenEffect],
        outcome: Option<Outcome>,
        executions: &[Execution],
    ) -> Vec<(Difference, Vec<Effect>)> {
        let findings = compare("1", open, outcome, executions).into_iter();
        findings.map(|one| (one.difference, one.open.iter().map(|effect| effect.effect).collect())).collect()
    }

    /// Returns the differences of an order with one execution, which caused all effects.
    fn of_one(end: End, effects: &[Effect], outcome: Option<Outcome>) -> Vec<(Difference, Vec<Effect>)> {
        differences(&open(ORDER, "run", effects), outcome, &[execution(ORDER, "run", end)])
    }

    #[test]
    fn a_running_order_may_have_any_effects_of_its_own() {
        assert_eq!(of_one(End::Running, &[Held, Reserved], None), []);
        assert_eq!(of_one(End::Running, &[], None), []);
    }

    #[test]
    fn an_order_that_did_not_ship_must_leave_nothing_open() {
        for end in [End::Failed, End::Terminated, End::TimedOut] {
            assert_eq!(of_one(end, &[], Some(Outcome::NotShipped)), []);
            assert_eq!(of_one(end, &[Held, Reserved], None), [(Difference::Orphan, vec![Held, Reserved])]);
        }
    }

    #[test]
    fn an_order_that_an_observer_saw_shipped_is_not_taken_for_an_orphan() {
        let found = of_one(End::Terminated, &AS_SHIPPED, Some(Outcome::Shipped));
        assert_eq!(found, [(Difference::OtherOutcome, AS_SHIPPED.to_vec())]);
        assert_eq!(of_one(End::Failed, &[], Some(Outcome::Paid)), [(Difference::OtherOutcome, vec![])]);
    }

    #[test]
    fn an_order_that_shipped_has_one_capture_one_reservation_and_one_label() {
        assert_eq!(of_one(End::Shipped, &AS_SHIPPED, Some(Outcome::Shipped)), []);
        let twice = [Captured, Captured, Reserved, Labelled];
        for effects in [twice.as_slice(), &AS_SHIPPED[..2], &[]] {
            assert_eq!(of_one(End::Shipped, effects, None), [(Difference::NotAsItEnded, effects.to_vec())]);
        }
    }

    #[test]
    fn a_payment_that_succeeded_is_captured_and_nothing_else() {
        assert_eq!(of_one(End::Paid, &[Captured], Some(Outcome::Paid)), []);
        for effects in [[].as_slice(), &[Captured, Held]] {
            assert_eq!(of_one(End::Paid, effects, None), [(Difference::NotAsItEnded, effects.to_vec())]);
        }
    }

    #[test]
    fn what_a_failed_run_left_is_an_orphan_whatever_another_run_does() {
        for (end, outcome) in [
            (End::Running, None),
            (End::Shipped, Some(Outcome::Shipped)),
            (End::Failed, Some(Outcome::NotShipped)),
        ] {
            let mut effects = open(ORDER, "run-1", &[Held]);
            if end == End::Shipped {
                effects.extend(open(ORDER, "run-2", &AS_SHIPPED));
            }
            let executions = [execution(ORDER, "run-2", end), execution(ORDER, "run-1", End::Terminated)];
            let found = differences(&effects, outcome, &executions);
            assert_eq!(found, [(Difference::Orphan, vec![Held])], "{end:?}");
        }
    }

    #[test]
    fn a_run_that_shipped_is_no_orphan_of_a_later_run_that_failed() {
        let effects = open(ORDER, "run-1", &AS_SHIPPED);
        let executions = [execution(ORDER, "run-2", End::Failed), execution(ORDER, "run-1", End::Shipped)];
        for outcome in [None, Some(Outcome::Shipped)] {
            assert_eq!(differences(&effects, outcome, &executions), [], "{outcome:?}");
        }
    }

    #[test]
    fn a_run_that_temporal_forgot_is_only_reported() {
        let effects = open(ORDER, "run-1", &AS_SHIPPED);
        let later = [execution(ORDER, "run-2", End::Failed)];
        for (outcome, executions) in
            [(None, later.as_slice()), (Some(Outcome::NotShipped), &later), (None, &[])]
        {
            let found = differences(&effects, outcome, executions);
            assert_eq!(found, [(Difference::UnknownOrder, AS_SHIPPED.to_vec())], "{outcome:?}");
        }
    }

    #[test]
    fn a_recorded_success_explains_the_effects_of_a_forgotten_run() {
        let shipped = open(ORDER, "run-1", &AS_SHIPPED);
        let paid = open(PAYMENT, "run-1", &[Captured]);
        let later = [execution(ORDER, "run-2", End::Failed)];
        for executions in [later.as_slice(), &[]] {
            assert_eq!(differences(&shipped, Some(Outcome::Shipped), executions), []);
            assert_eq!(differences(&paid, Some(Outcome::Paid), executions), []);
        }
        let found = differences(&paid, Some(Outcome::Shipped), &[]);
        assert_eq!(found, [(Difference::UnknownOrder, vec![Captured])], "a shipped order has more");
    }

    #[test]
    fn a_payment_keeps_its_money_beside_a_failed_order_with_its_id() {
        let executions = [execution(ORDER, "run-1", End::Failed), execution(PAYMENT, "run-2", End::Paid)];
        assert_eq!(differences(&open(PAYMENT, "run-2", &[Captured]), None, &executions), []);
        let mut both = open(PAYMENT, "run-2", &[Captured]);
        both.extend(open(ORDER, "run-1", &[Reserved]));
        assert_eq!(differences(&both, None, &executions), [(Difference::Orphan, vec![Reserved])]);
    }

    #[test]
    fn an_effect_of_a_foreign_key_belongs_to_no_execution() {
        let failed = [execution(ORDER, "run", End::Failed)];
        let mut effects = open("order-fulfillment-12", "run", &[Held]);
        effects.extend([OpenEffect { key: Some("shop-7".to_owned()), ..effects[0].clone() }]);
        effects.extend([OpenEffect { key: None, ..effects[0].clone() }]);
        let found = differences(&effects, None, &failed);
        assert_eq!(found, [(Difference::UnknownOrder, vec![Held, Held, Held])]);
    }

    /// Returns the differences of an order that shipped, with one return.
    fn of_return(order: &[Effect], end: End, back: &[Effect]) -> Vec<(Difference, Vec<Effect>)> {
        let mut effects = open(ORDER, "run", order);
        effects.extend(open("return-1-1", "run", back));
        let executions = [execution(ORDER, "run", End::Shipped), execution("return-1-1", "run", end)];
        differences(&effects, None, &executions)
    }

    #[test]
    fn an_order_that_came_back_keeps_its_labels_or_in_part_all_its_effects() {
        let label = [Effect::ReturnLabelled];
        assert_eq!(of_return(&[Labelled], End::Returned, &label), []);
        assert_eq!(of_return(&AS_SHIPPED, End::Returned, &label), []);
        let without_stock = [Captured, Labelled];
        let found = of_return(&without_stock, End::Returned, &label);
        assert_eq!(found, [(Difference::NotAsItEnded, without_stock.to_vec())]);
        assert_eq!(of_return(&[Labelled], End::Returned, &[]), [(Difference::NotAsItEnded, vec![])]);
    }

    #[test]
    fn an_order_that_is_coming_back_has_no_difference() {
        for order in [AS_SHIPPED.as_slice(), &[Captured, Labelled], &[Labelled]] {
            assert_eq!(of_return(order, End::Running, &[Effect::ReturnLabelled]), []);
        }
    }

    #[test]
    fn the_label_of_a_return_that_was_terminated_is_an_orphan() {
        let found = of_return(&AS_SHIPPED, End::Terminated, &[Effect::ReturnLabelled]);
        assert_eq!(found, [(Difference::Orphan, vec![Effect::ReturnLabelled])]);
        let mut after_restock = of_return(&[Captured, Labelled], End::Terminated, &[Effect::ReturnLabelled]);
        assert_eq!(after_restock.remove(0).0, Difference::NotAsItEnded, "the refund is missing");
    }

    #[test]
    fn a_return_decides_the_outcome_by_what_is_left() {
        let executions =
            [execution(ORDER, "run", End::Shipped), execution("return-1-1", "run", End::Returned)];
        let outcome = |order: &[Effect]| Outcome::of(&executions, &open(ORDER, "run", order));
        assert_eq!(outcome(&AS_SHIPPED), Some(Outcome::PartlyReturned));
        assert_eq!(outcome(&[Labelled]), Some(Outcome::Returned));
    }

    #[test]
    fn an_order_ships_if_one_of_its_executions_did() {
        let outcome = |ends: &[End]| {
            let executions: Vec<_> = ends.iter().map(|end| execution(ORDER, "run", *end)).collect();
            Outcome::of(&executions, &[])
        };
        assert_eq!(outcome(&[]), None);
        assert_eq!(outcome(&[End::Failed, End::Running]), None);
        assert_eq!(outcome(&[End::Failed, End::Shipped]), Some(Outcome::Shipped));
        assert_eq!(outcome(&[End::Failed, End::Paid]), Some(Outcome::Paid));
        assert_eq!(outcome(&[End::Failed, End::Terminated]), Some(Outcome::NotShipped));
    }
}
