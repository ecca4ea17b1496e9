//! The HTTP client that services call one another with.

use std::time::Duration;

use reqwest::Client;

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
