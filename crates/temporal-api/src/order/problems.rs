//! Defines the error codes of orders, and maps gateway errors to them.

use serde_json::Value;
use service_kit::{error_codes, problem::Problem};
use workflows::failure::StateError;

use crate::{
    gateway::{GatewayError, Outside, WorkflowId},
    workflow::impersonal,
};

error_codes! {
    /// Lists the codes of the order endpoints, beside the codes of every service.
    pub enum OrderCode {
        OrderNotFound = "order_not_found", 404, "There is no such order", final;
        OrderAlreadyExists = "order_already_exists", 409, "The order runs already or has shipped", final;
        OrderAlreadyClosed = "order_already_closed", 409, "The order has ended, or is being undone", final;
        OrderAlreadyCancelling = "order_already_cancelling", 409, "The order is being cancelled", final;
        OrderAlreadyShipped = "order_already_shipped", 409, "The order has its label and ships", final;
        AlreadyDecided = "already_decided", 409, "Somebody decided before", final;
        LabelRequested = "shipping_label_requested", 409, "The shipping label was asked for", final;
        ApprovalNotRequired = "approval_not_required", 409, "The order needs no approval", final;
        NothingToCompensate = "nothing_to_compensate", 409, "No undo of this order is waiting", final;
        SearchUnavailable = "search_unavailable", 503, "Lists cannot be filtered here", final;
    }
}

pub fn not_found(id: &str) -> Problem {
    Problem::new(OrderCode::OrderNotFound, format!("no order has the workflow id {id:?}"))
}

/// Returns the problem for a gateway error that concerns no single order.
pub fn list_problem(error: GatewayError) -> Problem {
    match error {
        GatewayError::NotSearchable => Problem::new(
            OrderCode::SearchUnavailable,
            "the namespace doesn't know the search attributes, so only the whole list can be had",
        ),
        other => impersonal(other),
    }
}

/// Returns the problem for a signal to an order that was ended from outside.
pub fn ended_from_outside(outside: Outside, error: Option<&StateError>) -> Problem {
    let why = error.map(|error| format!(": {}", error.message)).unwrap_or_default();
    Problem::new(OrderCode::OrderAlreadyClosed, format!("the order is {}{why}", outside.name()))
}

/// Returns the problem for an order's gateway error.
pub fn problem(id: &WorkflowId, error: GatewayError) -> Problem {
    match error {
        GatewayError::NotFound => not_found(id.as_str()),
        GatewayError::AlreadyExists { run_id } => {
            Problem::new(OrderCode::OrderAlreadyExists, "an order with this id runs already or has shipped")
                .with("workflowId", Value::from(id.as_str()))
                .with("runId", Value::from(run_id))
        }
        other => impersonal(other),
    }
}
