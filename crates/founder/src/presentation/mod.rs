//! User contexts over HTTP: asked, checked, answered whole or part by part.

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

/// What the handlers work with.
#[derive(Clone)]
pub struct UserContexts {
    sources: Sources,
    default: Strategy,
    deadline: Duration,
    parts: IntCounterVec,
}

impl UserContexts {
    pub fn new(sources: Sources, config: &Config, registry: &Registry) -> Self {
        Self {
            sources,
            default: config.strategy,
            deadline: config.deadline,
            parts: counter(
                registry,
                "user_context_parts_total",
                "Parts of user contexts, by part and how asking its source ended.",
                &["part", "status"],
            ),
        }
    }

    /// Asks for every part, each as it comes.
    fn parts(&self, strategy: Strategy) -> impl Stream<Item = Part> + Send + use<> {
        let contexts = self.clone();
        strategy.parts(self.sources.clone()).inspect(move |part| contexts.count(part))
    }

    /// Does what asks the sources, within the deadline.
    async fn in_time<F: Future>(&self, asking: F) -> F::Output {
        Deadline::after(self.deadline).scope(asking).await
    }

    fn count(&self, part: &Part) {
        let ended = part.ended();
        self.parts.with_label_values(&[ended.name.as_str(), ended.status.as_str()]).inc();
        if let Some(error) = ended.error() {
            tracing::warn!(error, attempts = ended.attempts, "a part of a user context is missing");
        }
    }
}

/// Both bound their own time: by the deadline.
pub fn routes(contexts: UserContexts) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(handlers::user_context))
        .routes(routes!(events::stream))
        .with_state(contexts)
}
