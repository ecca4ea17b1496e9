//! The scenarios of an order: the plan for the provider, a signal, and the expected end.

use serde_json::{Map, Value, json};

use super::order_client::State;

/// Every call of an order. A plan names all of them, so that the provider draws nothing.
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
/// Exceeds the number of attempts of any call of an order.
const ATTEMPTS: usize = 10;

const LABEL: &str = "shipping.create-label";
const AWAITING_APPROVAL: &str = "awaiting_approval";

#[derive(Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub requires_approval: bool,
    outcomes: Outcomes,
    /// The signal that the order gets.
    pub signal: Option<SignalStep>,
}

/// The source of the scenarios that an order meets at the provider.
#[derive(Debug)]
enum Outcomes {
    /// Every call succeeds, except for the given attempts. The order has one expected end.
    Planned {
        except: Option<(&'static str, &'static [&'static str])>,
        expected: ExpectedEnd,
    },
    Random,
}

/// A signal that is sent to an order when it reaches a step.
#[derive(Debug, Clone, Copy)]
pub struct SignalStep {
    pub at_step: &'static str,
    /// The last segment of the API's path.
    pub action: &'static str,
    pub reason: Option<&'static str>,
}

/// The expected final state of an order in the API.
#[derive(Debug, Clone, Copy)]
struct ExpectedEnd {
    status: &'static str,
    code: Option<&'static str>,
    /// The compensations in the order in which they run.
    undone: &'static [&'static str],
}

const SHIPPED: ExpectedEnd = ExpectedEnd { status: "shipped", code: None, undone: &[] };

/// The scenarios with one expected end.
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
            // Without an answer, the label can't be ready before the cancellation arrives.
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

/// The scenario of an order that ships without a fault.
pub static HAPPY_PATH: &Scenario = &NAMED_SCENARIOS[0];

/// The order of a subscription that ships when it is placed again.
pub static SECOND_TRY: Scenario = Scenario {
    name: "second-try",
    requires_approval: false,
    outcomes: Outcomes::Planned {
        except: Some(("payment.authorize", &["insufficient_funds", "success"])),
        expected: SHIPPED,
    },
    signal: None,
};

/// An order whose workflow somebody terminates while it waits for its approval.
pub static TERMINATED: Scenario = Scenario {
    name: "terminated",
    requires_approval: true,
    outcomes: Outcomes::Planned {
        except: None,
        expected: ExpectedEnd { status: "terminated", code: Some("TERMINATED"), undone: &[] },
    },
    signal: None,
};

/// A scenario that accepts any end, as long as the ledger agrees.
pub static RANDOM_SCENARIO: Scenario =
    Scenario { name: "chaos", requires_approval: false, outcomes: Outcomes::Random, signal: None };

impl Scenario {
    /// Returns the provider's plan for an order of this scenario. Without one, the provider draws.
    pub fn plan(&self) -> Option<Value> {
        let Outcomes::Planned { except, .. } = &self.outcomes else { return None };
        let mut plan: Map<_, _> = OPERATIONS
            .into_iter()
            .map(|operation| (operation.to_owned(), json!(vec!["success"; ATTEMPTS])))
            .collect();
        plan.extend(except.map(|(operation, attempts)| (operation.to_owned(), json!(attempts))));
        Some(Value::Object(plan))
    }

    /// Returns the difference between an order's end and the expected one.
    pub fn mismatch(&self, end: &State) -> Option<String> {
        let undone: Vec<_> = end.compensations().collect();
        match &self.outcomes {
            Outcomes::Planned { expected: ExpectedEnd { status, code, undone: expected }, .. } => {
                let is_expected =
                    (end.status.as_str(), end.code(), undone.as_slice()) == (*status, *code, expected);
                (!is_expected).then(|| {
                    format!(
                        "expected {status} ({}) with {expected:?} undone, but it ended {} with {undone:?}",
                        code.unwrap_or("no error"),
                        end.summary()
                    )
                })
            }
            // Chaos can cause every other end. These two are bugs of the workflow.
            Outcomes::Random => matches!(end.code(), Some("INTERNAL" | "LEDGER_MISMATCH"))
                .then(|| format!("it ended {}", end.summary())),
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
            "error": code.map(|code| json!({"code": code, "message": "a message"})),
            "compensations": undone.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
        });
        serde_json::from_value(state).unwrap()
    }

    fn named(name: &str) -> &'static Scenario {
        NAMED_SCENARIOS.iter().find(|scenario| scenario.name == name).unwrap()
    }

    #[test]
    fn a_plan_names_every_call() {
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
    fn an_expected_end_is_no_mismatch() {
        let rejected = end("rejected", Some("ORDER_REJECTED"), &["release_payment"]);
        assert_eq!(named("rejection").mismatch(&rejected), None);
        assert_eq!(named("happy-path").mismatch(&end("shipped", None, &[])), None);
    }

    #[test]
    fn another_status_error_or_compensation_is_a_mismatch() {
        for other in [
            end("failed", Some("ORDER_REJECTED"), &["release_payment"]),
            end("rejected", Some("APPROVAL_TIMEOUT"), &["release_payment"]),
            end("rejected", Some("ORDER_REJECTED"), &[]),
        ] {
            assert!(named("rejection").mismatch(&other).is_some(), "{other:?}");
        }
        let mismatch = named("happy-path").mismatch(&end("failed", Some("OUT_OF_STOCK"), &[])).unwrap();
        assert_eq!(
            mismatch,
            "expected shipped (no error) with [] undone, but it ended failed: OUT_OF_STOCK: a message with []"
        );
    }

    #[test]
    fn a_random_order_may_have_any_end_except_a_bug_of_the_workflow() {
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
