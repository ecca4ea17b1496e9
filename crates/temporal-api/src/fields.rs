//! Defines the fields that the bodies and queries of several endpoints share.

use std::str::FromStr;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, Serializer};
use service_kit::{
    auth::Caller,
    correlation::CorrelationId,
    json::{Faults, FromJson, Node},
    problem::Problem,
};
use workflows::saga::Reason;

use crate::{idempotency::KeyDigest, workflow::invalid_query};

const ID_LENGTH: usize = 128;

/// Holds 1 to 128 of `[A-Za-z0-9._-]`. It excludes `.` and `..`, because a path loses them on its way.
pub fn is_id(text: &str) -> bool {
    (1..=ID_LENGTH).contains(&text.len())
        && !matches!(text, "." | "..")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Holds the id of an order, a customer or a user.
pub struct Id(pub String);

impl FromStr for Id {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_id(text) {
            Ok(Self(text.to_owned()))
        } else if matches!(text, "." | "..") {
            Err("must not be . or ..")
        } else {
            Err("must be 1 to 128 of A-Z a-z 0-9 . _ -")
        }
    }
}

/// Holds one line of text that is not empty.
pub struct Text<const LONGEST: usize = 200>(pub String);

impl<const LONGEST: usize> FromStr for Text<LONGEST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().is_empty() {
            Err("must not be empty".to_owned())
        } else if text.chars().count() > LONGEST {
            Err(format!("must be at most {LONGEST} characters"))
        } else if text.chars().any(char::is_control) {
            Err("must not contain control characters".to_owned())
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl FromJson for Id {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.parse(faults)
    }
}

impl<const LONGEST: usize> FromJson for Text<LONGEST> {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.parse(faults)
    }
}

/// Holds a correlation id from the caller, in the body.
pub struct Correlation(pub CorrelationId);

impl FromJson for Correlation {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        match CorrelationId::parse(&node.string(faults)?) {
            Some(id) => Some(Self(id)),
            None => node.fault(faults, "must be 1 to 128 visible ASCII characters"),
        }
    }
}

/// Writes a correlation id as its text.
#[expect(clippy::ref_option, reason = "serde calls it with a reference to the member")]
pub fn correlation_text<S: Serializer>(id: &Option<CorrelationId>, to: S) -> Result<S::Ok, S::Error> {
    id.as_ref().map(CorrelationId::as_str).serialize(to)
}

/// Returns the name of a workflow: from the body, else the caller's key, else the correlation id of the
/// request.
pub fn reference(
    named: Option<&str>,
    correlation: Option<&CorrelationId>,
    key: Option<&KeyDigest>,
    of_request: &CorrelationId,
) -> String {
    let named = named.or(correlation.map(CorrelationId::as_str)).map(str::to_owned);
    named.or(key.map(KeyDigest::reference)).unwrap_or_else(|| of_request.to_string())
}

/// Holds the body `{"reason": …}` of a rejection or a cancellation.
pub struct ReasonRequest(pub Reason);

impl FromJson for ReasonRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let reason = node.object(&["reason"], faults)?.optional::<Text>("reason", faults)?;
        Some(Self(Reason { reason: reason.map(|text| text.0), actor: None }))
    }
}

/// Returns the reason from an optional body, with the caller as its author.
pub fn reason(body: Option<ReasonRequest>, caller: &Caller) -> Reason {
    let reason = body.and_then(|body| body.0.reason);
    Reason { reason, actor: caller.subject().map(str::to_owned) }
}

/// Reads a page token from a query. It is empty for the first page.
pub fn page(token: Option<&str>) -> Result<Vec<u8>, Problem> {
    given(token).map_or(Ok(Vec::new()), |token| {
        BASE64_URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| invalid_query("pageToken", "is none that this list gave"))
    })
}

/// Returns the token of the next page, if there is one.
pub fn token(next: &[u8]) -> Option<String> {
    (!next.is_empty()).then(|| BASE64_URL_SAFE_NO_PAD.encode(next))
}

const DEFAULT_LIMIT: u8 = 20;
const MAX_LIMIT: u8 = 100;

/// Reads the number of entries on a page of a list.
pub fn limit(text: Option<&str>) -> Result<u8, Problem> {
    given(text).map_or(Ok(DEFAULT_LIMIT), |text| {
        text.parse()
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .ok_or_else(|| invalid_query("limit", format_args!("must be a number from 1 to {MAX_LIMIT}")))
    })
}

/// Treats an empty value such as `?status=` as absent.
pub fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}
