//! Handles the starts of payments. The other endpoints are the same for every workflow.

use axum::{extract::State, response::IntoResponse};
use service_kit::{correlation::CorrelationId, json::ValidJson, problem::Problem};

use super::{Payments, dto::StartPaymentBody, request::PaymentRequest};
use crate::{
    gateway::{Begun, WorkflowId},
    idempotency::{Claim, IdempotencyKey},
    workflow::{StartedBody, problem},
};

/// Charges a card: starts `payment-{orderId, else correlationId}`. For a while the payment can be cancelled.
#[utoipa::path(
    post,
    path = "/api/v1/workflows/payment",
    tag = "workflows",
    params(("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this request, 1 to 255 visible ASCII characters. Sent again with the same body it gets the first answer again, marked by `Idempotent-Replayed: true`. It names the payment where the body names neither an order nor a correlation id.")),
    request_body = StartPaymentBody,
    responses(
        (status = 202, description = "The payment is on its way.", body = StartedBody,
            headers(("Idempotent-Replayed" = String, description = "`true` where this is the first answer again."))),
        (status = 409, description = "`workflow_already_exists`: it runs already or has succeeded; one that failed may be tried again. \
            `idempotency_key_reused`: the key came with another body before.",
            body = service_kit::problem::ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn start_payment(
    State(payments): State<Payments>,
    correlation: CorrelationId,
    IdempotencyKey(key): IdempotencyKey,
    body: ValidJson<PaymentRequest>,
) -> Result<impl IntoResponse, Problem> {
    let claim = Claim { fingerprint: body.value.fingerprint(), key };
    let reference = body.value.reference(&correlation, claim.key.as_ref());
    let correlation = body.value.correlation.clone().unwrap_or(correlation);
    let id = WorkflowId::of_payment(&reference);
    let input = body.value.into_input(reference, &correlation, payments.timing, payments.cancel_window);
    let begun = payments
        .gateway
        .start(&id, input, &claim, &correlation)
        .await
        .map_err(|error| problem(id.as_str(), error))?;
    if let Begun::Started(started) = &begun {
        tracing::info!(
            workflow_id = id.as_str(),
            run_id = started.run_id,
            correlation_id = correlation.as_str(),
            "payment started"
        );
    }
    StartedBody::answer(begun, &correlation, "the payment is on its way")
}
