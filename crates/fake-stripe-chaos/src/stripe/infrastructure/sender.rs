//! Sends signed events over HTTP.

use std::{fmt::Write as _, time::Duration};

use async_trait::async_trait;
use reqwest::{Client, header::CONTENT_TYPE};
use ring::hmac;
use service_kit::client;

use crate::stripe::application::{Sender, SignedEvent};

/// The time limit of an endpoint.
const LIMIT: Duration = Duration::from_secs(10);

pub struct HttpSender(Option<Client>);

impl HttpSender {
    #[must_use]
    pub fn new() -> Self {
        // Stripe takes a redirect as a failure.
        let client = client::build_without_redirects(LIMIT);
        if let Err(error) = &client {
            tracing::error!(%error, "webhooks can't be sent");
        }
        Self(client.ok())
    }
}

#[async_trait]
impl Sender for HttpSender {
    async fn send(&self, event: SignedEvent) -> bool {
        let Some(client) = &self.0 else { return false };
        let signature = signature(&event);
        let request = client
            .post(&event.url)
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .header("Stripe-Signature", signature)
            .body(event.body);
        match request.send().await {
            Ok(response) => response.status().is_success(),
            Err(error) => {
                tracing::warn!(error = %error.without_url(), "a webhook endpoint didn't answer");
                false
            }
        }
    }
}

/// Returns the header `Stripe-Signature`: HMAC-SHA256 over the time and the body, with the endpoint's secret.
fn signature(event: &SignedEvent) -> String {
    let seconds = event.signed_at.millis() / 1000;
    let key = hmac::Key::new(hmac::HMAC_SHA256, event.secret.as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{}", event.body).as_bytes());
    let mut text = format!("t={seconds},v1=");
    for byte in tag.as_ref() {
        // Writing to a string never fails.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::clock::Timestamp;

    /// The expected text was computed with Python's `hmac` module.
    #[test]
    fn the_signature_is_the_hmac_of_the_time_and_the_body() {
        let event = SignedEvent {
            url: String::new(),
            secret: "whsec_test".to_owned(),
            signed_at: Timestamp::from_millis(1_700_000_000_123),
            body: r#"{"id":"evt_1"}"#.to_owned(),
        };
        assert_eq!(
            signature(&event),
            "t=1700000000,v1=c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925"
        );
    }
}
