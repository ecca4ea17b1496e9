//! Query parameters, read strictly: a misspelt one would change the meaning of the question in silence.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::de::DeserializeOwned;
use service_kit::problem::Problem;

use super::problems::ProviderCode;

/// Extractor of the query. The type refuses parameters that it doesn't know.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(Problem::new(ProviderCode::InvalidQuery, rejection.body_text())),
        }
    }
}
