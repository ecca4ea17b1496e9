//! Exchanges JSON over HTTP with the services on this machine.

use std::{error::Error, time::Duration};

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

/// An answer with any status. The body is null when it isn't JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

/// A request got no answer.
#[derive(Debug, thiserror::Error)]
#[error("{method} {url}: {reason}")]
pub struct NoAnswer {
    method: Method,
    url: String,
    reason: String,
}

/// An HTTP client that ignores the proxies of the environment.
#[derive(Debug, Clone)]
pub struct Http(Client);

impl Http {
    /// # Errors
    /// Returns an error when reqwest can't set up its TLS library.
    pub fn new() -> reqwest::Result<Self> {
        // An error means that a provider is already installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self(Client::builder().no_proxy().build()?))
    }

    /// # Errors
    /// Returns an error when no answer arrives within `limit`. Any status is an answer.
    pub async fn get(&self, url: &str, limit: Duration) -> Result<Answer, NoAnswer> {
        self.ask(Method::GET, url, None, limit).await
    }

    /// # Errors
    /// Returns an error when no answer arrives within `limit`. Any status is an answer.
    pub async fn post(&self, url: &str, body: &Value, limit: Duration) -> Result<Answer, NoAnswer> {
        self.ask(Method::POST, url, Some(body), limit).await
    }

    /// # Errors
    /// Returns an error when no answer arrives within `limit`. Any status is an answer.
    pub async fn put(&self, url: &str, body: &Value, limit: Duration) -> Result<Answer, NoAnswer> {
        self.ask(Method::PUT, url, Some(body), limit).await
    }

    /// # Errors
    /// Returns an error when no answer arrives within `limit`. Any status is an answer.
    pub async fn delete(&self, url: &str, limit: Duration) -> Result<Answer, NoAnswer> {
        self.ask(Method::DELETE, url, None, limit).await
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        body: Option<&Value>,
        limit: Duration,
    ) -> Result<Answer, NoAnswer> {
        let mut request = self.0.request(method.clone(), url).timeout(limit);
        if let Some(body) = body {
            request = request.json(body);
        }
        let exchange = async {
            let response = request.send().await?;
            let status = response.status();
            let body = serde_json::from_slice(&response.bytes().await?).unwrap_or(Value::Null);
            Ok(Answer { status, body })
        };
        exchange.await.map_err(|error: reqwest::Error| NoAnswer {
            method,
            url: url.to_owned(),
            reason: if error.is_timeout() {
                format!("no answer within {} s", limit.as_secs_f32())
            } else {
                innermost(&error).to_string()
            },
        })
    }
}

/// Returns the innermost error, since the outer ones only say that a request failed.
fn innermost<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}
