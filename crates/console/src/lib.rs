#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::disallowed_methods))]

mod assets;
mod chaos;
mod failure;
mod form;
mod founder;
mod live;
mod orders;
mod pages;
mod problems;
mod reconciliation;
mod session;
#[cfg(test)]
mod tests;
mod upstream;
mod verdict;
mod visitor;
mod workflows;

use axum::{
    Router,
    http::{HeaderValue, header},
    middleware::from_fn_with_state,
    routing::get,
};
use service_kit::auth::Authenticator;
use tower::ServiceBuilder;
use tower_http::set_header::SetResponseHeaderLayer;

pub use self::problems::ConsoleCode;
use self::{
    live::Viewers,
    pages::Pages,
    upstream::{Token, Upstream},
};

/// Only files of the console itself run or load, and no other page may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The addresses that the console uses or links to.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The provider, for chaos, ledger and verdict.
    pub provider: Option<String>,
    /// The provider's token for changes of its chaos.
    pub provider_token: Option<String>,
    pub founder: Option<String>,
    /// The Temporal Web UI with its namespace, such as `http://localhost:8080/namespaces/default`.
    pub temporal_ui: Option<String>,
    /// Jaeger's page, for links to traces.
    pub traces: Option<String>,
    /// Limits the live pages that are open at the same time.
    pub max_viewers: usize,
}

/// The pages, before they have an API.
pub struct Console {
    authenticator: Authenticator,
    provider: Option<Upstream>,
    founder: Option<Upstream>,
    pages: Pages,
    viewers: Viewers,
}

/// The state of all handlers.
#[derive(Clone)]
struct Site {
    authenticator: Authenticator,
    api: Upstream,
    provider: Option<Upstream>,
    founder: Option<Upstream>,
    pages: Pages,
    viewers: Viewers,
}

impl Console {
    /// Prepares the pages.
    ///
    /// # Errors
    /// Fails if a template is wrong, or if no HTTP client can be made.
    pub fn new(settings: Settings, authenticator: Authenticator) -> Result<Self, Error> {
        let remote = |address: &Option<String>, token| {
            address.as_deref().map(|address| Upstream::remote(address, token)).transpose()
        };
        Ok(Self {
            authenticator,
            provider: remote(&settings.provider, Token::Own(settings.provider_token.clone()))?,
            founder: remote(&settings.founder, Token::OfVisitor)?,
            viewers: Viewers::new(settings.max_viewers),
            pages: Pages::new(settings)?,
        })
    }

    /// Returns the pages over an API, which they call in process.
    pub fn routes(self, api: Router) -> Router {
        let Self { authenticator, provider, founder, pages, viewers } = self;
        let site = Site { authenticator, api: Upstream::InProcess(api), provider, founder, pages, viewers };
        let routes = Router::new()
            .merge(orders::routes())
            .merge(workflows::routes())
            .merge(reconciliation::routes())
            .merge(founder::routes())
            .merge(chaos::routes())
            .merge(verdict::routes())
            .route_layer(from_fn_with_state(site.clone(), visitor::signed_in))
            .merge(session::routes())
            .route_layer(from_fn_with_state(site.clone(), visitor::same_origin))
            .route("/assets/{name}", get(assets::asset));
        with_headers(routes).with_state(site)
    }
}

/// Adds the headers that each answer has.
fn with_headers<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    let fixed = |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    let by_default =
        |name, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    routes.route_layer(
        ServiceBuilder::new()
            .layer(by_default(header::CACHE_CONTROL, "no-store"))
            .layer(fixed(header::CONTENT_SECURITY_POLICY, POLICY))
            .layer(fixed(header::X_FRAME_OPTIONS, "DENY"))
            .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .layer(fixed(header::REFERRER_POLICY, "same-origin")),
    )
}

/// The reasons why the console can't be built.
#[derive(Debug)]
pub struct Error(String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the console can't start: {}", self.0)
    }
}

impl std::error::Error for Error {}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<minijinja::Error> for Error {
    fn from(error: minijinja::Error) -> Self {
        Self(format!("{error:#}"))
    }
}
