//! Defines the bodies of returns. Histories outlive the bodies, so they have types of their own.

use axum::{
    Json,
    http::{StatusCode, header::LOCATION},
    response::IntoResponse,
};
use serde::Serialize;
use utoipa::ToSchema;
use workflows::{activities::inventory::StockLine, order_return::state::ReturnState};

use crate::{
    gateway::{Begun, Observed, WorkflowId},
    idempotency::Answered,
    order::{CompensationBody, ErrorBody, RunBody},
};

/// Documents the body of a return. [`ReturnRequest`](super::request::ReturnRequest) reads it.
#[derive(ToSchema)]
#[schema(as = Return, rename_all = "camelCase")]
#[allow(dead_code, reason = "the schema alone is used")]
pub struct CreateReturnBody {
    /// Lists the goods that come back. Without it, everything that is left comes back.
    #[schema(min_items = 1, max_items = 100)]
    items: Option<Vec<ReturnedItemBody>>,
    #[schema(example = "too small", min_length = 1, max_length = 200)]
    reason: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReturnedItem)]
pub struct ReturnedItemBody {
    #[schema(example = "book", min_length = 1, max_length = 200)]
    sku: String,
    #[schema(example = 1, minimum = 1, maximum = 1_000_000)]
    quantity: u32,
}

impl From<StockLine> for ReturnedItemBody {
    fn from(StockLine { sku, quantity }: StockLine) -> Self {
        Self { sku, quantity }
    }
}

/// Describes a return that was started.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StartedReturn)]
pub struct StartedReturnBody {
    #[schema(example = true)]
    success: bool,
    #[schema(example = "order-1001-1")]
    return_id: String,
    #[schema(example = "return-order-1001-1")]
    workflow_id: String,
    run_id: String,
    /// Says that the same request started it before, and that it runs.
    already_running: bool,
}

impl StartedReturnBody {
    /// Answers 202 with a link.
    pub fn answer(begun: Begun) -> impl IntoResponse + use<> {
        let (started, already_running, replayed) = match begun {
            Begun::Started(started) => (started, false, false),
            Begun::Replayed { started, .. } => (started, false, true),
            Begun::Running { started, .. } => (started, true, false),
        };
        let return_id = started.workflow_id.name().to_owned();
        let location = format!("/api/v1/returns/{return_id}");
        let workflow_id = started.workflow_id.as_str().to_owned();
        let body = Self { success: true, return_id, workflow_id, run_id: started.run_id, already_running };
        Answered { answer: (StatusCode::ACCEPTED, [(LOCATION, location)], Json(body)), replayed }
    }
}

/// Describes the state of a return.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReturnState)]
pub struct ReturnBody {
    /// Is absent from the 202 of a result.
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<bool>,
    #[schema(example = "order-1001-1")]
    return_id: String,
    #[schema(example = "order-1001")]
    order_id: String,
    workflow_id: String,
    #[serde(flatten)]
    run: RunBody,
    /// Is `processing`, `refund_refused` (the goods are back, and the refund is tried again), `compensating` or
    /// `compensation_failed` while it runs. Then it is `completed`, `cancelled` or `failed`. After an end from outside
    /// it is `terminated` or `timed_out`.
    #[schema(example = "completed")]
    status: &'static str,
    /// Is `creating_return_label`, `restocking`, `refunding` or `completed`.
    #[schema(example = "completed")]
    current_step: &'static str,
    items: Vec<ReturnedItemBody>,
    /// Says that nothing of the order is left with the customer afterwards.
    whole: bool,
    /// Holds the refund in minor units.
    #[schema(example = 5998)]
    amount: u64,
    #[schema(example = "usd")]
    currency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_id: Option<String>,
    compensations: Vec<CompensationBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
    /// Grows with every change.
    version: u64,
}

impl ReturnBody {
    pub fn new(id: &WorkflowId, observed: Observed<ReturnState>) -> Self {
        let status = observed.status(|state| state.status.name());
        let Observed { run, state, .. } = observed;
        Self {
            success: Some(true),
            workflow_id: id.as_str().to_owned(),
            run: run.into(),
            return_id: state.return_id,
            order_id: state.order_id,
            status,
            current_step: state.step.name(),
            items: state.lines.into_iter().map(Into::into).collect(),
            whole: state.is_whole,
            amount: state.amount,
            currency: state.currency,
            reason: state.reason,
            label_id: state.label_id,
            tracking_number: state.tracking_number,
            refund_id: state.refund_id,
            compensations: state.compensations.into_iter().map(Into::into).collect(),
            error: state.error.map(Into::into),
            version: state.version,
        }
    }

    /// Builds the result: `success` says whether the goods and the money are back.
    pub fn of_result(id: &WorkflowId, observed: Observed<ReturnState>) -> Self {
        Self { success: Some(observed.succeeded()), ..Self::new(id, observed) }
    }

    /// Builds the state of a return whose result is not available yet.
    pub fn of_now(id: &WorkflowId, observed: Observed<ReturnState>) -> Self {
        Self { success: None, ..Self::new(id, observed) }
    }
}
