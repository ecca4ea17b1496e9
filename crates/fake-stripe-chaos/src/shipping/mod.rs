//! Shipping: make a label, which takes its time; follow it by its key; cancel it.

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
        chaos::{self, SlowPrinter},
    },
    presentation::ShippingCode,
};
use crate::shared::{deps::Deps, presentation::with_scenario_examples, slice::Slice};

/// How the application takes shipping in.
pub const SLICE: Slice = Slice {
    chaos: chaos::TABLES,
    install: |service, deps| service.codes(ShippingCode::ALL).routes(module(deps)),
};

/// The context, wired.
pub fn module(deps: &Deps) -> OpenApiRouter {
    let printer = Arc::new(SlowPrinter::new(deps.label_duration));
    let routes = presentation::routes(ShippingService::new(deps, Arc::new(LabelRecords), printer), deps);
    with_scenario_examples::<Label>(routes, CONTEXT, &deps.catalogue)
}
