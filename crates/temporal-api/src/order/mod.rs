//! Serves orders: requests, checks and answers.

mod address;
mod decisions;
mod dto;
mod events;
mod handlers;
mod list;
mod problems;
mod request;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub use address::Destination;
pub use dto::{
    Accepted, AddressBody, CompensationBody, ErrorBody, ItemBody, OrderBody, ProgressBody, ReasonBody,
    ResultQuery, RunBody, StateBody, WaitFor,
};
pub use handlers::{LONGEST_WAIT, order as parse};
pub use problems::{OrderCode, list_problem, problem};
pub use request::{CustomerId, Email, ITEMS, OrderRequest, QUANTITY, items, sum};
use service_kit::{
    auth::{
        Caller, Role, only,
        roles::{MANAGERS, OPERATORS, OPERATORS_AND_CUSTOMERS, READERS_AND_CUSTOMERS},
    },
    problem::Problem,
};
use tokio::sync::Mutex;
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::{order_fulfillment::state::OrderState, policies::Timing};

use crate::gateway::{Awaited, GatewayError, Observed, OrderFilter, OrderGateway, WorkflowId};

/// Holds the dependencies of the handlers.
#[derive(Clone)]
pub struct Orders {
    gateway: Arc<dyn OrderGateway>,
    timing: Timing,
    /// Holds the last numbers of orders, with their filter and their time.
    last_count: Arc<Mutex<Option<(OrderFilter, Instant, dto::CountsBody)>>>,
}

impl Orders {
    pub fn new(gateway: Arc<dyn OrderGateway>, timing: Timing) -> Self {
        Self { gateway, timing, last_count: Arc::default() }
    }

    /// Returns the state for handlers that read any workflow.
    pub async fn look(&self, id: &WorkflowId) -> Result<Observed<OrderState>, GatewayError> {
        self.gateway.state(id).await
    }

    /// Waits for the end, for handlers that wait for any workflow.
    pub async fn wait(
        &self,
        id: &WorkflowId,
        at_most: Duration,
    ) -> Result<Awaited<OrderState>, GatewayError> {
        self.gateway.wait(id, at_most).await
    }

    /// Hides the order of another customer, as if there were none. Callers with one of the roles may use every order.
    async fn check_owner(&self, caller: &Caller, roles: &[Role], id: &WorkflowId) -> Result<(), Problem> {
        let Some(customer) = caller.limited_to_own(roles) else { return Ok(()) };
        let owner = self.gateway.customer(id).await.map_err(|error| problems::problem(id, error))?;
        if owner.as_deref() == Some(customer) { Ok(()) } else { Err(problems::not_found(id.as_str())) }
    }

    async fn observed(&self, id: &WorkflowId) -> Result<Observed<OrderState>, Problem> {
        self.look(id).await.map_err(|error| problems::problem(id, error))
    }

    /// Returns the state of an order that its workflow decides about, or has decided.
    ///
    /// An order that was ended from outside is closed for every signal.
    async fn state(&self, id: &WorkflowId) -> Result<OrderState, Problem> {
        let observed = self.observed(id).await?;
        match observed.outside {
            None => Ok(observed.state),
            Some(outside) => Err(problems::ended_from_outside(outside, observed.state.error.as_ref())),
        }
    }
}

/// Returns the routes under the general request timeout, and the routes that wait longer.
pub fn module(orders: Orders) -> (OpenApiRouter, OpenApiRouter) {
    let read = OpenApiRouter::new()
        .routes(routes!(handlers::order_status))
        .routes(routes!(handlers::order_progress))
        .routes(routes!(list::list_orders))
        .routes(routes!(list::count_orders))
        .with_state(orders.clone());
    let own = OpenApiRouter::new()
        .routes(routes!(handlers::place))
        .routes(routes!(decisions::cancel_order))
        .routes(routes!(decisions::change_order_address))
        .with_state(orders.clone());
    let decide = OpenApiRouter::new()
        .routes(routes!(decisions::approve))
        .routes(routes!(decisions::reject))
        .with_state(orders.clone());
    let repair = OpenApiRouter::new()
        .routes(routes!(decisions::retry_compensation))
        .routes(routes!(decisions::resolve_compensation))
        .with_state(orders.clone());
    let long = OpenApiRouter::new()
        .routes(routes!(handlers::order_result))
        .routes(routes!(events::events))
        .with_state(orders);
    let routes = only(READERS_AND_CUSTOMERS, read)
        .merge(only(OPERATORS_AND_CUSTOMERS, own))
        .merge(only(MANAGERS, decide))
        .merge(only(OPERATORS, repair));
    (routes, only(READERS_AND_CUSTOMERS, long))
}
