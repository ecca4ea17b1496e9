//! Defines the error codes of returns, and maps gateway errors and refusals to them.

use serde_json::Value;
use service_kit::{error_codes, problem::Problem};

use super::goods::NotReturnable;
use crate::{
    gateway::{GatewayError, WorkflowId},
    workflow::impersonal,
};

error_codes! {
    /// Lists the codes of the return endpoints, beside the codes of every service.
    pub enum ReturnCode {
        NotFound = "return_not_found", 404, "There is no such return", final;
        NotShipped = "order_not_shipped", 409, "The order did not ship, so nothing can come back", final;
        AlreadyReturned = "order_already_returned", 409, "Everything has come back", final;
        ExceedsOrder = "return_exceeds_order", 409, "More would come back than the customer has", final;
        AlreadyRunning = "return_already_running", 409, "A return of this order runs", retryable;
    }
}

pub fn not_found(id: &str) -> Problem {
    Problem::new(ReturnCode::NotFound, format!("no return has the id {id:?}"))
}

/// Returns the problem for an order that did not ship.
pub fn not_shipped(status: &str) -> Problem {
    Problem::new(ReturnCode::NotShipped, format!("the order is {status}"))
}

/// Returns the problem for a return beside another one.
pub fn already_running(id: &WorkflowId) -> Problem {
    Problem::new(ReturnCode::AlreadyRunning, "another return of this order runs; repeat the request after it")
        .with("workflowId", Value::from(id.as_str()))
}

/// Returns the problem for goods that can't come back.
pub fn not_returnable(reason: &NotReturnable) -> Problem {
    let code = match reason {
        NotReturnable::NothingLeft => ReturnCode::AlreadyReturned,
        NotReturnable::TooMuch(_) => ReturnCode::ExceedsOrder,
    };
    Problem::new(code, reason.to_string())
}

/// Returns the problem for a return's gateway error.
pub fn problem(id: &WorkflowId, error: GatewayError) -> Problem {
    match error {
        GatewayError::NotFound => not_found(id.name()),
        GatewayError::AlreadyExists { .. } => already_running(id),
        other => impersonal(other),
    }
}
