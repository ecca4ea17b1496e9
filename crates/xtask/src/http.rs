//! JSON over HTTP with the services on this machine.

use std::{error::Error, time::Duration};

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

/// An answer: any status, and the body where it was JSON (else null).
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

/// No answer came.
#[derive(Debug, thiserror::Error)]
#[error("{method} {url}: {reason}")]
pub struct Unanswered {
    method: Method,
    url: String,
    reason: String,
}

/// A client that never leaves this machine, whatever proxy the environment names.
#[derive(Debug, Clone)]
pub struct Http(Client);

impl Http {
    /// # Errors
    /// When the TLS library, which we don't use here but reqwest sets up, can't be.
    pub fn new() -> reqwest::Result<Self> {
        // Already installed is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self(Client::builder().no_proxy().build()?))
    }

    /// # Errors
    /// When no answer came within `limit`; any status is an answer.
    pub async fn get(&self, url: &str, limit: Duration) -> Result<Answer, Unanswered> {
        self.ask(Method::GET, url, None, limit).await
    }

    /// # Errors
    /// When no answer came within `limit`; any status is an answer.
    pub async fn post(&self, url: &str, body: &Value, limit: Duration) -> Result<Answer, Unanswered> {
        self.ask(Method::POST, url, Some(body), limit).await
    }

    /// # Errors
    /// When no answer came within `limit`; any status is an answer.
    pub async fn put(&self, url: &str, body: &Value, limit: Duration) -> Result<Answer, Unanswered> {
        self.ask(Method::PUT, url, Some(body), limit).await
    }

    /// # Errors
    /// When no answer came within `limit`; any status is an answer.
    pub async fn delete(&self, url: &str, limit: Duration) -> Result<Answer, Unanswered> {
        self.ask(Method::DELETE, url, None, limit).await
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        body: Option<&Value>,
        limit: Duration,
    ) -> Result<Answer, Unanswered> {
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
        exchange.await.map_err(|error: reqwest::Error| Unanswered {
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

/// The outer errors only say that something failed.
fn innermost<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}
