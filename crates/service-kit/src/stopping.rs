//! The signal that the service stops, for handlers that run for a long time.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};
use tokio_util::sync::CancellationToken;

/// Signals that the service has to stop. Long polls and event streams then end at once, so that they don't use
/// up the grace of other requests. The extractor never fails; without a server it never signals.
#[derive(Debug, Clone, Default)]
pub struct Stopping(CancellationToken);

impl Stopping {
    /// Resolves when the service has to stop. Fits `StreamExt::take_until`.
    pub async fn wait(self) {
        self.0.cancelled_owned().await;
    }

    /// Returns true once the service has to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl From<CancellationToken> for Stopping {
    fn from(token: CancellationToken) -> Self {
        Self(token)
    }
}

impl<S: Sync> FromRequestParts<S> for Stopping {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}
