//! The signal that the service stops, for a handler that lasts long.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};
use tokio_util::sync::CancellationToken;

/// Says that the service was asked to stop. A long poll or an event stream ends then, so that it doesn't use
/// up the grace of the others. As an extractor it never fails: without a server it never stops.
#[derive(Debug, Clone, Default)]
pub struct Stopping(CancellationToken);

impl Stopping {
    /// Resolves when the service was asked to stop; fits `StreamExt::take_until`.
    pub async fn wait(self) {
        self.0.cancelled_owned().await;
    }

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
