//! Notification: send a message.

mod application;
mod domain;
mod infrastructure;
mod presentation;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use self::{
    application::{CONTEXT, NotificationService},
    domain::Notification,
    infrastructure::{NotificationRecords, chaos},
    presentation::NotificationCode,
};
use crate::shared::{deps::Deps, presentation::with_scenario_examples, slice::Slice};

/// Registers notification in the application.
pub const SLICE: Slice = Slice {
    chaos: chaos::TABLES,
    install: |service, deps| service.codes(NotificationCode::ALL).routes(module(deps)),
};

/// Wires the context and returns its routes.
pub fn module(deps: &Deps) -> OpenApiRouter {
    let routes = presentation::routes(NotificationService::new(deps, Arc::new(NotificationRecords)), deps);
    with_scenario_examples::<Notification>(routes, CONTEXT, &deps.catalogue)
}
