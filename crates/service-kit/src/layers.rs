//! The layers around every router: correlation id, log line, metrics, limits, encodings, cross-origin requests,
//! and every error, a panic too, in the one shape.

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
use tracing::Span;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    config::Common,
    correlation::{self, CorrelationId},
    metrics::Metrics,
    problem::{self, HttpCode, Problem},
};

/// Smaller answers hardly shrink.
const COMPRESSED_FROM: u16 = 1025;
/// The route in logs and metrics of a path that there isn't.
const UNMATCHED: &str = "unmatched";
/// How the layer of the time limit answers.
const TIMED_OUT: StatusCode = StatusCode::GATEWAY_TIMEOUT;

/// Puts around a router what is around every service's. A request passes from the top to the bottom, its
/// answer from the bottom to the top.
pub fn around(router: Router, common: &Common, metrics: Metrics) -> Router {
    let layers = ServiceBuilder::new()
        .map_request(correlation::without_unusable)
        .set_request_id(correlation::HEADER, NewCorrelationId)
        .propagate_request_id(correlation::HEADER)
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_request(())
                .on_response(answered)
                .on_body_chunk(())
                .on_eos(())
                .on_failure(()),
        )
        .layer(OnEarlyDropLayer::builder().on_future_drop(dropped))
        .layer(middleware::from_fn_with_state(metrics, measured))
        .option_layer(common.cors_origins.layer())
        .layer(CompressionLayer::new().compress_when(
            SizeAbove::new(COMPRESSED_FROM).and(NotForContentType::SSE).and(NotForContentType::IMAGES),
        ))
        .layer(middleware::from_fn(documented))
        .layer(CatchPanicLayer::custom(panicked))
        // What comes over the wire is bounded, and so is what a handler reads, which may be far more.
        .layer(RequestBodyLimitLayer::new(common.body_limit))
        .layer(RequestBodyTimeoutLayer::new(common.body_timeout))
        .layer(RequestDecompressionLayer::new())
        .layer(DefaultBodyLimit::max(common.body_limit));
    router.layer(layers)
}

/// Bounds the time of the requests to routes.
pub(crate) fn timed(routes: OpenApiRouter, limit: Duration) -> OpenApiRouter {
    routes.layer(
        ServiceBuilder::new()
            .map_response(move |response| timed_out(response, limit))
            .layer(TimeoutLayer::with_status_code(TIMED_OUT, limit)),
    )
}

/// Gives the answer of the time limit, which alone has this status and no problem, its code and its reason.
fn timed_out(response: Response, limit: Duration) -> Response {
    if response.status() != TIMED_OUT || response.extensions().get::<Problem>().is_some() {
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

fn span<B>(request: &http::Request<B>) -> Span {
    let id = request.headers().get(correlation::HEADER).and_then(|id| id.to_str().ok()).unwrap_or_default();
    tracing::info_span!(
        "request",
        correlation_id = id,
        method = %request.method(),
        route = route(request.extensions())
    )
}

fn answered<B>(response: &http::Response<B>, took: Duration, _: &Span) {
    let (status, millis) = (response.status().as_u16(), took.as_secs_f64() * 1000.0);
    let route = route(response.extensions());
    if route.starts_with("/health") || route == "/metrics" {
        tracing::debug!(status, millis, "answered");
    } else {
        tracing::info!(status, millis, "answered");
    }
}

/// Logs a request that ends before its answer: its caller has gone, or the service stops.
fn dropped<B>(_: &http::Request<B>) -> impl FnOnce() + Send + use<B> {
    let (span, started) = (Span::current(), Instant::now());
    move || {
        let millis = started.elapsed().as_secs_f64() * 1000.0;
        span.in_scope(|| tracing::warn!(millis, "dropped before it was answered"));
    }
}

/// Counts and times a request, and keeps its route with the answer, for the log line.
async fn measured(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
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

/// Makes the correlation id the current one, and every error a problem document.
async fn documented(request: Request, next: Next) -> Response {
    let correlation = CorrelationId::of(request.headers()).unwrap_or_else(CorrelationId::generate);
    let uri = request.uri().clone();
    let response = correlation.clone().scope(next.run(request)).await;
    problem::document(response, uri.path(), &correlation).await
}

/// The hook of the logs has told what panicked.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::new(HttpCode::Internal, "The service failed.").into_response()
}
