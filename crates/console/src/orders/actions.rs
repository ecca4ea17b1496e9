//! The actions of a person on an order.

use axum::http::Method;
use serde::Serialize;
use serde_json::Value;
use service_kit::auth::{
    Role,
    roles::{MANAGERS, OPERATORS, OPERATORS_AND_CUSTOMERS},
};

use crate::{
    Site,
    failure::Failure,
    form::{Field, Group, Kind, Values, body},
    pages::path_segment,
    upstream::text,
    visitor::Visitor,
};

/// One action. Its name is the last part of its path in the API.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Action {
    pub name: &'static str,
    pub title: &'static str,
    /// Says what will happen.
    pub effect: &'static str,
    /// Says what was done.
    pub done: &'static str,
    pub groups: &'static [Group],
    pub is_dangerous: bool,
    #[serde(skip)]
    roles: &'static [Role],
    #[serde(skip)]
    offered: fn(&Value) -> bool,
}

const NO_FIELDS: &[Group] = &[];
const REASON: &[Group] = &[Group {
    legend: "",
    fields: &[Field::new("/reason", "Reason", Kind::Text, "Up to 200 characters; optional.")],
}];

pub const ALL: &[Action] = &[
    Action {
        name: "approve",
        title: "Approve",
        effect: "The order continues: its payment is authorized, its goods are reserved, and it ships.",
        done: "The order is approved.",
        groups: NO_FIELDS,
        is_dangerous: false,
        roles: MANAGERS,
        offered: waits_for_approval,
    },
    Action {
        name: "reject",
        title: "Reject",
        effect: "The order ends without a payment. Nothing is reserved or sent.",
        done: "The order is rejected.",
        groups: REASON,
        is_dangerous: true,
        roles: MANAGERS,
        offered: waits_for_approval,
    },
    Action {
        name: "cancel",
        title: "Cancel",
        effect: "The order stops. Each step that ran is undone: label, capture, stock and hold. It can't be resumed.",
        done: "The order is being cancelled.",
        groups: REASON,
        is_dangerous: true,
        roles: OPERATORS_AND_CUSTOMERS,
        offered: |state| {
            is_open(state) && !has(state, "labelId") && !has(state, "error") && !is_true(state, "cancelled")
        },
    },
    Action {
        name: "retry-compensation",
        title: "Retry the compensations",
        effect: "Each compensation that waits or failed is tried again now, in the same order and with the same keys.",
        done: "The compensations are tried again.",
        groups: NO_FIELDS,
        is_dangerous: false,
        roles: OPERATORS,
        offered: |state| {
            text(state, "status") == "compensation_failed" || has_compensation(state, &["waiting"])
        },
    },
    Action {
        name: "resolve-compensation",
        title: "Resolve a compensation by hand",
        effect: "The order takes the step as undone and calls the provider no more for it. Undo it there first.",
        done: "The compensation is resolved.",
        groups: &[Group {
            legend: "",
            fields: &[
                Field::new(
                    "/step",
                    "Compensation",
                    Kind::Choice(&[
                        "cancel_shipping",
                        "refund_payment",
                        "release_inventory",
                        "release_payment",
                    ]),
                    "The one that you did by hand.",
                ),
                Field::new("/note", "Note", Kind::Text, "How you undid it; stays in the order's history."),
                Field::new(
                    "/actor",
                    "Your name",
                    Kind::Text,
                    "Stays in the order's history. Leave it empty if you are signed in.",
                ),
            ],
        }],
        is_dangerous: true,
        roles: OPERATORS,
        offered: |state| is_open(state) && has_compensation(state, &["waiting", "failed"]),
    },
    Action {
        name: "return",
        title: "Take it back",
        effect: "A return of the whole order begins: a label for the way back, the restock, then the refund.",
        done: "The return has begun.",
        groups: &[Group {
            legend: "",
            fields: &[Field::new("/reason", "Reason", Kind::Text, "Why the customer returns it.")],
        }],
        is_dangerous: false,
        roles: OPERATORS,
        offered: |state| text(state, "status") == "shipped",
    },
];

impl Action {
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|action| action.name == name)
    }

    pub fn named(name: &str) -> Result<&'static Self, Failure> {
        Self::find(name).ok_or_else(|| Failure::not_found(format!("An order knows no action {name}.")))
    }

    /// Returns true if the state permits it, and the visitor may do it.
    pub fn is_offered(&self, state: &Value, visitor: &Visitor) -> bool {
        (self.offered)(state) && visitor.has_any(self.roles)
    }

    pub async fn send(
        &self,
        site: &Site,
        visitor: &Visitor,
        id: &str,
        values: &Values,
    ) -> Result<Value, Failure> {
        let path = format!("/api/v1/order/{}/{}", path_segment(id), self.name);
        let body = body(self.groups, values);
        let body = (!self.groups.is_empty()).then_some(&body);
        site.api.call(visitor, Method::POST, &path, body).await
    }
}

/// Returns the values that a form begins with: the compensation that is open.
pub fn defaults(state: &Value) -> Values {
    let open = compensations(state).find(|one| ["waiting", "failed"].contains(&text(one, "status")));
    open.map(|one| ("/step".to_owned(), text(one, "name").to_owned())).into_iter().collect()
}

fn has(state: &Value, name: &str) -> bool {
    state.get(name).is_some_and(|value| !value.is_null())
}

fn is_true(state: &Value, name: &str) -> bool {
    state.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn is_open(state: &Value) -> bool {
    !super::FINAL.contains(&text(state, "status"))
}

fn waits_for_approval(state: &Value) -> bool {
    let is_undecided = is_true(state, "requiresApproval") && !has(state, "decision");
    is_open(state) && is_undecided && !is_true(state, "cancelled") && !has(state, "error")
}

fn compensations(state: &Value) -> impl Iterator<Item = &Value> {
    state.get("compensations").and_then(Value::as_array).into_iter().flatten()
}

fn has_compensation(state: &Value, statuses: &[&str]) -> bool {
    compensations(state).any(|one| statuses.contains(&text(one, "status")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn offered(state: &Value) -> Vec<&'static str> {
        ALL.iter().filter(|action| (action.offered)(state)).map(|action| action.name).collect()
    }

    #[test]
    fn an_order_offers_what_its_state_permits() {
        let waiting = json!({"status": "pending_approval", "requiresApproval": true});
        assert_eq!(offered(&waiting), ["approve", "reject", "cancel"]);
        assert_eq!(offered(&json!({"status": "processing"})), ["cancel"]);
        assert!(offered(&json!({"status": "processing", "labelId": "l"})).is_empty());
        assert!(offered(&json!({"status": "processing", "cancelled": true})).is_empty());
        assert_eq!(offered(&json!({"status": "shipped", "labelId": "l"})), ["return"]);
        assert!(offered(&json!({"status": "failed", "error": {"code": "X"}})).is_empty());
        let stuck = json!({"status": "compensation_failed", "error": {"code": "X"},
            "compensations": [{"name": "refund_payment", "status": "failed"}]});
        assert_eq!(offered(&stuck), ["retry-compensation", "resolve-compensation"]);
    }

    #[test]
    fn a_form_begins_with_the_compensation_that_is_open() {
        let state = json!({"compensations": [
            {"name": "release_inventory", "status": "completed"},
            {"name": "refund_payment", "status": "failed"},
        ]});
        assert_eq!(defaults(&state).get("/step").map(String::as_str), Some("refund_payment"));
    }
}
