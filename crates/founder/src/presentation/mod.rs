//! The HTTP endpoints: a user context as one answer, or part by part.

mod dto;
mod events;
mod handlers;
mod problems;

use std::time::Duration;

pub use dto::PartBody;
use futures::{Stream, StreamExt};
pub use problems::FounderCode;
use prometheus::{IntCounterVec, Registry};
use service_kit::{client::Deadline, metrics::counter};
use user_context::Sources;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{config::Config, parts::Part, strategies::Strategy};

/// The state of the handlers.
#[derive(Clone)]
pub struct UserContextApi {
    sources: Sources,
    default: Strategy,
    deadline: Duration,
    parts: IntCounterVec,
}

impl UserContextApi {
    pub fn new(sources: Sources, config: &Config, registry: &Registry) -> Self {
        Self {
            sources,
            default: config.strategy,
            deadline: config.deadline,
            parts: counter(
                registry,
                "user_context_parts_total",
                "Parts of user contexts, by part and the result of the call to its source.",
                &["part", "status"],
            ),
        }
    }

    /// Fetches every part in the order of the strategy.
    fn parts(&self, strategy: Strategy) -> impl Stream<Item = Part> + Send + use<> {
        let api = self.clone();
        strategy.parts(self.sources.clone()).inspect(move |part| api.count(part))
    }

    /// Runs calls to the sources within the deadline.
    async fn within_deadline<F: Future>(&self, calls: F) -> F::Output {
        Deadline::after(self.deadline).scope(calls).await
    }

    fn count(&self, part: &Part) {
        let outcome = part.outcome();
        self.parts.with_label_values(&[outcome.name.as_str(), outcome.status.as_str()]).inc();
        if let Some(error) = outcome.error() {
            tracing::warn!(
                part = outcome.name.as_str(),
                error,
                attempts = outcome.attempts,
                "user context part unavailable"
            );
        }
    }
}

/// Returns the routes. Both have the deadline instead of the request timeout.
pub fn routes(api: UserContextApi) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(handlers::user_context))
        .routes(routes!(events::stream))
        .with_state(api)
}
