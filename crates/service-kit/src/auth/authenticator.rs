//! Finds out who sends a request.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

use super::{Auth, AuthCode, Caller, Identity, caller::unauthenticated, token::Tokens};
use crate::problem::Problem;

/// The cookie in which a page keeps a token.
pub const COOKIE: &str = "console_session";
/// The number of callers whose limits are kept. Beyond it, the limits of the idle ones are forgotten.
const MAX_CALLERS: usize = 10_000;

/// Finds out who sends a request.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    tokens: Option<Tokens>,
    limits: Option<DefaultKeyedRateLimiter<String>>,
}

impl Authenticator {
    #[must_use]
    pub fn new(auth: Auth) -> Self {
        let limits = auth.rate_limit.map(|limit| RateLimiter::keyed(Quota::per_second(limit)));
        Self(Arc::new(Inner { tokens: auth.jwt.map(Tokens::new), limits }))
    }

    /// Returns true if callers need a token.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.tokens.is_some()
    }

    /// Returns the caller that a token names.
    ///
    /// # Errors
    /// 401 for a token that is not accepted, or 503 while there are no keys.
    pub async fn check(&self, token: &str) -> Result<Caller, Problem> {
        match &self.0.tokens {
            Some(tokens) => tokens.check(token).await,
            None => Ok(Caller::anyone()),
        }
    }

    async fn identify(&self, method: &Method, headers: &HeaderMap) -> Result<Caller, Problem> {
        if self.0.tokens.is_none() {
            return Ok(Caller::anyone());
        }
        let (token, is_cookie) = match (bearer(headers), cookie(headers)) {
            (Some(token), _) => (token.trim(), false),
            (None, Some(token)) => (token, true),
            (None, None) => return Err(unauthenticated()),
        };
        // A browser sends cookies also with the requests of other sites.
        if is_cookie && !method.is_safe() && !is_same_origin(headers) {
            return Err(cross_site());
        }
        self.check(token).await
    }

    fn limit(&self, caller: &Caller) -> Result<(), Problem> {
        // Without a subject, all callers would share one limit, health checks too.
        let (Some(limits), Some(subject)) = (&self.0.limits, caller.subject()) else { return Ok(()) };
        if limits.len() > MAX_CALLERS {
            limits.retain_recent();
        }
        limits.check_key(&subject.to_owned()).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Problem::new(AuthCode::TooManyRequests, "the limit of requests a second is reached")
                .retry_after(wait)
        })
    }
}

/// Adds the identity of the caller to a request. The routes decide what to do without one.
pub(crate) async fn authenticate(
    State(authenticator): State<Authenticator>,
    mut request: Request,
    next: Next,
) -> Response {
    let identity = authenticator.identify(request.method(), request.headers()).await;
    if let Ok(caller) = &identity
        && let Err(problem) = authenticator.limit(caller)
    {
        return problem.into_response();
    }
    request.extensions_mut().insert(Identity(identity));
    next.run(request).await
}

/// Returns the token of the header `Authorization`.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut cookies =
        lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    cookies.find(|(name, _)| *name == COOKIE).map(|(_, token)| token)
}

/// Returns true if a browser says that a page of this service sent the request. A browser too old to say so must at
/// least name the page's origin.
#[must_use]
pub fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    match text(header::HeaderName::from_static("sec-fetch-site")) {
        Some(site) => site == "same-origin",
        None => match (text(header::ORIGIN), text(header::HOST)) {
            (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, of)| of == host),
            _ => false,
        },
    }
}

fn cross_site() -> Problem {
    Problem::new(AuthCode::CrossSiteRequest, "a page of another site sent this request")
}
