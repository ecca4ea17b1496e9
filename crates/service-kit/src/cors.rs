//! Cross-origin requests: the origins whose pages may call a service from a browser.

use std::{fmt, str::FromStr};

use axum::http::{HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer, ExposeHeaders};

/// The time for which a browser may keep the answer to a preflight request.
const PREFLIGHT_MAX_AGE: std::time::Duration = std::time::Duration::from_mins(10);
const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
const ANY_PORT: &str = ":*";

/// The origins whose pages may send requests. Credentials are never allowed, since no service uses any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigins {
    /// No page of another origin may send requests; `OPTIONS` gets no special answer.
    Off,
    Any,
    Listed(Vec<Origin>),
}

/// One origin, or the origins of a host with any port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Scheme and host, and the port unless any is allowed.
    text: String,
    any_port: bool,
}

impl Origin {
    fn includes(&self, origin: &str) -> bool {
        let Some(rest) = origin.strip_prefix(&self.text) else { return false };
        let is_port = |rest: &str| {
            rest.strip_prefix(':')
                .is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
        };
        rest.is_empty() || self.any_port && is_port(rest)
    }
}

/// A text that isn't a list of origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidOrigins(String);

impl fmt::Display for InvalidOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not an origin; use `off`, `*`, or origins such as https://shop.example.com or http://localhost:*, separated by commas",
            self.0
        )
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigins;

    fn from_str(text: &str) -> Result<Self, InvalidOrigins> {
        let (written, any_port) = match text.strip_suffix(ANY_PORT) {
            Some(written) => (written, true),
            None => (text, false),
        };
        let url = reqwest::Url::parse(written).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let origin = url.map(|url| (url.origin().ascii_serialization(), url.port().is_some()));
        match origin {
            // A browser sends neither a path nor a user, so such a text would never match.
            Some((origin, has_port))
                if origin.eq_ignore_ascii_case(written)
                    && !written.contains('*')
                    && !(has_port && any_port) =>
            {
                Ok(Self { text: origin, any_port })
            }
            _ => Err(InvalidOrigins(text.to_owned())),
        }
    }
}

impl FromStr for CorsOrigins {
    type Err = InvalidOrigins;

    fn from_str(text: &str) -> Result<Self, InvalidOrigins> {
        match text {
            "off" => Ok(Self::Off),
            "*" => Ok(Self::Any),
            list => list
                .split(',')
                .map(|origin| origin.trim().parse())
                .collect::<Result<_, _>>()
                .map(Self::Listed),
        }
    }
}

impl CorsOrigins {
    /// Returns the layer that answers preflight requests and adds the headers, or none when it is off.
    pub(crate) fn layer(&self) -> Option<CorsLayer> {
        let allowed = match self {
            Self::Off => return None,
            Self::Any => AllowOrigin::any(),
            Self::Listed(origins) => {
                let origins = origins.clone();
                AllowOrigin::predicate(move |origin: &HeaderValue, _| {
                    origin.to_str().is_ok_and(|origin| origins.iter().any(|known| known.includes(origin)))
                })
            }
        };
        let layer = CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods(METHODS)
            .allow_headers(AllowHeaders::mirror_request())
            // Clients need the correlation id, the replay mark, `Retry-After` and links.
            .expose_headers(ExposeHeaders::any())
            .max_age(PREFLIGHT_MAX_AGE);
        Some(layer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(origins: &str, origin: &str) -> bool {
        match origins.parse().unwrap() {
            CorsOrigins::Listed(origins) => origins.iter().any(|known| known.includes(origin)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_origin_matches_with_its_port_or_with_any_port() {
        let development = "http://localhost:*, http://127.0.0.1:*";
        for origin in ["http://localhost", "http://localhost:5173", "http://127.0.0.1:3000"] {
            assert!(allows(development, origin), "{origin}");
        }
        for origin in [
            "https://localhost:5173",
            "http://localhost.example.com",
            "http://localhost:5173.example.com",
            "http://localhost:",
            "http://localhost:80@example.com",
            "http://example.com",
            "null",
            "",
        ] {
            assert!(!allows(development, origin), "{origin}");
        }
        assert!(allows("https://Shop.example.com", "https://shop.example.com"));
        assert!(!allows("https://shop.example.com", "https://shop.example.com:8443"));
        assert!(allows("https://shop.example.com:8443", "https://shop.example.com:8443"));
    }

    #[test]
    fn off_and_any_are_parsed() {
        assert_eq!("off".parse(), Ok(CorsOrigins::Off));
        assert_eq!("*".parse(), Ok(CorsOrigins::Any));
    }

    #[test]
    fn a_text_that_is_not_an_origin_is_refused() {
        for text in [
            "",
            "on",
            "localhost",
            "localhost:3000",
            "http://",
            "http://a/path",
            "http://user@a",
            "ftp://a",
            "http://a,",
            "http://a:*:*",
            "http://a:1:*",
            "http://a/",
            "http://*.example.com",
            "*, http://a",
        ] {
            assert!(text.parse::<CorsOrigins>().is_err(), "{text}");
        }
    }
}
