//! The layers around every router: correlation id, log line, metrics, limits, encodings and cross-origin
//! requests. They turn every error, including a panic, into a problem document.

use std::{any::Any, time::Duration, time::Instant};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{self, HeaderValue, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tower::ServiceBuilder;
use tower_http::{
    ServiceBuilderExt as _,
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer, Predicate as _,
        predicate::{NotForContentType, SizeAbove},
    },
    decompression::RequestDecompressionLayer,
    limit::RequestBodyLimitLayer,
    on_early_drop::OnEarlyDropLayer,
    request_id::{MakeRequestId, RequestId},
    timeout::{RequestBodyTimeoutLayer, TimeoutLayer},
    trace::TraceLayer,
};
use tracing::{Instrument, Span};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    config::Common,
    correlation::{self, CorrelationId},
    metrics::Metrics,
    problem::{self, HttpCode, Problem},
    traces,
};

/// Compression hardly shrinks smaller answers.
const MIN_COMPRESSED_BYTES: u16 = 1025;
/// The route of an unknown path, in logs and metrics.
const UNMATCHED: &str = "unmatched";
/// The status by which [`into_timeout_problem`] recognizes the answer of the timeout layer.
const TIMEOUT_STATUS: StatusCode = StatusCode::GATEWAY_TIMEOUT;

/// Adds the common layers to a router. A request passes them from top to bottom, its answer from bottom to
/// top. `largest_body` is the limit of the routes that accept more than `BODY_LIMIT`, in bytes.
pub fn around(router: Router, common: &Common, metrics: Metrics, largest_body: usize) -> Router {
    let layers = ServiceBuilder::new()
        .map_request(correlation::without_unusable)
        .set_request_id(correlation::HEADER, NewCorrelationId)
        .propagate_request_id(correlation::HEADER)
        .layer(middleware::from_fn(trace))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_request(())
                .on_response(log_response)
                .on_body_chunk(())
                .on_eos(())
                .on_failure(()),
        )
        .layer(OnEarlyDropLayer::builder().on_future_drop(log_early_drop))
        .layer(middleware::from_fn_with_state(metrics, measure))
        .option_layer(common.cors_origins.layer())
        .layer(CompressionLayer::new().compress_when(
            SizeAbove::new(MIN_COMPRESSED_BYTES).and(NotForContentType::SSE).and(NotForContentType::IMAGES),
        ))
        .layer(middleware::from_fn(add_correlation_and_problem))
        .layer(CatchPanicLayer::custom(into_internal_problem))
        // A small compressed body can become a huge one, so both sizes have a limit.
        .layer(RequestBodyLimitLayer::new(largest_body.max(common.body_limit)))
        .layer(RequestBodyTimeoutLayer::new(common.body_timeout))
        .layer(RequestDecompressionLayer::new())
        .layer(DefaultBodyLimit::max(common.body_limit));
    router.layer(layers)
}

/// Limits the time of the requests to these routes.
pub(crate) fn limit_time(routes: OpenApiRouter, limit: Duration) -> OpenApiRouter {
    routes.layer(
        ServiceBuilder::new()
            .map_response(move |response| into_timeout_problem(response, limit))
            .layer(TimeoutLayer::with_status_code(TIMEOUT_STATUS, limit)),
    )
}

/// Replaces the bare answer of the timeout layer by a problem. No other answer has its status without a problem.
fn into_timeout_problem(response: Response, limit: Duration) -> Response {
    if response.status() != TIMEOUT_STATUS || response.extensions().get::<Problem>().is_some() {
        return response;
    }
    let detail = format!("no answer within {} s", limit.as_secs_f64());
    Problem::new(HttpCode::RequestTimeout, detail).into_response()
}

#[derive(Clone)]
struct NewCorrelationId;

impl MakeRequestId for NewCorrelationId {
    fn make_request_id<B>(&mut self, _: &http::Request<B>) -> Option<RequestId> {
        Some(RequestId::new(HeaderValue::from(&CorrelationId::generate())))
    }
}

fn route(extensions: &http::Extensions) -> &str {
    extensions.get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str)
}

fn correlation_id<B>(request: &http::Request<B>) -> &str {
    request.headers().get(correlation::HEADER).and_then(|id| id.to_str().ok()).unwrap_or_default()
}

fn span<B>(request: &http::Request<B>) -> Span {
    tracing::info_span!(
        "request",
        correlation_id = correlation_id(request),
        method = %request.method(),
        route = route(request.extensions())
    )
}

/// Makes a request a span of the caller's trace. Health checks and scrapes have none.
async fn trace(request: Request, next: Next) -> Response {
    let route = route(request.extensions());
    let span = if is_of_operations(route) {
        Span::none()
    } else {
        traces::server_span(&request, route, correlation_id(&request))
    };
    let response = next.run(request).instrument(span.clone()).await;
    traces::record_status(&span, response.status());
    response
}

/// Returns true for the routes that only operators and their tools call.
fn is_of_operations(route: &str) -> bool {
    route.starts_with("/health") || route == "/metrics"
}

/// Marks an answer whose request has a log line of its own.
#[derive(Debug, Clone, Copy)]
pub struct Logged;

fn log_response<B>(response: &http::Response<B>, elapsed: Duration, _: &Span) {
    let (status, millis) = (response.status().as_u16(), elapsed.as_secs_f64() * 1000.0);
    let route = route(response.extensions());
    if is_of_operations(route) || response.extensions().get::<Logged>().is_some() {
        tracing::debug!(status, millis, "request completed");
    } else {
        tracing::info!(status, millis, "request completed");
    }
}

/// Logs a request that ends without an answer, because its caller disconnected or the service stops.
fn log_early_drop<B>(_: &http::Request<B>) -> impl FnOnce() + Send + use<B> {
    let (span, started) = (Span::current(), Instant::now());
    move || {
        let millis = started.elapsed().as_secs_f64() * 1000.0;
        span.in_scope(|| tracing::warn!(millis, "dropped before it was answered"));
    }
}

/// Counts and times a request. Keeps its route in the answer, where the log line reads it.
async fn measure(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let _in_flight = metrics.in_flight();
    let (started, method) = (Instant::now(), request.method().clone());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    let route = matched.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    metrics.observe(&method, route, response.status(), started.elapsed());
    if let Some(matched) = matched {
        response.extensions_mut().insert(matched);
    }
    response
}

/// Makes the request's correlation id the current one, and turns every error into a problem document.
async fn add_correlation_and_problem(request: Request, next: Next) -> Response {
    let correlation = CorrelationId::of(request.headers()).unwrap_or_else(CorrelationId::generate);
    let uri = request.uri().clone();
    let response = correlation.clone().scope(next.run(request)).await;
    problem::to_problem_document(response, uri.path(), &correlation).await
}

/// Returns an answer without the cause, since the panic hook has logged it.
fn into_internal_problem(_: Box<dyn Any + Send>) -> Response {
    Problem::new(HttpCode::Internal, "The service failed; its log has the cause under this correlation id.")
        .into_response()
}
