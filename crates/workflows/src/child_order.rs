//! Runs an order as a child of another workflow. The order continues if its parent ends.

use temporalio_common::{
    error::{ChildWorkflowExecutionError, ChildWorkflowStartError, IncomingError},
    search_attributes::SearchAttributes,
};
use temporalio_workflow::{
    ChildWorkflowOptions, ParentClosePolicy, WorkflowCancellationToken, WorkflowContext,
    WorkflowIdReusePolicy,
};

use crate::{
    failure::StateError,
    ids,
    order_fulfillment::{
        OrderFulfillment,
        messages::OrderInput,
        state::{Order, OrderState, OrderStatus},
    },
    search_attributes,
};

/// The end of a child order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChildOrder {
    Shipped,
    NotShipped {
        /// `None` if the order did not run: another order has its id, or somebody ended it from outside.
        status: Option<OrderStatus>,
        error: StateError,
    },
}

/// Places an order and waits for its end. Only the given token cancels it; then it undoes itself first. An order that
/// failed before may be placed again under its id. `total` is the amount in major units, for lists.
pub(crate) async fn run<W: 'static>(
    ctx: &WorkflowContext<W>,
    input: OrderInput,
    total: &str,
    token: WorkflowCancellationToken,
) -> ChildOrder {
    let options = ChildWorkflowOptions::builder()
        .workflow_id(ids::order_workflow_id(&input.order_id))
        .static_summary(format!("order {}", input.order_id))
        .parent_close_policy(ParentClosePolicy::Abandon)
        .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicateFailedOnly)
        .cancellation_token(token)
        .maybe_search_attributes(input.search_attributes.then(|| attributes(&input, total)))
        .build();
    let started = match ctx.start_child_workflow(OrderFulfillment::run, input, options).await {
        Ok(started) => started,
        Err(error) => return not_started(&error),
    };
    match started.result().await {
        Ok(OrderState { status: OrderStatus::Shipped, .. }) => ChildOrder::Shipped,
        Ok(state) => ended(Some(state.status), state.error),
        Err(error) => failed(&error),
    }
}

fn attributes(input: &OrderInput, total: &str) -> SearchAttributes {
    let status = Order::new(&input.order_id, input.requires_approval).state().status;
    SearchAttributes::new([
        search_attributes::ORDER_ID.value_set(input.order_id.clone()),
        search_attributes::CUSTOMER_ID.value_set(input.customer_id.clone()),
        search_attributes::ORDER_STATUS.value_set(status.name().to_owned()),
        search_attributes::TOTAL_AMOUNT.value_set(total.parse().unwrap_or_default()),
    ])
}

fn not_started(error: &ChildWorkflowStartError) -> ChildOrder {
    let error = match error {
        ChildWorkflowStartError::StartFailed { .. } => {
            StateError::new("ORDER_ALREADY_EXISTS", "another order has this id")
        }
        _ => StateError::new("INTERNAL", "the order could not be started"),
    };
    ended(None, Some(error))
}

fn failed(error: &ChildWorkflowExecutionError) -> ChildOrder {
    match error.cause() {
        Some(IncomingError::Application(cause)) => {
            let state: Option<OrderState> = cause.details().ok().flatten();
            let code = cause.type_name().unwrap_or("INTERNAL");
            let error = StateError::new(code, cause.source_error().to_string());
            ended(state.map(|state| state.status), Some(error))
        }
        _ => ended(None, Some(StateError::new("TERMINATED", "the order was ended from outside"))),
    }
}

fn ended(status: Option<OrderStatus>, error: Option<StateError>) -> ChildOrder {
    let error = error.unwrap_or_else(|| StateError::new("INTERNAL", "the order ended without a reason"));
    ChildOrder::NotShipped { status, error }
}
