//! The scenarios of an order: what the provider is planned to do, what somebody says meanwhile, and how the
//! order has promised to end.

use serde_json::{Map, Value, json};

use super::order_client::State;

/// Every call that an order makes. A plan names all of them, so that nothing is left to a draw.
const OPERATIONS: [&str; 9] = [
    "payment.authorize",
    "payment.capture",
    "payment.release",
    "payment.refund",
    "inventory.reserve",
    "inventory.release",
    "shipping.create-label",
    "shipping.cancel",
    "notification.send",
];
/// More attempts than an order makes of any call.
const ATTEMPTS: usize = 10;

const LABEL: &str = "shipping.create-label";
const AWAITING_APPROVAL: &str = "awaiting_approval";

#[derive(Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub requires_approval: bool,
    outcomes: Outcomes,
    /// What somebody says to the order.
    pub signal: Option<SignalStep>,
}

/// What the provider does to an order, and so how it ends.
#[derive(Debug)]
enum Outcomes {
    /// Every call succeeds, except for the attempts given; the order ends as promised.
    Planned {
        except: Option<(&'static str, &'static [&'static str])>,
        expected: ExpectedEnd,
    },
    Random,
}

/// Something said to an order once it has come to a step.
#[derive(Debug, Clone, Copy)]
pub struct SignalStep {
    pub at_step: &'static str,
    /// The end of the API's path.
    pub action: &'static str,
    pub reason: Option<&'static str>,
}

/// An end in the API's words.
#[derive(Debug, Clone, Copy)]
struct ExpectedEnd {
    status: &'static str,
    code: Option<&'static str>,
    /// In the order of undoing.
    undone: &'static [&'static str],
}

const SHIPPED: ExpectedEnd = ExpectedEnd { status: "shipped", code: None, undone: &[] };

/// Every end that a person can bring about.
pub static NAMED_SCENARIOS: [Scenario; 6] = [
    Scenario {
        name: "happy-path",
        requires_approval: false,
        outcomes: Outcomes::Planned { except: None, expected: SHIPPED },
        signal: None,
    },
    Scenario {
        name: "approval",
        requires_approval: true,
        outcomes: Outcomes::Planned { except: None, expected: SHIPPED },
        signal: Some(SignalStep { at_step: AWAITING_APPROVAL, action: "approve", reason: None }),
    },
    Scenario {
        name: "rejection",
        requires_approval: true,
        outcomes: Outcomes::Planned {
            except: None,
            expected: ExpectedEnd {
                status: "rejected",
                code: Some("ORDER_REJECTED"),
                undone: &["release_payment"],
            },
        },
        signal: Some(SignalStep {
            at_step: AWAITING_APPROVAL,
            action: "reject",
            reason: Some("over budget"),
        }),
    },
    Scenario {
        name: "cancellation",
        requires_approval: false,
        outcomes: Outcomes::Planned {
            // Without an answer the label can't be there before the cancellation is.
            except: Some((LABEL, &["timeout"; 5])),
            expected: ExpectedEnd {
                status: "cancelled",
                code: Some("ORDER_CANCELLED"),
                undone: &["cancel_shipping", "refund_payment", "release_inventory"],
            },
        },
        signal: Some(SignalStep {
            at_step: "creating_shipping_label",
            action: "cancel",
            reason: Some("changed my mind"),
        }),
    },
    Scenario {
        name: "approval-timeout",
        requires_approval: true,
        outcomes: Outcomes::Planned {
            except: None,
            expected: ExpectedEnd {
                status: "rejected",
                code: Some("APPROVAL_TIMEOUT"),
                undone: &["release_payment"],
            },
        },
        signal: None,
    },
    Scenario {
        name: "saga-rollback",
        requires_approval: false,
        outcomes: Outcomes::Planned {
            except: Some((LABEL, &["address_error"])),
            expected: ExpectedEnd {
                status: "failed",
                code: Some("ADDRESS_REJECTED"),
                undone: &["refund_payment", "release_inventory"],
            },
        },
        signal: None,
    },
];

/// Any end is right, as long as the ledger agrees.
pub static RANDOM_SCENARIO: Scenario =
    Scenario { name: "chaos", requires_approval: false, outcomes: Outcomes::Random, signal: None };

impl Scenario {
    /// The provider's plan for an order of this scenario, operation by operation; none leaves it to draws.
    pub fn plan(&self) -> Option<Value> {
        let Outcomes::Planned { except, .. } = &self.outcomes else { return None };
        let mut plan: Map<_, _> = OPERATIONS
            .into_iter()
            .map(|operation| (operation.to_owned(), json!(vec!["success"; ATTEMPTS])))
            .collect();
        plan.extend(except.map(|(operation, attempts)| (operation.to_owned(), json!(attempts))));
        Some(Value::Object(plan))
    }

    /// What in an order's end isn't as this scenario promises.
    pub fn mismatch(&self, end: &State) -> Option<String> {
        let undone: Vec<_> = end.compensations().collect();
        match &self.outcomes {
            Outcomes::Planned { expected: ExpectedEnd { status, code, undone: promised }, .. } => {
                let kept = (end.status.as_str(), end.code(), undone.as_slice()) == (*status, *code, promised);
                (!kept).then(|| {
                    format!(
                        "should have ended {status} ({}) with {promised:?} undone, but ended {} with {undone:?}",
                        code.unwrap_or("no error"),
                        end.summary()
                    )
                })
            }
            // Everything else is what a provider may do to an order; these are faults of ours.
            Outcomes::Random => matches!(end.code(), Some("INTERNAL" | "LEDGER_MISMATCH"))
                .then(|| format!("ended {}", end.summary())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(status: &str, code: Option<&str>, undone: &[&str]) -> State {
        let state = json!({
            "success": status == "shipped",
            "status": status,
            "progress": 60,
            "currentStep": "completed",
            "error": code.map(|code| json!({"code": code, "message": "as said"})),
            "compensations": undone.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
        });
        serde_json::from_value(state).unwrap()
    }

    fn named(name: &str) -> &'static Scenario {
        NAMED_SCENARIOS.iter().find(|scenario| scenario.name == name).unwrap()
    }

    #[test]
    fn a_plan_leaves_nothing_to_a_draw() {
        for scenario in &NAMED_SCENARIOS {
            let plan = scenario.plan().unwrap();
            for operation in OPERATIONS {
                let attempts = plan[operation].as_array().unwrap();
                let all_succeed = attempts.len() == ATTEMPTS && attempts.iter().all(|one| one == "success");
                assert!(all_succeed || operation == LABEL, "{}: {operation}", scenario.name);
            }
        }
        assert_eq!(named("saga-rollback").plan().unwrap()[LABEL], json!(["address_error"]));
        assert_eq!(RANDOM_SCENARIO.plan(), None);
    }

    #[test]
    fn an_order_that_ends_as_promised_breaks_no_promise() {
        let rejected = end("rejected", Some("ORDER_REJECTED"), &["release_payment"]);
        assert_eq!(named("rejection").mismatch(&rejected), None);
        assert_eq!(named("happy-path").mismatch(&end("shipped", None, &[])), None);
    }

    #[test]
    fn another_status_another_error_or_another_undo_breaks_the_promise() {
        for other in [
            end("failed", Some("ORDER_REJECTED"), &["release_payment"]),
            end("rejected", Some("APPROVAL_TIMEOUT"), &["release_payment"]),
            end("rejected", Some("ORDER_REJECTED"), &[]),
        ] {
            assert!(named("rejection").mismatch(&other).is_some(), "{other:?}");
        }
        let broken = named("happy-path").mismatch(&end("failed", Some("OUT_OF_STOCK"), &[])).unwrap();
        assert_eq!(
            broken,
            "should have ended shipped (no error) with [] undone, but ended failed: OUT_OF_STOCK: as said with []"
        );
    }

    #[test]
    fn a_drawn_order_may_end_any_way_but_by_a_fault_of_ours() {
        for (status, code) in
            [("shipped", None), ("failed", Some("OUT_OF_STOCK")), ("failed", Some("PROVIDER_UNAVAILABLE"))]
        {
            assert_eq!(RANDOM_SCENARIO.mismatch(&end(status, code, &[])), None);
        }
        for code in ["INTERNAL", "LEDGER_MISMATCH"] {
            assert!(RANDOM_SCENARIO.mismatch(&end("failed", Some(code), &[])).is_some());
        }
    }
}
