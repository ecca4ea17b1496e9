//! Control: what chaos is told while the service runs (plans of orders, profiles), and what it did (audit).
//!
//! It has no `domain` and no `infrastructure` of its own: what a plan is belongs to the shared chaos.

mod application;
mod presentation;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use self::application::ControlService;
use crate::shared::{deps::Deps, slice::Slice};

/// How the application takes control in.
pub const SLICE: Slice = Slice { chaos: &[], install: |service, deps| service.routes(module(deps)) };

/// The slice, wired.
pub fn module(deps: &Deps) -> OpenApiRouter {
    let service = Arc::new(ControlService::new(deps));
    presentation::routes(Arc::clone(&service), deps).merge(presentation::profile_routes(service))
}
