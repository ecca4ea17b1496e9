//! The error codes of orders, and which gateway error becomes which.

use std::time::Duration;

use serde_json::Value;
use service_kit::{error_codes, problem::Problem};

use crate::gateway::{GatewayError, WorkflowId};

error_codes! {
    /// What the order endpoints can answer beside the codes of every service.
    pub enum OrderCode {
        OrderNotFound = "order_not_found", 404, "There is no such order", final;
        OrderAlreadyExists = "order_already_exists", 409, "The order runs already or has shipped", final;
        WorkerUnavailable = "worker_unavailable", 503, "No worker answered", retryable;
        TemporalUnavailable = "temporal_unavailable", 503, "Temporal cannot be reached", retryable;
    }
}

pub fn not_found(id: &str) -> Problem {
    Problem::new(OrderCode::OrderNotFound, format!("no order has the workflow id {id:?}"))
}

/// The problem for an order's gateway error.
pub fn problem(id: &WorkflowId, error: GatewayError) -> Problem {
    match error {
        GatewayError::NotFound => not_found(id.as_str()),
        GatewayError::AlreadyExists { run_id } => {
            Problem::new(OrderCode::OrderAlreadyExists, "an order with this id runs already or has shipped")
                .with("workflowId", Value::from(id.as_str()))
                .with("runId", Value::from(run_id))
        }
        GatewayError::WorkerUnavailable => Problem::new(
            OrderCode::WorkerUnavailable,
            "no worker answered for the order; it goes on once one runs",
        )
        .retry_after(Duration::from_secs(1)),
        GatewayError::Unavailable(why) => {
            tracing::warn!(why, "Temporal is unavailable");
            Problem::new(OrderCode::TemporalUnavailable, "Temporal cannot be reached")
                .retry_after(Duration::from_secs(1))
        }
        GatewayError::Failed(_) => Problem::internal(&error),
    }
}
