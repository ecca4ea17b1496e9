//! Manages requests that stay open: event streams and long polls. Their number is limited, and they end
//! when the service stops.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use prometheus::{IntGauge, Registry};
use service_kit::{metrics::gauge, problem::Problem, stopping::Stopping};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::workflow::too_many_waiting;

/// Holds the places for requests that stay open.
#[derive(Clone)]
pub struct Waiting {
    places: Arc<Semaphore>,
    open: IntGauge,
}

impl Waiting {
    /// Creates the places, and registers the gauge of those that are taken.
    ///
    /// # Panics
    /// Panics if the gauge is registered already. That is a fault of the program, and its first start
    /// shows it.
    pub fn new(limit: usize, registry: &Registry) -> Self {
        let open = gauge(registry, "waiting_requests", "Event streams and long polls that are open.");
        Self { places: Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))), open }
    }
}

/// Holds the place of a request that stays open. The drop of this value frees the place.
pub struct Place {
    _permit: Option<OwnedSemaphorePermit>,
    open: Option<IntGauge>,
    stopping: Stopping,
}

impl Place {
    /// Waits for a future, unless the service stops first.
    pub async fn unless_stopping<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = wait => Some(done),
            () = self.stopping() => None,
        }
    }

    /// Resolves when the service stops.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + use<> {
        self.stopping.clone().wait()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(open) = &self.open {
            open.dec();
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Place {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ok(stopping) = Stopping::from_request_parts(parts, state).await;
        let Some(waiting) = parts.extensions.get::<Waiting>() else {
            return Ok(Self { _permit: None, open: None, stopping });
        };
        let permit = waiting.places.clone().try_acquire_owned().map_err(|_| too_many_waiting())?;
        waiting.open.inc();
        Ok(Self { _permit: Some(permit), open: Some(waiting.open.clone()), stopping })
    }
}
