//! Payments: authorize, capture, release (a void), refund, charge.

mod application;
mod domain;
mod infrastructure;
mod presentation;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use self::{
    application::{CONTEXT, PaymentService},
    domain::Payment,
    infrastructure::{PaymentRecords, chaos},
    presentation::PaymentCode,
};
use crate::shared::{deps::Deps, presentation::with_scenario_examples, slice::Slice};

/// Registers payments in the application.
pub const SLICE: Slice = Slice {
    chaos: chaos::TABLES,
    install: |service, deps| service.codes(PaymentCode::ALL).routes(module(deps)),
};

/// Wires the context and returns its routes.
pub fn module(deps: &Deps) -> OpenApiRouter {
    let routes = presentation::routes(PaymentService::new(deps, Arc::new(PaymentRecords)), deps);
    with_scenario_examples::<Payment>(routes, CONTEXT, &deps.catalogue)
}
