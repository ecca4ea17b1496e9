//! Control: what chaos is told while the service runs. So far, the plans of orders.
//!
//! It has no `domain` and no `infrastructure` of its own: what a plan is belongs to the shared chaos.

mod application;
mod presentation;

use utoipa_axum::router::OpenApiRouter;

use self::application::ControlService;
use crate::shared::{deps::Deps, slice::Slice};

/// How the application takes control in.
pub const SLICE: Slice = Slice { chaos: &[], install: |service, deps| service.routes(module(deps)) };

/// The slice, wired.
pub fn module(deps: &Deps) -> OpenApiRouter {
    presentation::routes(ControlService::new(deps), deps)
}
