//! The sign-in page. It takes a token of the issuer, and keeps it in a cookie that no script can read.

use axum::{
    Form, Router,
    extract::{Query, State},
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde::Deserialize;
use service_kit::auth::COOKIE;

use crate::{
    Site,
    failure::Failure,
    pages::{Refusal, context, see},
    visitor::Visitor,
};

/// The longest token, in bytes. Browsers drop longer cookies.
const MAX_TOKEN: usize = 4000;

pub fn routes() -> Router<Site> {
    Router::new().route("/login", get(form).post(sign_in)).route("/logout", post(sign_out))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    next: String,
    reason: String,
}

async fn form(
    State(site): State<Site>,
    Query(asked): Query<Asked>,
    visitor: Visitor,
) -> Result<Response, Refusal> {
    if !site.authenticator.is_on() {
        return Ok(see("/"));
    }
    let is_expired = asked.reason == "invalid_token";
    site.page("login.html", &visitor, context! { next => asked.next, is_expired => is_expired })
}

#[derive(Debug, Deserialize)]
struct Given {
    token: String,
    #[serde(default)]
    next: String,
}

async fn sign_in(
    State(site): State<Site>,
    visitor: Visitor,
    headers: HeaderMap,
    Form(given): Form<Given>,
) -> Result<Response, Refusal> {
    let token = given.token.trim();
    let checked = if token.len() > MAX_TOKEN {
        Err(Failure::too_long())
    } else {
        site.authenticator.check(token).await.map_err(Failure::from)
    };
    match checked {
        Ok(_) => {
            let cookie = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax{}", secure(&headers));
            Ok(([(header::SET_COOKIE, cookie)], see(local(&given.next))).into_response())
        }
        Err(failure) => {
            let context = context! { next => given.next, is_expired => false };
            site.page_after(Some(&failure), "login.html", &visitor, context)
        }
    }
}

async fn sign_out(headers: HeaderMap) -> Response {
    let cookie = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{}", secure(&headers));
    ([(header::SET_COOKIE, cookie)], see("/login")).into_response()
}

/// Returns the attribute that keeps a cookie off unencrypted connections, except on this machine.
fn secure(headers: &HeaderMap) -> &'static str {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if matches!(name, "localhost" | "127.0.0.1" | "[::1]") { "" } else { "; Secure" }
}

/// Returns a path of this site, and the first page for anything else.
fn local(path: &str) -> &str {
    let is_local = path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n']);
    if is_local { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sign_in_leads_to_another_site() {
        assert_eq!(local("/orders/1?done=approve"), "/orders/1?done=approve");
        for elsewhere in ["https://evil.example", "//evil.example", "/\\evil.example", "", "orders"] {
            assert_eq!(local(elsewhere), "/", "{elsewhere}");
        }
    }
}
