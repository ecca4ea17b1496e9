//! Shipping: generate a label, which takes a while; show its progress by its key; cancel it.

mod application;
mod domain;
mod infrastructure;
mod presentation;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use self::{
    application::{CONTEXT, ShippingService},
    domain::Label,
    infrastructure::{
        LabelRecords,
        chaos::{self, FixedDurationPrinter},
    },
    presentation::ShippingCode,
};
use crate::shared::{deps::Deps, presentation::with_scenario_examples, slice::Slice};

/// Registers shipping in the application.
pub const SLICE: Slice = Slice {
    chaos: chaos::TABLES,
    install: |service, deps| service.codes(ShippingCode::ALL).routes(module(deps)),
};

/// Wires the context and returns its routes.
pub fn module(deps: &Deps) -> OpenApiRouter {
    let printer = Arc::new(FixedDurationPrinter::new(deps.label_duration));
    let routes = presentation::routes(ShippingService::new(deps, Arc::new(LabelRecords), printer), deps);
    with_scenario_examples::<Label>(routes, CONTEXT, &deps.catalogue)
}
