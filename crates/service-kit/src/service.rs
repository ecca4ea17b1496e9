//! Builds the router of a service: its own routes, the common routes, and the common layers.

use std::{sync::Arc, time::Instant};

use axum::{
    Json, Router,
    extract::State,
    http::header::CONTENT_TYPE,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
};
use utoipa::openapi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    auth::{AuthCode, Authenticator, authenticate},
    config::Common,
    health::{self, Dependency, Health, Ready},
    layers,
    metrics::{self, Metrics},
    openapi as docs,
    problem::{CodeInfo, ErrorCode, HttpCode, Problem},
};

/// Builds a service.
pub struct Service {
    name: &'static str,
    version: &'static str,
    metrics: Metrics,
    dependencies: Vec<Dependency>,
    codes: Vec<CodeInfo>,
    routes: OpenApiRouter,
    long_routes: OpenApiRouter,
    largest_body: usize,
    pages: Option<Pages>,
    authenticator: Option<Authenticator>,
}

/// Makes the pages over the routes of a service.
type Pages = Box<dyn FnOnce(Router) -> Router>;

impl Service {
    #[must_use]
    pub fn new(name: &'static str, version: &'static str, api_info: openapi::OpenApi) -> Self {
        Self {
            name,
            version,
            metrics: Metrics::new(),
            dependencies: Vec::new(),
            codes: HttpCode::ALL.iter().map(|code| code.info()).collect(),
            routes: OpenApiRouter::with_openapi(api_info),
            long_routes: OpenApiRouter::new(),
            largest_body: 0,
            pages: None,
            authenticator: None,
        }
    }

    /// Replaces the metrics, for a service that registers its own before its routes exist.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Adds routes under the general request timeout.
    #[must_use]
    pub fn routes(mut self, routes: OpenApiRouter) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// Adds routes that bound their own time, such as long polls and event streams.
    #[must_use]
    pub fn long_routes(mut self, routes: OpenApiRouter) -> Self {
        self.long_routes = self.long_routes.merge(routes);
        self
    }

    /// Lets bodies of up to this size in bytes through to the routes. Each route still has the limit of `BODY_LIMIT`,
    /// unless it raises its own.
    #[must_use]
    pub fn largest_body(mut self, bytes: usize) -> Self {
        self.largest_body = bytes;
        self
    }

    /// Adds pages for people. `pages` gets the routes without the common layers, so that it can call them in process.
    /// It has the path `/`, which leads to the documentation otherwise.
    #[must_use]
    pub fn pages(mut self, pages: impl FnOnce(Router) -> Router + 'static) -> Self {
        self.pages = Some(Box::new(pages));
        self
    }

    /// Finds out who sends each request. Routes and pages decide what that caller may do.
    #[must_use]
    pub fn authenticate(mut self, authenticator: Authenticator) -> Self {
        self.codes.extend(AuthCode::ALL.iter().map(|code| code.info()));
        self.authenticator = Some(authenticator);
        self
    }

    /// Adds a dependency that readiness checks.
    #[must_use]
    pub fn depends_on(mut self, dependency: Dependency) -> Self {
        self.dependencies.push(dependency);
        self
    }

    /// Adds error codes to the catalogue.
    #[must_use]
    pub fn codes<C: ErrorCode + 'static>(mut self, codes: &'static [C]) -> Self {
        self.codes.extend(codes.iter().map(|code| code.info()));
        self
    }

    /// Builds the router, and returns it with the OpenAPI document that it serves.
    pub fn build(mut self, common: &Common) -> (Router, openapi::OpenApi) {
        let (pages, authenticator) = (self.pages.take(), self.authenticator.take());
        let (name, codes, metrics) = (self.name, self.codes.clone(), self.metrics.clone());
        let largest_body = self.largest_body;
        let (router, api) = self.assemble_routes(common);
        let mut api = docs::add_common_failures(api);
        if authenticator.is_some() {
            docs::add_access(&mut api);
        }
        let home = match pages {
            Some(pages) => pages(router.clone()),
            None => docs::home(),
        };
        let router = router.merge(home).merge(docs::docs_routes(api.clone(), name, &codes));
        let router = match authenticator {
            Some(authenticator) => router.layer(from_fn_with_state(authenticator, authenticate)),
            None => router,
        };
        (layers::around(router, common, metrics, largest_body), api)
    }

    /// Builds the router without documentation, for one of several equal services.
    pub fn build_undocumented(self, common: &Common) -> Router {
        let (metrics, largest_body) = (self.metrics.clone(), self.largest_body);
        let (router, _) = self.assemble_routes(common);
        layers::around(router, common, metrics, largest_body)
    }

    fn assemble_routes(self, common: &Common) -> (Router, openapi::OpenApi) {
        self.metrics.record_build(self.name, self.version);
        let operations = OpenApiRouter::new()
            .routes(routes!(get_health))
            .routes(routes!(get_live))
            .routes(routes!(get_ready))
            .routes(routes!(get_metrics))
            .with_state(Arc::new(Operations {
                name: self.name,
                version: self.version,
                started: Instant::now(),
                dependencies: self.dependencies,
                metrics: self.metrics,
            }));
        let mut timed = layers::limit_time(self.routes.merge(operations), common.request_timeout);
        docs::add_timeout_failure(timed.get_openapi_mut());
        timed.merge(self.long_routes).split_for_parts()
    }
}

struct Operations {
    name: &'static str,
    version: &'static str,
    started: Instant,
    dependencies: Vec<Dependency>,
    metrics: Metrics,
}

/// Shows the service's name, version and uptime.
#[utoipa::path(get, path = "/health", tag = "operations", responses((status = 200, body = Health)))]
async fn get_health(State(operations): State<Arc<Operations>>) -> Json<Health> {
    Json(Health::new(operations.name, operations.version, operations.started))
}

/// Shows that the process answers.
#[utoipa::path(get, path = "/health/live", tag = "operations", responses((status = 200, body = Health)))]
async fn get_live(state: State<Arc<Operations>>) -> Json<Health> {
    get_health(state).await
}

/// Shows whether each dependency can be used.
#[utoipa::path(get, path = "/health/ready", tag = "operations", responses((status = 200, body = Ready)))]
async fn get_ready(State(operations): State<Arc<Operations>>) -> Result<Json<Ready>, Problem> {
    health::check_readiness(&operations.dependencies).await.map(Json)
}

/// Metrics in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", tag = "operations", responses((status = 200, body = String, content_type = "text/plain")))]
async fn get_metrics(State(operations): State<Arc<Operations>>) -> Result<Response, Problem> {
    let text = operations.metrics.render().await.map_err(|error| Problem::internal(&error))?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT)], text).into_response())
}
