//! Serves reconciliations: their schedule, their runs, and the last report.

mod dto;
mod handlers;
mod problems;

use std::sync::Arc;

pub use dto::ReportBody;
pub use problems::ReconciliationCode;
use service_kit::auth::{
    only,
    roles::{OPERATORS, READERS},
};
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::reconciliation::messages::ReconciliationInput;

use crate::gateway::{ReconciliationGateway, WorkflowId};

/// Holds the dependencies of the handlers.
#[derive(Clone)]
pub struct Reconciliations {
    pub gateway: Arc<dyn ReconciliationGateway>,
    /// The id of a run that a caller triggers.
    id: WorkflowId,
    /// The input of a scheduled run.
    input: ReconciliationInput,
}

impl Reconciliations {
    pub fn new(
        gateway: Arc<dyn ReconciliationGateway>,
        task_queue: &str,
        input: ReconciliationInput,
    ) -> Self {
        Self { gateway, id: WorkflowId::of_reconciliation(task_queue), input }
    }
}

pub fn module(reconciliations: Reconciliations) -> OpenApiRouter {
    let read = OpenApiRouter::new()
        .routes(routes!(handlers::show_reconciliation))
        .routes(routes!(handlers::reconciliation_report))
        .with_state(reconciliations.clone());
    let operate = OpenApiRouter::new()
        .routes(routes!(handlers::trigger_reconciliation))
        .routes(routes!(handlers::pause_reconciliation))
        .routes(routes!(handlers::resume_reconciliation))
        .with_state(reconciliations);
    only(READERS, read).merge(only(OPERATORS, operate))
}
