//! Defines the bodies of batches. Histories outlive the bodies, so they have types of their own.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use workflows::{
    ids,
    order_batch::{chunk::Unshipped, state::BatchState},
};

use crate::{
    gateway::{Observed, WorkflowId},
    order::{ErrorBody, OrderBody, RunBody},
};

/// Documents the body of `POST /api/v1/order-batches`.
/// [`BatchRequest`](super::request::BatchRequest) reads it.
#[derive(ToSchema)]
#[schema(as = OrderBatch, rename_all = "camelCase")]
#[allow(dead_code, reason = "the schema alone is used")]
pub struct CreateBatchBody {
    /// 1 to 100 of `A-Z a-z 0-9 . _ -`. An id is used once.
    #[schema(example = "monday", min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9._-]{1,100}$")]
    batch_id: String,
    #[schema(min_items = 1, max_items = 10_000)]
    orders: Vec<OrderBody>,
}

/// Describes the state of a batch.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OrderBatchState)]
pub struct BatchBody {
    /// Is absent from the 202 of a result.
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<bool>,
    #[schema(example = "monday")]
    batch_id: String,
    workflow_id: String,
    #[serde(flatten)]
    run: RunBody,
    /// Is `receiving`, `running`, `paused` or `cancelling`, then `completed` (every order has ended), `cancelled` or
    /// `abandoned` (not all orders arrived, and none started). After an end from outside it is `terminated` or
    /// `timed_out`.
    #[schema(example = "running")]
    status: &'static str,
    orders: u32,
    /// Limits the orders that run at the same time.
    window: u32,
    running: u32,
    /// Counts the orders by their ends: `shipped`, `rejected`, `cancelled`, `failed`, `already_exists`,
    /// `ended_outside` and `not_started`. It may lag behind by a tenth of a chunk.
    #[schema(example = json!({"shipped": 97, "failed": 3}))]
    ends: BTreeMap<&'static str, u32>,
    /// Lists the first 500 orders that did not ship.
    unshipped: Vec<UnshippedBody>,
    unshipped_omitted: u32,
    /// Grows with every change.
    version: u64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UnshippedOrder)]
struct UnshippedBody {
    order_id: String,
    workflow_id: String,
    #[schema(example = "failed")]
    end: &'static str,
    error: ErrorBody,
}

impl From<Unshipped> for UnshippedBody {
    fn from(Unshipped { order_id, end, error }: Unshipped) -> Self {
        let workflow_id = ids::order_workflow_id(&order_id);
        Self { order_id, workflow_id, end: end.name(), error: error.into() }
    }
}

impl BatchBody {
    pub fn new(id: &WorkflowId, observed: Observed<BatchState>) -> Self {
        let status = observed.status(|state| state.status.name());
        let Observed { run, state, .. } = observed;
        Self {
            success: Some(true),
            batch_id: state.batch_id,
            workflow_id: id.as_str().to_owned(),
            run: run.into(),
            status,
            orders: state.orders,
            window: state.window,
            running: state.running,
            ends: state.ends.into_iter().map(|(end, orders)| (end.name(), orders)).collect(),
            unshipped: state.unshipped.into_iter().map(Into::into).collect(),
            unshipped_omitted: state.unshipped_omitted,
            version: state.version,
        }
    }

    /// Builds the result: `success` says whether every order shipped.
    pub fn of_result(id: &WorkflowId, observed: Observed<BatchState>) -> Self {
        Self { success: Some(observed.succeeded()), ..Self::new(id, observed) }
    }

    /// Builds the state of a batch whose result is not available yet.
    pub fn of_now(id: &WorkflowId, observed: Observed<BatchState>) -> Self {
        Self { success: None, ..Self::new(id, observed) }
    }
}
