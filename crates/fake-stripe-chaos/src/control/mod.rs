//! Control: the plans and profiles that direct chaos while the service runs, and the audit of its draws.
//!
//! It has no layers: chaos has the rules, and the store has the state. Each file is a few endpoints.

mod audit;
mod plans;
mod profiles;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use crate::shared::{deps::Deps, slice::Slice};

/// Registers control in the application.
pub const SLICE: Slice = Slice { chaos: &[], install: |service, deps| service.routes(module(deps)) };

/// Returns the routes of control.
pub fn module(deps: &Deps) -> OpenApiRouter {
    let deps = Arc::new(deps.clone());
    deps.admin.guard(plans::routes(&deps).merge(profiles::routes(&deps)).merge(audit::routes(&deps)))
}
