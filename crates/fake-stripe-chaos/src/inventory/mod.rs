//! Inventory: reserve stock for a limited time, release it.

mod application;
mod domain;
mod infrastructure;
mod presentation;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use self::{
    application::{CONTEXT, InventoryService},
    domain::Reservation,
    infrastructure::{ReservationRecords, chaos},
    presentation::InventoryCode,
};
use crate::shared::{deps::Deps, presentation::with_scenario_examples, slice::Slice};

/// Registers inventory in the application.
pub const SLICE: Slice = Slice {
    chaos: chaos::TABLES,
    install: |service, deps| service.codes(InventoryCode::ALL).routes(module(deps)),
};

/// Wires the context and returns its routes.
pub fn module(deps: &Deps) -> OpenApiRouter {
    let routes = presentation::routes(InventoryService::new(deps, Arc::new(ReservationRecords)), deps);
    with_scenario_examples::<Reservation>(routes, CONTEXT, &deps.catalogue)
}
