//! Serves subscriptions: requests, checks and answers.

mod changes;
mod dto;
mod handlers;
mod list;
mod problems;
mod request;

use std::{sync::Arc, time::Duration};

pub use dto::SubscriptionBody;
pub use problems::SubscriptionCode;
use service_kit::auth::{
    only,
    roles::{OPERATORS, READERS},
};
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::policies::Timing;

use crate::gateway::SubscriptionGateway;

/// Holds the dependencies of the handlers.
#[derive(Clone)]
pub struct Subscriptions {
    pub gateway: Arc<dyn SubscriptionGateway>,
    timing: Timing,
    /// The wait before a failed order is placed again.
    retry_after: Duration,
    periods_per_run: u32,
}

impl Subscriptions {
    pub fn new(
        gateway: Arc<dyn SubscriptionGateway>,
        timing: Timing,
        retry_after: Duration,
        periods_per_run: u32,
    ) -> Self {
        Self { gateway, timing, retry_after, periods_per_run }
    }
}

pub fn module(subscriptions: Subscriptions) -> OpenApiRouter {
    let read = OpenApiRouter::new()
        .routes(routes!(list::list_subscriptions))
        .routes(routes!(handlers::show_subscription))
        .with_state(subscriptions.clone());
    let operate = OpenApiRouter::new()
        .routes(routes!(handlers::create_subscription))
        .routes(routes!(changes::pause_subscription))
        .routes(routes!(changes::resume_subscription))
        .routes(routes!(changes::skip_next))
        .routes(routes!(changes::cancel_subscription))
        .routes(routes!(changes::change_items))
        .routes(routes!(changes::change_subscription_address))
        .routes(routes!(changes::change_interval))
        .with_state(subscriptions);
    only(READERS, read).merge(only(OPERATORS, operate))
}
