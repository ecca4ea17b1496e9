//! The correlation id: the same in every process, log line and call of one piece of work.

use std::{convert::Infallible, fmt, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, Request, request::Parts},
};

/// The header of the correlation id, in requests and responses.
pub const HEADER: HeaderName = HeaderName::from_static("x-correlation-id");

tokio::task_local! {
    static CURRENT: CorrelationId;
}

/// 1 to 128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CorrelationId(Arc<str>);

impl CorrelationId {
    /// Returns none when the text isn't 1 to 128 visible ASCII characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.into()))
    }

    /// Returns a new UUID v7.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a new correlation id for a request without one")]
    pub fn generate() -> Self {
        Self((*uuid::Uuid::now_v7().hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer())).into())
    }

    /// Returns the id in the headers. Returns none for no id, an invalid one, or two that differ. A wrong
    /// id would mislead more than a new one.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(HEADER).iter();
        let first = values.next()?;
        let is_one = values.all(|other| other == first);
        first.to_str().ok().filter(|_| is_one).and_then(Self::parse)
    }

    /// Returns the id of the current request or activity.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs `work` with this as the current id. A spawned task doesn't inherit it.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text of the id without a copy.
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
        // A header may hold any visible ASCII, so the fallback is never used.
        HeaderValue::from_str(&id.0).unwrap_or(HeaderValue::from_static("-"))
    }
}

/// Removes invalid and repeated correlation ids, so that a request has one or none.
pub(crate) fn without_unusable<B>(mut request: Request<B>) -> Request<B> {
    let headers = request.headers_mut();
    if let Some(id) = CorrelationId::of(headers) {
        headers.insert(HEADER, HeaderValue::from(&id));
    } else {
        headers.remove(HEADER);
    }
    request
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
    fn an_id_has_1_to_128_visible_ascii_characters() {
        assert!(CorrelationId::parse("order-42/a").is_some());
        assert!(CorrelationId::parse(&"x".repeat(128)).is_some());
        for bad in ["", "two words", "tab\t", "né", &"x".repeat(129)] {
            assert!(CorrelationId::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_generated_id_is_a_uuid_v7() {
        let id = CorrelationId::generate();
        assert_eq!(uuid::Uuid::parse_str(id.as_str()).unwrap().get_version_num(), 7);
    }

    #[test]
    fn an_invalid_id_and_two_different_ids_are_ignored() {
        let of = |values: &[&'static str]| {
            let values = values.iter().map(|value| (HEADER, HeaderValue::from_static(value)));
            CorrelationId::of(&values.collect()).map(|id| id.to_string())
        };
        let one = Some("order-7".to_owned());
        assert_eq!((of(&["order-7"]), of(&["order-7", "order-7"])), (one.clone(), one));
        assert_eq!((of(&[]), of(&["two words"]), of(&["order-7", "order-8"])), (None, None, None));
    }
}
