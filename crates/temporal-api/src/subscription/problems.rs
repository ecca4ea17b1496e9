//! Defines the error codes of subscriptions, and maps gateway errors and refusals to them.

use serde_json::Value;
use service_kit::{error_codes, problem::Problem};
use workflows::subscription::state::Refused;

use crate::{
    gateway::{GatewayError, WorkflowId},
    workflow::impersonal,
};

error_codes! {
    /// Lists the codes of the subscription endpoints, beside the codes of every service.
    pub enum SubscriptionCode {
        NotFound = "subscription_not_found", 404, "There is no such subscription", final;
        AlreadyExists = "subscription_already_exists", 409, "A subscription has or had this id", final;
        AlreadyClosed = "subscription_already_closed", 409, "The subscription has ended", final;
        AlreadyCancelling = "subscription_already_cancelling", 409, "The subscription is being cancelled", final;
        AlreadyPaused = "subscription_already_paused", 409, "The subscription is paused", final;
        NotPaused = "subscription_not_paused", 409, "The subscription is not paused", final;
        PastDue = "subscription_past_due", 409, "An order of the subscription failed", final;
        AlreadySkipped = "next_order_already_skipped", 409, "The next order is skipped already", final;
        NoNextOrder = "no_next_order", 409, "There is no order after the present one", final;
    }
}

pub fn not_found(id: &str) -> Problem {
    Problem::new(SubscriptionCode::NotFound, format!("no subscription has the id {id:?}"))
}

pub fn closed(detail: &str) -> Problem {
    Problem::new(SubscriptionCode::AlreadyClosed, detail)
}

/// Returns the problem for a change that the subscription refused.
pub fn refused(reason: Refused) -> Problem {
    let code = match reason {
        Refused::Ended => SubscriptionCode::AlreadyClosed,
        Refused::Cancelling => SubscriptionCode::AlreadyCancelling,
        Refused::Paused => SubscriptionCode::AlreadyPaused,
        Refused::NotPaused => SubscriptionCode::NotPaused,
        Refused::PastDue => SubscriptionCode::PastDue,
        Refused::AlreadySkipped => SubscriptionCode::AlreadySkipped,
        Refused::NoNextOrder => SubscriptionCode::NoNextOrder,
    };
    Problem::new(code, reason.to_string())
}

/// Returns the problem for a subscription's gateway error.
pub fn problem(id: &WorkflowId, error: GatewayError) -> Problem {
    match error {
        GatewayError::NotFound => not_found(id.name()),
        GatewayError::AlreadyExists { run_id } => {
            Problem::new(SubscriptionCode::AlreadyExists, "a subscription has or had this id")
                .with("workflowId", Value::from(id.as_str()))
                .with("runId", Value::from(run_id))
        }
        other => impersonal(other),
    }
}
