//! The truth: what the ledger knows of every order, how each ended, and whether the two agree.
//!
//! It looks across the contexts through the ledger alone. It has no `infrastructure` of its own.

mod application;
mod domain;
mod presentation;

use utoipa_axum::router::OpenApiRouter;

use self::{application::TruthService, presentation::TruthCode};
use crate::shared::{deps::Deps, slice::Slice};

/// How the application takes the truth in.
pub const SLICE: Slice =
    Slice { chaos: &[], install: |service, deps| service.codes(TruthCode::ALL).routes(module(deps)) };

/// The slice, wired.
pub fn module(deps: &Deps) -> OpenApiRouter {
    presentation::routes(TruthService::new(deps))
}
