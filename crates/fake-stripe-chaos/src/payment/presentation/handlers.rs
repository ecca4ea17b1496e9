//! The endpoints of payments.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use service_kit::{json::ValidJson, openapi::Fails, problem::Problem};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::dto::{
    AuthorizeRequest, AuthorizeResponse, CaptureRequest, CaptureResponse, ChargeRequest, ChargeResponse,
    PaymentView, RefundRequest, RefundResponse, ReleaseRequest, ReleaseResponse,
};
use crate::{
    payment::application::{AUTHORIZE, CAPTURE, CHARGE, CONTEXT, PaymentService, REFUND, RELEASE},
    shared::{
        deps::Deps,
        presentation::{
            Asked, CallHeaders, Distribution, Params, RecentParams, RecentRequests, Shown, Stats, StatsReset,
            Undone, created, distribution, done, found, recent, reset_stats, stats,
        },
    },
};

struct Payments {
    service: PaymentService,
    deps: Deps,
}

/// The routes, over a service.
pub fn routes(service: PaymentService, deps: &Deps) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(authorize))
        .routes(routes!(capture))
        .routes(routes!(release))
        .routes(routes!(refund))
        .routes(routes!(charge))
        .routes(routes!(get_distribution))
        .routes(routes!(get_stats))
        .routes(routes!(get_recent))
        .routes(routes!(reset))
        .routes(routes!(get_payment))
        .with_state(Arc::new(Payments { service, deps: deps.clone() }))
}

/// Hold money for a capture.
#[utoipa::path(
    post, path = "/payment/authorize", tag = "payment", params(CallHeaders), request_body = AuthorizeRequest,
    responses((status = 201, description = "The money is held.", body = AuthorizeResponse))
)]
async fn authorize(
    State(payments): State<Arc<Payments>>,
    asked: Asked,
    ValidJson { value, canonical }: ValidJson<AuthorizeRequest>,
) -> Result<Response, Problem> {
    let canonical = value.canonical(&canonical);
    let shown = value.shown();
    let command = value.command(asked.order());
    let call = asked.call(AUTHORIZE, &payments.deps.catalogue, &canonical, &shown)?;
    let reply = payments.service.authorize(call, command).await;
    Ok(created(reply, |seen, _| Some(AuthorizeResponse::of(&seen.resource))))
}

/// Take the money that is held.
#[utoipa::path(
    post, path = "/payment/capture", tag = "payment", params(CallHeaders), request_body = CaptureRequest,
    responses((status = 200, description = "The money is taken.", body = CaptureResponse), Fails<404>)
)]
async fn capture(
    State(payments): State<Arc<Payments>>,
    asked: Asked,
    ValidJson { value, canonical }: ValidJson<CaptureRequest>,
) -> Result<Response, Problem> {
    let call = asked.call(CAPTURE, &payments.deps.catalogue, &canonical, &value.shown())?;
    let reply = payments.service.capture(call, value.command()).await;
    Ok(done(reply, |seen, _| CaptureResponse::of(&seen.resource)))
}

/// Let go of the money that is held.
#[utoipa::path(
    post, path = "/payment/release", tag = "payment", params(CallHeaders), request_body = ReleaseRequest,
    responses((status = 200, description = "Nothing is held any more.", body = Undone<ReleaseResponse>), Fails<404>)
)]
async fn release(
    State(payments): State<Arc<Payments>>,
    asked: Asked,
    ValidJson { value, canonical }: ValidJson<ReleaseRequest>,
) -> Result<Response, Problem> {
    let call = asked.call(RELEASE, &payments.deps.catalogue, &canonical, &value.shown())?;
    let reply = payments.service.release(call, value.command()).await;
    Ok(done(reply, |seen, _| ReleaseResponse::of(&seen.resource)))
}

/// Give back captured money, in part or whole.
#[utoipa::path(
    post, path = "/payment/refund", tag = "payment", params(CallHeaders), request_body = RefundRequest,
    responses((status = 200, description = "The money is given back.", body = Undone<RefundResponse>), Fails<404>)
)]
async fn refund(
    State(payments): State<Arc<Payments>>,
    asked: Asked,
    ValidJson { value, canonical }: ValidJson<RefundRequest>,
) -> Result<Response, Problem> {
    let call = asked.call(REFUND, &payments.deps.catalogue, &canonical, &value.shown())?;
    let reply = payments.service.refund(call, value.command()).await;
    Ok(done(reply, |seen, part| RefundResponse::of(&seen.resource, part)))
}

/// Authorize and capture in one.
#[utoipa::path(
    post, path = "/payment/charge", tag = "payment", params(CallHeaders), request_body = ChargeRequest,
    responses((status = 200, description = "The money is taken.", body = ChargeResponse))
)]
async fn charge(
    State(payments): State<Arc<Payments>>,
    asked: Asked,
    ValidJson { value, canonical }: ValidJson<ChargeRequest>,
) -> Result<Response, Problem> {
    let canonical = value.canonical(&canonical);
    let shown = value.shown();
    let command = value.command(asked.order());
    let call = asked.call(CHARGE, &payments.deps.catalogue, &canonical, &shown)?;
    let reply = payments.service.charge(call, command).await;
    Ok(done(reply, |seen, _| ChargeResponse::of(&seen.resource)))
}

/// How often payments meet which scenario.
#[utoipa::path(
    get, path = "/payment/chaos/distribution", tag = "payment", operation_id = "get_payment_distribution",
    responses((status = 200, description = "The shares of each scenario.", body = Distribution))
)]
async fn get_distribution(State(payments): State<Arc<Payments>>) -> Result<Json<Distribution>, Problem> {
    Ok(Json(distribution(&payments.deps, CONTEXT).await?))
}

/// What payments were asked and what became of it.
#[utoipa::path(
    get, path = "/payment/stats", tag = "payment", operation_id = "get_payment_stats",
    responses((status = 200, description = "Counts and shares.", body = Stats))
)]
async fn get_stats(State(payments): State<Arc<Payments>>) -> Result<Json<Stats>, Problem> {
    Ok(Json(stats(&payments.deps, CONTEXT).await?))
}

/// The last requests to payments, the newest first.
#[utoipa::path(
    get, path = "/payment/stats/recent", tag = "payment", operation_id = "get_recent_payment_requests",
    params(RecentParams), responses((status = 200, description = "The requests.", body = RecentRequests))
)]
async fn get_recent(
    State(payments): State<Arc<Payments>>,
    Params(params): Params<RecentParams>,
) -> Result<Json<RecentRequests>, Problem> {
    Ok(Json(recent(&payments.deps, CONTEXT, params.try_into()?).await?))
}

/// Count anew; draws, journal and ledger stay.
#[utoipa::path(
    post, path = "/payment/stats/reset", tag = "payment", operation_id = "reset_payment_stats",
    responses((status = 200, description = "Since when it is counted now.", body = StatsReset))
)]
async fn reset(State(payments): State<Arc<Payments>>) -> Json<StatsReset> {
    Json(reset_stats(&payments.deps, CONTEXT))
}

/// A payment as the ledger has it.
#[utoipa::path(
    get, path = "/payment/{authId}", tag = "payment", params(("authId" = String, Path)),
    responses((status = 200, description = "The payment.", body = Shown<PaymentView>), Fails<404>)
)]
async fn get_payment(
    State(payments): State<Arc<Payments>>,
    Path(auth_id): Path<String>,
) -> Result<Json<Shown<PaymentView>>, Problem> {
    found(&auth_id, payments.service.find(auth_id.clone()).await, |seen| PaymentView::from(seen))
}
