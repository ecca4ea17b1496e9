//! Calls the services behind the console: the API in process, the others over HTTP.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use http_body_util::{BodyExt as _, Limited};
use reqwest::Client;
use serde_json::{Value, json};
use service_kit::{
    client,
    correlation::{self, CorrelationId},
    problem::Problem,
};
use tower::ServiceExt as _;

use crate::{failure::Failure, visitor::Visitor};

/// The largest answer that a page shows, in bytes.
const MAX_ANSWER: usize = 16 << 20;
/// The time limit of a call to another service.
const LIMIT: Duration = Duration::from_secs(15);

/// A service behind the console.
#[derive(Clone)]
pub enum Upstream {
    /// Without the common layers, so an error is a [`Problem`] in the answer's extensions.
    InProcess(Router),
    Remote {
        client: Client,
        base: String,
        token: Token,
    },
}

/// The token that a service gets.
#[derive(Clone)]
pub enum Token {
    /// The visitor's own, since the service knows the same people.
    OfVisitor,
    /// One of the console, for changes.
    Own(Option<String>),
}

impl Upstream {
    pub fn remote(address: &str, token: Token) -> reqwest::Result<Self> {
        Ok(Self::Remote {
            client: client::build(LIMIT)?,
            base: address.trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// Reads a resource.
    pub async fn get(&self, visitor: &Visitor, path: &str) -> Result<Value, Failure> {
        self.call(visitor, Method::GET, path, None).await
    }

    /// Sends a request with a JSON body, or without one.
    ///
    /// # Errors
    /// Fails if the service can't be reached, or refuses the request.
    pub async fn call(
        &self,
        visitor: &Visitor,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let (status, answer) = match self {
            Self::InProcess(router) => in_process(router.clone(), visitor, method, path, body).await?,
            Self::Remote { client, base, token } => {
                let token = match token {
                    Token::OfVisitor => visitor.token(),
                    Token::Own(token) => token.as_deref().filter(|_| !method.is_safe()),
                };
                remote(client, base, token, method, path, body).await?
            }
        };
        if status.is_success() { Ok(answer) } else { Err(Failure::refused(status, &answer)) }
    }
}

async fn in_process(
    router: Router,
    visitor: &Visitor,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<(StatusCode, Value), Failure> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(id) = CorrelationId::current() {
        request = request.header(correlation::HEADER, &id);
    }
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
    let mut request = request.body(body).map_err(|error| Failure::internal(&error))?;
    visitor.identify(request.extensions_mut());
    let Ok(mut response) = router.oneshot(request).await;
    let status = response.status();
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return Err(problem.into());
    }
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    let bytes = body.map_err(|error| Failure::internal(&error))?.to_bytes();
    Ok((status, parse(&bytes)))
}

async fn remote(
    client: &Client,
    base: &str,
    token: Option<&str>,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<(StatusCode, Value), Failure> {
    let mut request = client.request(method, format!("{base}{path}"));
    if let Some(id) = CorrelationId::current() {
        request = request.header(correlation::HEADER, id.as_str());
    }
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let unreachable = |error: reqwest::Error| Failure::unreachable(base, &error.without_url());
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let bytes = client::bounded(response, MAX_ANSWER).await.map_err(unreachable)?;
    Ok((status, parse(&bytes.unwrap_or_default())))
}

/// Returns a member that is a text; an empty text if there is none.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Reads an answer. One without JSON, such as an error of a library, becomes a text.
fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| json!({"detail": String::from_utf8_lossy(bytes)}))
}
