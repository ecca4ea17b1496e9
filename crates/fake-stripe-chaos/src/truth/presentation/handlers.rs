//! The endpoints of the truth.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use service_kit::{json::ValidJson, openapi::Fails, problem::Problem};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::dto::{
    ForgottenResponse, JournalParams, JournalResponse, LedgerResponse, OrderHistoryResponse, OutcomeRequest,
    OutcomeResponse, VerdictParams, VerdictResponse,
};
use crate::{
    shared::{
        ids::OrderId,
        presentation::{Params, problems},
    },
    truth::application::{TellOutcome, TruthService},
};

type Truth = State<Arc<TruthService>>;

/// The routes, over a service.
pub fn routes(service: TruthService) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(get_ledger))
        .routes(routes!(get_order_history))
        .routes(routes!(put_outcome))
        .routes(routes!(get_verdict))
        .routes(routes!(get_journal, delete_journal))
        .with_state(Arc::new(service))
}

fn order_id(text: &str) -> Result<OrderId, Problem> {
    text.parse().map_err(|error| problems::invalid_path("orderId", error))
}

/// The sums of everything that ever happened.
#[utoipa::path(get, path = "/ledger", tag = "truth", responses((status = 200, description = "The sums.", body = LedgerResponse)))]
async fn get_ledger(State(truth): Truth) -> Result<Json<LedgerResponse>, Problem> {
    let (totals, expired) = truth.totals().await?;
    Ok(Json(LedgerResponse::new(&totals, &expired)))
}

/// All that one order ever caused, in time order.
#[utoipa::path(
    get, path = "/ledger/orders/{orderId}", tag = "truth", params(("orderId" = String, Path)),
    responses((status = 200, description = "Its effects.", body = OrderHistoryResponse), Fails<404>)
)]
async fn get_order_history(
    State(truth): Truth,
    Path(order): Path<String>,
) -> Result<Json<OrderHistoryResponse>, Problem> {
    let order = order_id(&order)?;
    let history = truth.history(order.clone()).await??;
    Ok(Json(OrderHistoryResponse::new(&order, &history)))
}

/// Tell how an order ended: for who watches from outside, never for the system under test.
#[utoipa::path(
    put, path = "/ledger/orders/{orderId}/outcome", tag = "truth", params(("orderId" = String, Path)),
    request_body = OutcomeRequest, responses((status = 200, description = "How it ended.", body = OutcomeResponse), Fails<409>)
)]
async fn put_outcome(
    State(truth): Truth,
    Path(order): Path<String>,
    ValidJson { value, .. }: ValidJson<OutcomeRequest>,
) -> Result<Json<OutcomeResponse>, Problem> {
    let order = order_id(&order)?;
    let command = TellOutcome { order_id: order.clone(), outcome: value.outcome };
    let told = truth.tell(command).await??;
    Ok(Json(OutcomeResponse::new(&order, told)))
}

/// Whether the ledger and the orders' ends agree.
#[utoipa::path(
    get, path = "/verdict", tag = "truth", params(VerdictParams),
    responses((status = 200, description = "The verdict, good or bad.", body = VerdictResponse), Fails<404>)
)]
async fn get_verdict(
    State(truth): Truth,
    Params(params): Params<VerdictParams>,
) -> Result<Json<VerdictResponse>, Problem> {
    let verdict = truth.verdict(params.try_into()?).await??;
    Ok(Json(verdict.into()))
}

/// The last requests and what was decided for each, the newest first.
#[utoipa::path(
    get, path = "/journal", tag = "truth", params(JournalParams),
    responses((status = 200, description = "The requests.", body = JournalResponse))
)]
async fn get_journal(
    State(truth): Truth,
    Params(params): Params<JournalParams>,
) -> Result<Json<JournalResponse>, Problem> {
    let lines = truth.journal(params.try_into()?).await?;
    Ok(Json(lines.into()))
}

/// Forget the journal; the ledger stays.
#[utoipa::path(
    delete, path = "/journal", tag = "truth", responses((status = 200, description = "How many were forgotten.", body = ForgottenResponse))
)]
async fn delete_journal(State(truth): Truth) -> Result<Json<ForgottenResponse>, Problem> {
    let forgotten = truth.forget_journal().await?;
    Ok(Json(ForgottenResponse::new(forgotten)))
}
