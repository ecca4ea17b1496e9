//! Sends HTTP requests to the provider and to the system under test.

use std::{error::Error, time::Duration};

use reqwest::{Client, Method};
use serde_json::Value;

/// Holds a request to send.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: Method,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
}

/// Holds an answer of any status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Answer {
    #[must_use]
    pub const fn is_success(&self) -> bool {
        200 <= self.status && self.status < 300
    }

    /// Returns the body, or null when it isn't JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// Returns the status and the beginning of the body as one line.
    #[must_use]
    pub fn summary(&self) -> String {
        format!("{} {}", self.status, self.excerpt())
    }

    /// Returns the beginning of the body as one line.
    #[must_use]
    pub fn excerpt(&self) -> String {
        let line: String = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut short: String = line.chars().take(200).collect();
        if short.len() < line.len() {
            short.push('…');
        }
        short
    }
}

/// Reports a request without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{method} {url}: {reason}")]
pub struct NoAnswer {
    method: Method,
    url: String,
    reason: String,
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// Returns an error when no answer came within `limit`.
pub async fn send(client: &Client, call: Call, limit: Duration) -> Result<Answer, NoAnswer> {
    let Call { method, url, headers, body } = call;
    let mut request = client.request(method.clone(), &url).timeout(limit);
    for (name, value) in &headers {
        request = request.header(name, value);
    }
    if let Some(body) = body {
        request = request.body(body);
    }
    let exchange = async {
        let response = request.send().await?;
        Ok(Answer { status: response.status().as_u16(), text: response.text().await? })
    };
    exchange.await.map_err(|error: reqwest::Error| {
        let reason = if error.is_timeout() {
            format!("no answer within {}", human_duration(limit))
        } else {
            innermost(&error).to_string()
        };
        NoAnswer { method, url, reason }
    })
}

/// Formats a duration as `1.3 s` or `2 min 5 s`.
#[must_use]
pub fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 60, seconds % 60) {
        (0, 0..10) => format!("{:.1} s", duration.as_secs_f64()),
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

/// Returns the first cause: the outer errors only say that something failed.
fn innermost<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_duration_is_shown_more_exactly() {
        let shown =
            [1300, 42_000, 120_000, 125_000].map(|millis| human_duration(Duration::from_millis(millis)));
        assert_eq!(shown, ["1.3 s", "42 s", "2 min", "2 min 5 s"]);
    }
}
