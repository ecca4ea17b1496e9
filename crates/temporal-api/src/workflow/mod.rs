//! Serves any workflow by its id: the endpoints that orders, payments and user contexts share.

mod cancel;
mod dto;
mod handlers;
mod problems;

use std::sync::Arc;

pub use dto::StartedBody;
pub use problems::{WorkflowCode, changed_meanwhile, impersonal, invalid_query, problem, too_many_waiting};
use service_kit::auth::{
    only,
    roles::{OPERATORS, READERS},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    batch::Batches, gateway::HistoryGateway, order::Orders, order_return::Returns, payment::Payments,
    reconciliation::Reconciliations, subscription::Subscriptions, user_context::UserContexts,
};

/// Holds the dependencies of the handlers.
#[derive(Clone)]
pub struct Workflows {
    pub orders: Orders,
    pub payments: Payments,
    pub user_contexts: UserContexts,
    pub subscriptions: Subscriptions,
    pub reconciliations: Reconciliations,
    pub batches: Batches,
    pub returns: Returns,
    pub history: Arc<dyn HistoryGateway>,
}

/// Returns the routes under the general request timeout, and the routes that wait longer.
pub fn module(workflows: Workflows) -> (OpenApiRouter, OpenApiRouter) {
    let read = OpenApiRouter::new()
        .routes(routes!(handlers::workflow_status))
        .routes(routes!(handlers::workflow_progress))
        .routes(routes!(handlers::history))
        .routes(routes!(handlers::list_workflows))
        .with_state(workflows.clone());
    let operate = OpenApiRouter::new().routes(routes!(cancel::cancel_workflow)).with_state(workflows.clone());
    let long = OpenApiRouter::new().routes(routes!(handlers::workflow_result)).with_state(workflows);
    (only(READERS, read).merge(only(OPERATORS, operate)), only(READERS, long))
}
