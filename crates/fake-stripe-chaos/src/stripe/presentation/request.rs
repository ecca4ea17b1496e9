//! Extractor of a request: the API key, the headers of the protocol, and the parameters.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{
        HeaderMap, Method,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
};
use base64::Engine as _;
use serde_json::{Map, Value};
use service_kit::problem::Problem;

use super::{params::Params, problems::StripeCode};
use crate::shared::{
    chaos::Catalogue,
    ids::{Key, OrderId},
    operation::Operation,
    presentation::RequestHeaders,
    protocol::Call,
};

const FORM: &str = "application/x-www-form-urlencoded";
/// The parameters that the journal shows. The others can have personal data.
const SHOWN: [&str; 12] = [
    "amount",
    "amount_to_capture",
    "cancellation_reason",
    "capture_method",
    "charge",
    "confirm",
    "currency",
    "customer",
    "payment_intent",
    "payment_method",
    "reason",
    "metadata[order_id]",
];

/// A request to Stripe's API.
#[derive(Debug)]
pub struct StripeRequest {
    headers: RequestHeaders,
    pub params: Params,
    canonical: String,
    shown: Value,
    pub expand: Vec<String>,
    order: Option<OrderId>,
}

impl<S: Send + Sync> FromRequest<S> for StripeRequest {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        use axum::extract::FromRequestParts as _;

        let (mut parts, body) = request.into_parts();
        check_api_key(&parts.headers)?;
        let headers = RequestHeaders::from_request_parts(&mut parts, state).await?;
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let form = if parts.method == Method::GET {
            query.into_bytes().into()
        } else {
            let body = Bytes::from_request(Request::from_parts(parts.clone(), body), state)
                .await
                .map_err(|rejection| Problem::new(StripeCode::FormExpected, rejection.body_text()))?;
            check_form(&parts.headers, &body)?;
            // The SDKs send the parameters of a DELETE in the query.
            if body.is_empty() { query.into_bytes().into() } else { body }
        };
        let mut params = Params::parse(&form)?;
        let (canonical, shown) = (params.canonical(), shown(&params));
        let order = params.order()?;
        Ok(Self { headers, canonical, shown, expand: params.list("expand"), order, params })
    }
}

impl StripeRequest {
    /// Returns the order of the request: that of the header, else that of the metadata.
    #[must_use]
    pub fn order(&self) -> Option<OrderId> {
        self.headers.order().or(self.order.as_ref()).cloned()
    }

    #[must_use]
    pub fn key(&self) -> Option<Key> {
        self.headers.key().cloned()
    }

    /// Returns the call of an operation.
    ///
    /// # Errors
    /// Fails if the operation does not have the scenario of the header.
    pub fn into_call(self, operation: Operation, catalogue: &Catalogue) -> Result<Call, Problem> {
        self.headers.into_call(operation, catalogue, &self.canonical, &self.shown)
    }
}

/// Checks that the key is one of test mode, so that no live key is sent here for long.
fn check_api_key(headers: &HeaderMap) -> Result<(), Problem> {
    let missing = || {
        Problem::new(
            StripeCode::ApiKeyMissing,
            "You did not provide an API key. Send any key that begins with sk_test_, as in 'Authorization: Bearer sk_test_123'.",
        )
    };
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
    let (scheme, value) = header.split_once(' ').ok_or_else(missing)?;
    let key = if scheme.eq_ignore_ascii_case("bearer") {
        value.trim().to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded =
            base64::engine::general_purpose::STANDARD.decode(value.trim()).map_err(|_| missing())?;
        let pair = String::from_utf8(decoded).map_err(|_| missing())?;
        pair.split(':').next().unwrap_or_default().to_owned()
    } else {
        return Err(missing());
    };
    let has_prefix = |kinds: [&str; 2]| kinds.iter().any(|kind| key.starts_with(kind));
    if has_prefix(["sk_test_", "rk_test_"]) {
        return Ok(());
    }
    // The key itself is never repeated, since it may be a real one.
    let why = if has_prefix(["sk_live_", "rk_live_"]) {
        "This is a live key of Stripe, and fake-stripe-chaos is not Stripe. Roll the key if it has left your machine, and use any key that begins with sk_test_."
    } else {
        "Invalid API key provided. fake-stripe-chaos takes any key that begins with sk_test_."
    };
    Err(Problem::new(StripeCode::ApiKeyInvalid, why))
}

fn check_form(headers: &HeaderMap, body: &Bytes) -> Result<(), Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or(FORM);
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if body.is_empty() || kind.eq_ignore_ascii_case(FORM) {
        return Ok(());
    }
    let why = format!("Send the parameters as {FORM}, as Stripe's SDKs do; this body is {kind}.");
    Err(Problem::new(StripeCode::FormExpected, why))
}

fn shown(params: &Params) -> Value {
    let known = SHOWN.iter().filter_map(|name| Some(((*name).to_owned(), params.peek(name)?.into())));
    Value::Object(known.collect::<Map<_, _>>())
}
