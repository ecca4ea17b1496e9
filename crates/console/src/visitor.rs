//! The person behind a request.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{Extensions, request::Parts},
};
use serde::Serialize;

/// The person behind a request, with what a page shows of them.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Visitor {
    /// The path and query of the page.
    pub path: String,
}

impl Visitor {
    /// Identifies the person to the API, which decides what they may do.
    #[expect(
        clippy::unused_self,
        clippy::needless_pass_by_ref_mut,
        reason = "filled with the callers' roles"
    )]
    pub fn identify(&self, _: &mut Extensions) {}
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self { path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default() })
    }
}
