//! The HTTP client that services call one another with.

use std::time::Duration;

use axum::http::HeaderValue;
use reqwest::{Client, RequestBuilder};

use crate::correlation::{self, CorrelationId};

/// A client with a time limit for the whole call.
///
/// # Errors
/// When the TLS library has no usable root certificates.
pub fn build(timeout: Duration) -> reqwest::Result<Client> {
    // Already installed is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .timeout(timeout)
        .connect_timeout(timeout.min(Duration::from_secs(3)))
        .user_agent(concat!("order-fulfilment/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .build()
}

/// Gives a call the correlation id of the work it belongs to.
pub fn correlated(request: RequestBuilder) -> RequestBuilder {
    match CorrelationId::current() {
        Some(id) => request.header(correlation::HEADER, HeaderValue::from(&id)),
        None => request,
    }
}
