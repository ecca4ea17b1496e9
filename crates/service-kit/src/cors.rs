//! Cross-origin requests: which pages of other origins may use a service from a browser.

use std::{fmt, str::FromStr};

use axum::http::{HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer, ExposeHeaders};

/// For so long a browser need not ask again.
const PREFLIGHT_LASTS: std::time::Duration = std::time::Duration::from_mins(10);
const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
const ANY_PORT: &str = ":*";

/// The origins whose pages may send requests. They never send credentials, since no service takes any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigins {
    /// No page of another origin, and `OPTIONS` isn't answered.
    Off,
    Any,
    Listed(Vec<Origin>),
}

/// An origin, or all those of a host whatever the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Scheme and host; the port, too, where it isn't any.
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

/// Why a text is no list of origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotOrigins(String);

impl fmt::Display for NotOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no origin; give `off`, `*`, or origins such as https://shop.example.com or http://localhost:*, separated by commas",
            self.0
        )
    }
}

impl FromStr for Origin {
    type Err = NotOrigins;

    fn from_str(text: &str) -> Result<Self, NotOrigins> {
        let (written, any_port) = match text.strip_suffix(ANY_PORT) {
            Some(written) => (written, true),
            None => (text, false),
        };
        let url = reqwest::Url::parse(written).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let origin = url.map(|url| (url.origin().ascii_serialization(), url.port().is_some()));
        match origin {
            // What has a path or a user beside the origin would never be equal to one.
            Some((origin, has_port))
                if origin.eq_ignore_ascii_case(written)
                    && !written.contains('*')
                    && !(has_port && any_port) =>
            {
                Ok(Self { text: origin, any_port })
            }
            _ => Err(NotOrigins(text.to_owned())),
        }
    }
}

impl FromStr for CorsOrigins {
    type Err = NotOrigins;

    fn from_str(text: &str) -> Result<Self, NotOrigins> {
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
    /// Returns the layer that answers preflight requests and names the origin; none where it is off.
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
            // Correlation id, replayed answers, waits, links: a client may read all of them.
            .expose_headers(ExposeHeaders::any())
            .max_age(PREFLIGHT_LASTS);
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
    fn an_origin_is_allowed_with_its_port_or_with_any() {
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
    fn off_and_any_are_words() {
        assert_eq!("off".parse(), Ok(CorsOrigins::Off));
        assert_eq!("*".parse(), Ok(CorsOrigins::Any));
    }

    #[test]
    fn a_text_that_is_no_origin_is_refused() {
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
