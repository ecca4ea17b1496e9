//! Routes each request to its run: by the header `X-Chaos-Run`, or by a path that begins with `/runs/{name}/`. The
//! path is for callers that cannot set headers.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{Method, Uri, uri::PathAndQuery},
    response::Response,
};
use service_kit::{openapi::UI_PATH, problem::Problem};
use tower::ServiceExt;

use super::registry::{Access, Registry};
use crate::shared::{
    presentation::{apply_wire_fault, connection_of, header, problems},
    run::RunName,
};

const HEADER: &str = "x-chaos-run";
const PREFIX: &str = "/runs/";

struct RunRouter {
    default_run: Router,
    registry: Arc<Registry<Router>>,
    /// Answers requests that reach no run.
    problems: Router,
}

/// Returns a router that passes each request to the router of its run. `add_layers` adds the layers of a service
/// to the router for requests that reach no run.
pub fn run_router(
    default_run: Router,
    registry: Arc<Registry<Router>>,
    add_layers: impl FnOnce(Router) -> Router,
) -> Router {
    let problems = add_layers(Router::new().fallback(problem_response));
    Router::new().fallback(route).with_state(Arc::new(RunRouter { default_run, registry, problems }))
}

async fn route(State(run_router): State<Arc<RunRouter>>, mut request: Request) -> Response {
    let connection = connection_of(&request);
    let router = match run_router.resolve(&mut request).await {
        Ok(router) => router,
        Err(problem) => {
            request.extensions_mut().insert(problem);
            run_router.problems.clone()
        }
    };
    match router.oneshot(request).await {
        Ok(response) => apply_wire_fault(response, connection).await,
        Err(never) => match never {},
    }
}

async fn problem_response(Extension(problem): Extension<Problem>) -> Problem {
    problem
}

impl RunRouter {
    /// Returns the router of the request's run, and removes the run from the path.
    async fn resolve(&self, request: &mut Request) -> Result<Router, Problem> {
        let path = request.uri().path();
        // A preflight request of a browser must not create a run.
        if request.method() == Method::OPTIONS {
            return Ok(self.default_run.clone());
        }
        if path == PREFIX.trim_end_matches('/') || is_run_management(path) {
            return Ok(self.default_run.clone());
        }
        let name = match (run_from_header(request)?, run_from_path(request)?) {
            (Some(header), Some((path, _))) if header != path => {
                return Err(problems::invalid_header(HEADER, "names another run than the path"));
            }
            (_, Some((name, rest))) => {
                *request.uri_mut() = rest;
                name
            }
            (Some(name), None) => name,
            (None, None) => return Ok(self.default_run.clone()),
        };
        if name.is_default() || request.uri().path().starts_with(UI_PATH) {
            return Ok(self.default_run.clone());
        }
        Ok(self.registry.provider(&name, access(request.method())).await?)
    }
}

/// Returns the access of a method. An unknown method opens nothing.
fn access(method: &Method) -> Access {
    if [Method::POST, Method::PUT, Method::PATCH].contains(method) { Access::Write } else { Access::Read }
}

/// Returns true for the path of a run itself, not of an endpoint in it.
fn is_run_management(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|name| !name.contains('/'))
}

fn run_from_header(request: &Request) -> Result<Option<RunName>, Problem> {
    header(request.headers(), HEADER)
}

/// Returns the run in the path, and the rest of the address after it.
fn run_from_path(request: &Request) -> Result<Option<(RunName, Uri)>, Problem> {
    let all = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let Some((name, _)) = all.strip_prefix(PREFIX).and_then(|rest| rest.split_once('/')) else {
        return Ok(None);
    };
    let run = name.parse().map_err(|error| problems::invalid_path("run", error))?;
    let rest = all.get(PREFIX.len() + name.len()..).unwrap_or("/");
    let rest = rest.parse().map_err(|error| problems::invalid_path("run", error))?;
    Ok(Some((run, rest)))
}
