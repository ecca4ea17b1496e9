//! Starting payments; what follows is the same for every workflow.

use axum::{extract::State, response::IntoResponse};
use service_kit::{correlation::CorrelationId, json::ValidJson, problem::Problem};

use super::{Payments, dto::StartPaymentBody, request::PaymentRequest};
use crate::{
    gateway::WorkflowId,
    workflow::{StartedBody, problem},
};

/// Charges a card: starts `payment-{orderId, else correlationId}`. For a while the payment can be cancelled.
#[utoipa::path(
    post,
    path = "/api/v1/workflows/payment",
    tag = "workflows",
    request_body = StartPaymentBody,
    responses(
        (status = 202, description = "The payment is on its way.", body = StartedBody),
        (status = 409, description = "`workflow_already_exists`: it runs already or has succeeded; one that failed may be tried again.",
            body = service_kit::problem::ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn start(
    State(payments): State<Payments>,
    correlation: CorrelationId,
    body: ValidJson<PaymentRequest>,
) -> Result<impl IntoResponse, Problem> {
    let correlation = body.value.correlation.clone().unwrap_or(correlation);
    let id = WorkflowId::of_payment(&body.value.reference(&correlation));
    let input = body.value.into_input(&correlation, payments.timing, payments.cancel_window);
    let started = payments
        .gateway
        .start(&id, input, &correlation)
        .await
        .map_err(|error| problem(id.as_str(), error))?;
    tracing::info!(
        workflow_id = id.as_str(),
        run_id = started.run_id,
        correlation_id = correlation.as_str(),
        "payment started"
    );
    Ok(StartedBody::answer(started, &correlation, "the payment is on its way"))
}
