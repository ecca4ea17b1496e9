//! Payments: authorize, capture, release, refund, charge.

mod application;
mod domain;
mod infrastructure;
mod presentation;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use self::{
    application::PaymentService,
    infrastructure::{PaymentRecords, chaos},
    presentation::PaymentCode,
};
use crate::shared::{deps::Deps, slice::Slice};

/// How the application takes payments in.
pub const SLICE: Slice = Slice {
    chaos: chaos::TABLES,
    install: |service, deps| service.codes(PaymentCode::ALL).routes(module(deps)),
};

/// The context, wired.
pub fn module(deps: &Deps) -> OpenApiRouter {
    presentation::routes(PaymentService::new(deps, Arc::new(PaymentRecords)), deps)
}
