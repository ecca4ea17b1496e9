//! Orders: what is asked, checked, answered.

mod address;
mod decisions;
mod dto;
mod events;
mod handlers;
mod list;
mod problems;
mod request;

use std::{sync::Arc, time::Duration};

pub use dto::{
    Accepted, CompensationBody, ErrorBody, ProgressBody, ReasonBody, ResultQuery, RunBody, StateBody, WaitFor,
};
pub use handlers::LONGEST_WAIT;
pub use problems::OrderCode;
pub use request::CustomerId;
use service_kit::problem::Problem;
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::{order_fulfillment::state::OrderState, policies::Timing};

use crate::gateway::{Awaited, GatewayError, Observed, OrderGateway, WorkflowId};

/// What the handlers work with.
#[derive(Clone)]
pub struct Orders {
    gateway: Arc<dyn OrderGateway>,
    timing: Timing,
}

impl Orders {
    pub fn new(gateway: Arc<dyn OrderGateway>, timing: Timing) -> Self {
        Self { gateway, timing }
    }

    /// For those who look at any workflow.
    pub async fn look(&self, id: &WorkflowId) -> Result<Observed<OrderState>, GatewayError> {
        self.gateway.state(id).await
    }

    /// For those who wait for any workflow.
    pub async fn wait(
        &self,
        id: &WorkflowId,
        at_most: Duration,
    ) -> Result<Awaited<OrderState>, GatewayError> {
        self.gateway.wait(id, at_most).await
    }

    async fn observed(&self, id: &WorkflowId) -> Result<Observed<OrderState>, Problem> {
        self.look(id).await.map_err(|error| problems::problem(id, error))
    }

    /// Returns the state of an order that its workflow still decides about, or has decided.
    ///
    /// One that was ended from outside is closed for whatever somebody wants to tell it.
    async fn state(&self, id: &WorkflowId) -> Result<OrderState, Problem> {
        let observed = self.observed(id).await?;
        match observed.outside {
            None => Ok(observed.state),
            Some(outside) => Err(problems::ended_from_outside(outside, observed.state.error.as_ref())),
        }
    }
}

/// The routes under the general request timeout, and those that wait longer.
pub fn module(orders: Orders) -> (OpenApiRouter, OpenApiRouter) {
    let routes = OpenApiRouter::new()
        .routes(routes!(handlers::place))
        .routes(routes!(handlers::status))
        .routes(routes!(handlers::progress))
        .routes(routes!(decisions::approve))
        .routes(routes!(decisions::reject))
        .routes(routes!(decisions::cancel))
        .routes(routes!(decisions::retry_compensation))
        .routes(routes!(decisions::resolve_compensation))
        .routes(routes!(list::list))
        .with_state(orders.clone());
    let long = OpenApiRouter::new()
        .routes(routes!(handlers::result))
        .routes(routes!(events::events))
        .with_state(orders);
    (routes, long)
}
