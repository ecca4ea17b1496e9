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
            CallHeaders, Distribution, Params, RecentParams, RecentRequests, RequestHeaders, Shown, Stats,
            StatsReset, Undone, created, distribution, done, found, recent, reset_stats, stats,
        },
    },
};

struct Payments {
    service: PaymentService,
    deps: Deps,
}

/// Returns the routes of the context.
pub fn routes(service: PaymentService, deps: &Deps) -> OpenApiRouter {
    let payments = Arc::new(Payments { service, deps: deps.clone() });
    let reset = OpenApiRouter::new().routes(routes!(reset)).with_state(Arc::clone(&payments));
    OpenApiRouter::new()
        .routes(routes!(authorize))
        .routes(routes!(capture))
        .routes(routes!(release))
        .routes(routes!(refund))
        .routes(routes!(charge))
        .routes(routes!(get_distribution))
        .routes(routes!(get_stats))
        .routes(routes!(get_recent))
        .routes(routes!(get_payment))
        .with_state(payments)
        .merge(deps.admin.guard(reset))
}

/// Authorize an amount for a later capture.
#[utoipa::path(
    post, path = "/payment/authorize", tag = "payment", params(CallHeaders), request_body = AuthorizeRequest,
    responses((status = 201, description = "The amount is authorized.", body = AuthorizeResponse))
)]
async fn authorize(
    State(payments): State<Arc<Payments>>,
    headers: RequestHeaders,
    ValidJson { value, canonical }: ValidJson<AuthorizeRequest>,
) -> Result<Response, Problem> {
    let canonical = value.canonical(&canonical);
    let redacted = value.redacted();
    let command = value.into_command(headers.order());
    let call = headers.into_call(AUTHORIZE, &payments.deps.catalogue, &canonical, &redacted)?;
    let reply = payments.service.authorize(call, command).await;
    Ok(created(reply, |snapshot, _| Some(AuthorizeResponse::of(&snapshot.resource))))
}

/// Capture the authorized amount.
#[utoipa::path(
    post, path = "/payment/capture", tag = "payment", params(CallHeaders), request_body = CaptureRequest,
    responses((status = 200, description = "The amount is captured.", body = CaptureResponse), Fails<404>)
)]
async fn capture(
    State(payments): State<Arc<Payments>>,
    headers: RequestHeaders,
    ValidJson { value, canonical }: ValidJson<CaptureRequest>,
) -> Result<Response, Problem> {
    let call = headers.into_call(CAPTURE, &payments.deps.catalogue, &canonical, &value.redacted())?;
    let reply = payments.service.capture(call, value.into_command()).await;
    Ok(done(reply, |snapshot, _| CaptureResponse::of(&snapshot.resource)))
}

/// Void an authorization.
#[utoipa::path(
    post, path = "/payment/release", tag = "payment", params(CallHeaders), request_body = ReleaseRequest,
    responses((status = 200, description = "The authorization is voided.", body = Undone<ReleaseResponse>), Fails<404>)
)]
async fn release(
    State(payments): State<Arc<Payments>>,
    headers: RequestHeaders,
    ValidJson { value, canonical }: ValidJson<ReleaseRequest>,
) -> Result<Response, Problem> {
    let call = headers.into_call(RELEASE, &payments.deps.catalogue, &canonical, &value.redacted())?;
    let reply = payments.service.release(call, value.into_command()).await;
    Ok(done(reply, |snapshot, _| ReleaseResponse::of(&snapshot.resource)))
}

/// Refund a captured amount, in part or whole.
#[utoipa::path(
    post, path = "/payment/refund", tag = "payment", params(CallHeaders), request_body = RefundRequest,
    responses((status = 200, description = "The amount is refunded.", body = Undone<RefundResponse>), Fails<404>)
)]
async fn refund(
    State(payments): State<Arc<Payments>>,
    headers: RequestHeaders,
    ValidJson { value, canonical }: ValidJson<RefundRequest>,
) -> Result<Response, Problem> {
    let call = headers.into_call(REFUND, &payments.deps.catalogue, &canonical, &value.redacted())?;
    let reply = payments.service.refund(call, value.into_command()).await;
    Ok(done(reply, |snapshot, part| RefundResponse::of(&snapshot.resource, part)))
}

/// Authorize and capture in one call.
#[utoipa::path(
    post, path = "/payment/charge", tag = "payment", params(CallHeaders), request_body = ChargeRequest,
    responses((status = 200, description = "The amount is captured.", body = ChargeResponse))
)]
async fn charge(
    State(payments): State<Arc<Payments>>,
    headers: RequestHeaders,
    ValidJson { value, canonical }: ValidJson<ChargeRequest>,
) -> Result<Response, Problem> {
    let canonical = value.canonical(&canonical);
    let redacted = value.redacted();
    let command = value.into_command(headers.order());
    let call = headers.into_call(CHARGE, &payments.deps.catalogue, &canonical, &redacted)?;
    let reply = payments.service.charge(call, command).await;
    Ok(done(reply, |snapshot, _| ChargeResponse::of(&snapshot.resource)))
}

/// Show the weight of each scenario of payments.
#[utoipa::path(
    get, path = "/payment/chaos/distribution", tag = "payment", operation_id = "get_payment_distribution",
    responses((status = 200, description = "The shares of each scenario.", body = Distribution))
)]
async fn get_distribution(State(payments): State<Arc<Payments>>) -> Result<Json<Distribution>, Problem> {
    Ok(Json(distribution(&payments.deps, CONTEXT).await?))
}

/// Count the requests to payments and their results.
#[utoipa::path(
    get, path = "/payment/stats", tag = "payment", operation_id = "get_payment_stats",
    responses((status = 200, description = "Counts and shares.", body = Stats))
)]
async fn get_stats(State(payments): State<Arc<Payments>>) -> Result<Json<Stats>, Problem> {
    Ok(Json(stats(&payments.deps, CONTEXT).await?))
}

/// List the last requests to payments, the newest first.
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

/// Reset the counts. Draws, journal and ledger stay.
#[utoipa::path(
    post, path = "/payment/stats/reset", tag = "payment", operation_id = "reset_payment_stats",
    responses((status = 200, description = "The start of the new counts.", body = StatsReset))
)]
async fn reset(State(payments): State<Arc<Payments>>) -> Json<StatsReset> {
    Json(reset_stats(&payments.deps, CONTEXT))
}

/// Show a payment.
#[utoipa::path(
    get, path = "/payment/{authId}", tag = "payment", params(("authId" = String, Path)),
    responses((status = 200, description = "The payment.", body = Shown<PaymentView>), Fails<404>)
)]
async fn get_payment(
    State(payments): State<Arc<Payments>>,
    Path(auth_id): Path<String>,
) -> Result<Json<Shown<PaymentView>>, Problem> {
    found(&auth_id, payments.service.find(auth_id.clone()).await, |snapshot| PaymentView::from(snapshot))
}
