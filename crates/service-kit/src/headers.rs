//! Headers that a request may have only once.

use axum::http::{HeaderMap, HeaderValue};

/// A header that a request has more than once, so that its value is ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is there {times} times; send it once")]
pub struct Repeated {
    pub times: usize,
}

/// Returns the value of a header that a request may have only once, such as `Idempotency-Key`.
///
/// # Errors
/// Returns an error when the header occurs more than once, even with the same value.
pub fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h HeaderValue>, Repeated> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    match values.count() {
        0 => Ok(first),
        more => Err(Repeated { times: 1 + more }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_header_is_refused() {
        let mut headers = HeaderMap::new();
        assert_eq!(single(&headers, "idempotency-key"), Ok(None));
        headers.append("Idempotency-Key", HeaderValue::from_static("a"));
        assert_eq!(single(&headers, "idempotency-key"), Ok(Some(&HeaderValue::from_static("a"))));
        headers.append("idempotency-key", HeaderValue::from_static("a"));
        assert_eq!(single(&headers, "idempotency-key"), Err(Repeated { times: 2 }));
    }
}
