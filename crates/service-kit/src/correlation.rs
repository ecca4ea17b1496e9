//! The id that follows one piece of work through every process, log line and call.

use std::{convert::Infallible, fmt, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, request::Parts},
};

/// The header that carries it, in requests and responses.
pub const HEADER: HeaderName = HeaderName::from_static("x-correlation-id");

tokio::task_local! {
    static CURRENT: CorrelationId;
}

/// 1 to 128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CorrelationId(Arc<str>);

impl CorrelationId {
    /// `None` where the text isn't 1 to 128 visible ASCII characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.into()))
    }

    /// A new UUID v7.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a new correlation id for a request without one")]
    pub fn generate() -> Self {
        Self((*uuid::Uuid::now_v7().hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer())).into())
    }

    /// The caller's, where it sent a good one, else a new one.
    #[must_use]
    pub fn from_header(value: Option<&HeaderValue>) -> Self {
        value.and_then(|value| value.to_str().ok()).and_then(Self::parse).unwrap_or_else(Self::generate)
    }

    /// The one of the request or activity this code runs for.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs `work` with this as the current one. A spawned task must be given it again.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its text, for those who keep it.
    #[must_use]
    pub fn into_text(self) -> Arc<str> {
        self.0
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&CorrelationId> for HeaderValue {
    fn from(id: &CorrelationId) -> Self {
        // Visible ASCII is a subset of what a header may hold, so the fallback is never met.
        HeaderValue::from_str(&id.0).unwrap_or(HeaderValue::from_static("-"))
    }
}

impl<S: Sync> FromRequestParts<S> for CorrelationId {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::current().unwrap_or_else(Self::generate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_visible_ascii_of_1_to_128_characters_is_taken_over() {
        assert!(CorrelationId::parse("order-42/a").is_some());
        assert!(CorrelationId::parse(&"x".repeat(128)).is_some());
        for bad in ["", "two words", "tab\t", "né", &"x".repeat(129)] {
            assert!(CorrelationId::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_bad_header_is_replaced_by_a_new_uuid() {
        let id = CorrelationId::from_header(Some(&HeaderValue::from_static("two words")));
        assert_eq!(uuid::Uuid::parse_str(id.as_str()).unwrap().get_version_num(), 7);
    }
}
