//! Handles the requests that start and show a return.

use axum::{
    Json,
    extract::{Path, State},
    response::IntoResponse,
};
use service_kit::{correlation::CorrelationId, json::ValidJson, openapi::Fails, problem::Problem};
use workflows::{
    ids,
    order_fulfillment::state::OrderStatus,
    order_return::{messages::ReturnInput, state::ReturnState},
};

use super::{
    Returns,
    dto::{CreateReturnBody, ReturnBody, StartedReturnBody},
    goods,
    problems::{already_running, not_found, not_returnable, not_shipped, problem},
    request::ReturnRequest,
};
use crate::{
    gateway::{Begun, GatewayError, Kind, WorkflowId},
    idempotency::{Claim, IdempotencyKey},
    order,
};

/// Limits the returns of one order. Each needs goods that are left, so a customer rarely has more than a few.
const MAX_RETURNS: u32 = 200;

/// Takes back a shipped order, as a whole or in part: starts the workflow `return-{orderId}-{number}`.
///
/// The provider makes a label for the way back, takes the stock back, and refunds the money. One return of an order
/// runs at a time. Until the restock it can be cancelled.
#[utoipa::path(
    post,
    path = "/api/v1/order/{workflowId}/return",
    tag = "orders",
    params(
        ("workflowId" = String, Path, example = "order-fulfillment-order-1001"),
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this request, 1 to 255 visible ASCII characters. Sent again with the same body it gets the first answer again, marked by `Idempotent-Replayed: true`."),
    ),
    request_body = CreateReturnBody,
    responses(
        (status = 202, description = "The return runs.", body = StartedReturnBody,
            headers(("Idempotent-Replayed" = String, description = "`true` where this is the first answer again."))),
        Fails<404>,
        Fails<409>,
    )
)]
pub(super) async fn return_order(
    State(returns): State<Returns>,
    Path(order): Path<String>,
    correlation: CorrelationId,
    IdempotencyKey(key): IdempotencyKey,
    body: ValidJson<ReturnRequest>,
) -> Result<impl IntoResponse, Problem> {
    let order = order::parse(&order)?;
    let request = body.value;
    let claim = Claim { key, fingerprint: request.fingerprint(order.as_str()) };
    let begun = returns.begin(&order, request, &claim, &correlation).await?;
    if let Begun::Started(started) = &begun {
        tracing::info!(workflow_id = started.workflow_id.as_str(), run_id = started.run_id, "return started");
    }
    Ok(StartedReturnBody::answer(begun))
}

/// Returns the state of a return.
#[utoipa::path(
    get,
    path = "/api/v1/returns/{returnId}",
    tag = "orders",
    params(("returnId" = String, Path, example = "order-1001-1")),
    responses((status = 200, body = ReturnBody), Fails<404>)
)]
pub(super) async fn show_return(
    State(returns): State<Returns>,
    Path(name): Path<String>,
) -> Result<Json<ReturnBody>, Problem> {
    let id = WorkflowId::parse(WorkflowId::of_return(&name).as_str())
        .filter(|id| id.kind() == Kind::Return)
        .ok_or_else(|| not_found(&name))?;
    let state = returns.gateway.state(&id).await.map_err(|error| problem(&id, error))?;
    Ok(Json(ReturnBody::new(&id, state)))
}

/// Lists what is known of the returns of an order.
enum Earlier {
    /// The same request started one of them.
    Begun(Begun),
    /// All have ended, and the next one has this number.
    Ended { returns: Vec<ReturnState>, next: u32 },
}

impl Returns {
    async fn begin(
        &self,
        order: &WorkflowId,
        request: ReturnRequest,
        claim: &Claim,
        correlation: &CorrelationId,
    ) -> Result<Begun, Problem> {
        let observed = self.orders.look(order).await.map_err(|error| order::problem(order, error))?;
        if observed.outside.is_some() || observed.state.status != OrderStatus::Shipped {
            return Err(not_shipped(observed.status(|state| state.status.name())));
        }
        let (earlier, number) = match self.earlier(order.name(), claim).await? {
            Earlier::Begun(begun) => return Ok(begun),
            Earlier::Ended { returns, next } => (returns, next),
        };
        let shipment = self.gateway.shipment(order).await.map_err(|error| order::problem(order, error))?;
        let goods = goods::choose(&shipment, &earlier, request.items.as_deref())
            .map_err(|reason| not_returnable(&reason))?;
        let return_id = ids::return_id(&shipment.order_id, number);
        let id = WorkflowId::of_return(&return_id);
        let input = ReturnInput {
            return_id,
            order_id: shipment.order_id,
            order_first_run_id: shipment.first_run_id,
            lines: goods.lines,
            is_whole: goods.is_whole,
            amount: goods.amount,
            currency: shipment.currency,
            address: shipment.address,
            reason: Some(request.reason),
            correlation_id: correlation.to_string(),
            timing: self.timing,
            resumed: None,
        };
        self.gateway.start(&id, input, claim, correlation).await.map_err(|error| problem(&id, error))
    }

    /// Looks for the returns of an order, whose numbers have no gaps.
    async fn earlier(&self, order_id: &str, claim: &Claim) -> Result<Earlier, Problem> {
        let mut returns = Vec::new();
        for number in 1..=MAX_RETURNS {
            let id = WorkflowId::of_return(&ids::return_id(order_id, number));
            let observed = match self.gateway.state(&id).await {
                Ok(observed) => observed,
                Err(GatewayError::NotFound) => return Ok(Earlier::Ended { returns, next: number }),
                Err(error) => return Err(problem(&id, error)),
            };
            let begun = self.gateway.begun_by(&id, claim).await.map_err(|error| problem(&id, error))?;
            match begun {
                Some(begun) => return Ok(Earlier::Begun(begun)),
                None if observed.is_closed() => returns.push(observed.state),
                None => return Err(already_running(&id)),
            }
        }
        Err(already_running(&WorkflowId::of_return(&ids::return_id(order_id, MAX_RETURNS))))
    }
}
