//! The headers of an operation.

use std::{fmt::Display, str::FromStr};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};
use serde_json::Value;
use service_kit::{correlation::CorrelationId, headers::single, problem::Problem};
use utoipa::IntoParams;

use super::problems;
use crate::shared::{
    chaos::{Catalogue, Script},
    idempotency::Fingerprint,
    ids::{Key, OrderId},
    operation::Operation,
    protocol::Call,
};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const ORDER_ID: &str = "x-order-id";
const CHAOS_SCENARIO: &str = "x-chaos-scenario";

/// The headers that every operation takes, for the documentation.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct CallHeaders {
    /// 1 to 255 visible ASCII characters. The same key, path and body get the same answer for 24 h.
    #[param(rename = "Idempotency-Key", value_type = Option<String>, min_length = 1, max_length = 255, example = "order-1/authorize")]
    pub key: Option<Key>,
    /// The order of the request. Draws depend on it.
    #[param(rename = "X-Order-Id", value_type = Option<String>, min_length = 1, max_length = 255, example = "order-1")]
    pub order: Option<OrderId>,
    /// A scenario instead of a drawn one, or several separated by commas, one for each attempt.
    #[param(rename = "X-Chaos-Scenario", value_type = Option<String>)]
    pub scenario: Option<String>,
}

/// Extractor of the headers and the path of a request.
#[derive(Debug)]
pub struct RequestHeaders {
    path: String,
    key: Option<Key>,
    order: Option<OrderId>,
    scenario: Option<String>,
    correlation: CorrelationId,
}

impl<S: Sync> FromRequestParts<S> for RequestHeaders {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ok(correlation) = CorrelationId::from_request_parts(parts, state).await;
        Ok(Self {
            path: parts.uri.path().to_owned(),
            key: header(&parts.headers, IDEMPOTENCY_KEY)?,
            order: header(&parts.headers, ORDER_ID)?,
            scenario: header(&parts.headers, CHAOS_SCENARIO)?,
            correlation,
        })
    }
}

/// Returns a header's value, if the header is there.
///
/// # Errors
/// 400 where the header does not parse, or is there more than once.
pub fn header<T: FromStr<Err: Display>>(headers: &HeaderMap, name: &str) -> Result<Option<T>, Problem> {
    let value = single(headers, name).map_err(|error| problems::invalid_header(name, error))?;
    let Some(value) = value else { return Ok(None) };
    let text =
        value.to_str().map_err(|_| problems::invalid_header(name, "must be visible ASCII characters"))?;
    text.parse().map(Some).map_err(|error| problems::invalid_header(name, error))
}

impl RequestHeaders {
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    #[must_use]
    pub fn order(&self) -> Option<&OrderId> {
        self.order.as_ref()
    }

    /// Returns the call of an operation. `shown` is the body for the journal, without personal data.
    ///
    /// # Errors
    /// Fails with 422 if the operation does not have the scenario.
    pub fn into_call(
        self,
        operation: Operation,
        catalogue: &Catalogue,
        canonical_body: &str,
        shown: &Value,
    ) -> Result<Call, Problem> {
        let forced = self
            .scenario
            .map(|text| Script::parse(&text, operation, catalogue))
            .transpose()
            .map_err(|error| problems::unknown_scenario(&error))?;
        Ok(Call {
            operation,
            order: self.order,
            key: self.key,
            fingerprint: Fingerprint::of(&self.path, canonical_body),
            forced,
            correlation: self.correlation.into_text(),
            // A value in memory can always be written.
            body: serde_json::to_string(shown).unwrap_or_default().into(),
        })
    }
}
