//! The verdict: compares the ledger with the recorded outcomes of the orders. It also serves the ledger and the
//! journal.
//!
//! The rules are in `domain`, which is pure. There are no other layers: each file beside it is a few endpoints that
//! read the store. It sees the contexts only through the ledger.

mod domain;
mod journal;
mod judge;
mod ledger;
mod open_effects;
mod problems;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

pub use self::judge::judge_all;
use self::problems::VerdictCode;
use crate::shared::{deps::Deps, slice::Slice};

/// Registers the verdict in the application.
pub const SLICE: Slice =
    Slice { chaos: &[], install: |service, deps| service.codes(VerdictCode::ALL).routes(module(deps)) };

/// Returns the routes of the ledger, the journal and the verdict.
pub fn module(deps: &Deps) -> OpenApiRouter {
    let deps = Arc::new(deps.clone());
    let routes = ledger::routes(&deps)
        .merge(open_effects::routes(&deps))
        .merge(judge::routes(&deps))
        .merge(journal::routes(&deps));
    deps.admin.guard(routes)
}
