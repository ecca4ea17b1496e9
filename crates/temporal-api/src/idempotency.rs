//! Reads `Idempotency-Key`, the caller's own name for one request. It also recognizes a request that
//! arrives again.

use std::fmt;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use service_kit::problem::Problem;

use crate::workflow::WorkflowCode;

const HEADER: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const LENGTH: std::ops::RangeInclusive<usize> = 1..=255;
/// Counts the digits of a digest that name a workflow. Two digests of 128 bits are never equal by
/// chance.
const IN_A_NAME: usize = 32;

/// Holds the digest of an idempotency key. The key itself is the caller's secret, so nothing stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDigest(String);

impl KeyDigest {
    #[expect(clippy::disallowed_methods, reason = "the digest of a key")]
    pub fn of(key: &str) -> Self {
        Self(blake3::hash(key.as_bytes()).to_hex().to_string())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name of a workflow that only its key names.
    pub fn reference(&self) -> String {
        format!("key-{}", self.0.get(..IN_A_NAME).unwrap_or(&self.0))
    }
}

/// Holds the digest of a parsed request. Two spellings of one request have the same digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Computes the digest of a request of a kind.
    #[expect(clippy::disallowed_methods, reason = "the fingerprint of a request")]
    pub fn of(kind: &str, request: &impl Serialize) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(kind.as_bytes()).update(b"\n");
        // The serialization of structs with texts and numbers never fails.
        hasher.update(&serde_json::to_vec(request).unwrap_or_default());
        Self(hasher.finalize().to_hex().to_string())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Holds the fingerprint of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub key: Option<KeyDigest>,
    pub fingerprint: Fingerprint,
}

/// Holds the `Idempotency-Key` header of a request, if it has one.
pub struct IdempotencyKey(pub Option<KeyDigest>);

impl IdempotencyKey {
    fn read(headers: &HeaderMap) -> Result<Self, &'static str> {
        let mut values = headers.get_all(HEADER).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(Self(None)),
            (Some(_), Some(_)) => Err("Idempotency-Key is there more than once"),
            (Some(value), None) => {
                let key = value.to_str().unwrap_or_default();
                let fits = LENGTH.contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
                if fits {
                    Ok(Self(Some(KeyDigest::of(key))))
                } else {
                    Err("Idempotency-Key must be 1 to 255 visible ASCII characters")
                }
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::read(&parts.headers).map_err(|why| Problem::new(WorkflowCode::InvalidHeader, why))
    }
}

/// Holds an answer, with a mark if it is a repetition.
pub struct Answered<T> {
    pub answer: T,
    pub replayed: bool,
}

impl<T: IntoResponse> IntoResponse for Answered<T> {
    fn into_response(self) -> Response {
        let mut response = self.answer.into_response();
        if self.replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<Option<KeyDigest>, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_str(value).unwrap());
        }
        IdempotencyKey::read(&headers).map(|key| key.0)
    }

    #[test]
    fn a_key_is_1_to_255_visible_ascii_characters_and_there_is_one() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["a"]), Ok(Some(KeyDigest::of("a"))));
        assert!(read(&[&"k".repeat(255)]).is_ok());
        for bad in
            [vec![""], vec!["a b"], vec!["é"], vec![&"k".repeat(256) as &str], vec!["a", "a"], vec!["a", "b"]]
        {
            assert!(read(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_fingerprint_depends_on_kind_and_content() {
        let one = Fingerprint::of("order", &("a", 1));
        assert_eq!(one, Fingerprint::of("order", &("a", 1)));
        assert_ne!(one, Fingerprint::of("payment", &("a", 1)));
        assert_ne!(one, Fingerprint::of("order", &("a", 2)));
    }

    #[test]
    fn a_workflow_named_by_its_key_has_an_id_that_every_path_takes() {
        let reference = KeyDigest::of("a key / of somebody").reference();
        assert!(crate::fields::is_id(&reference), "{reference}");
        assert_eq!(reference.len(), "key-".len() + IN_A_NAME);
    }
}
