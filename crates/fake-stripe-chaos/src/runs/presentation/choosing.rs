//! Chooses the run that a request is for: by the header `X-Chaos-Run`, or by a path that begins with
//! `/runs/{name}/`, for callers that can't set headers.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{Method, Uri, uri::PathAndQuery},
    response::Response,
};
use service_kit::{openapi::UI_PATH, problem::Problem};
use tower::ServiceExt;

use crate::{
    runs::application::{Access, Registry},
    shared::{
        presentation::{break_on_the_wire, connection_of, header, problems},
        run::RunName,
    },
};

const HEADER: &str = "x-chaos-run";
const PREFIX: &str = "/runs/";

struct Choosing {
    default_run: Router,
    registry: Arc<Registry<Router>>,
    refusing: Router,
}

/// A router that hands each request to its run's own. `dress` gives the answers to requests that no run
/// gets what every answer has.
pub fn choosing(
    default_run: Router,
    registry: Arc<Registry<Router>>,
    dress: impl FnOnce(Router) -> Router,
) -> Router {
    let refusing = dress(Router::new().fallback(refuse));
    Router::new().fallback(choose).with_state(Arc::new(Choosing { default_run, registry, refusing }))
}

async fn choose(State(choosing): State<Arc<Choosing>>, mut request: Request) -> Response {
    let connection = connection_of(&request);
    let router = match choosing.router(&mut request).await {
        Ok(router) => router,
        Err(problem) => {
            request.extensions_mut().insert(problem);
            choosing.refusing.clone()
        }
    };
    match router.oneshot(request).await {
        Ok(response) => break_on_the_wire(response, connection).await,
        Err(never) => match never {},
    }
}

async fn refuse(Extension(problem): Extension<Problem>) -> Problem {
    problem
}

impl Choosing {
    /// The router of the request's run; what named the run is taken out of the path.
    async fn router(&self, request: &mut Request) -> Result<Router, Problem> {
        let path = request.uri().path();
        // A browser asks whether it may ask; that makes no run.
        if request.method() == Method::OPTIONS {
            return Ok(self.default_run.clone());
        }
        if path == PREFIX.trim_end_matches('/') || manages(path) {
            return Ok(self.default_run.clone());
        }
        let by_header = by_header(request)?;
        let by_path = by_path(request)?;
        let name = match (by_header, by_path) {
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

/// A method that HTTP doesn't know opens nothing.
fn access(method: &Method) -> Access {
    if [Method::POST, Method::PUT, Method::PATCH].contains(method) { Access::Write } else { Access::Read }
}

/// Whether a path is that of a run itself, and not of something in it.
fn manages(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|name| !name.contains('/'))
}

fn by_header(request: &Request) -> Result<Option<RunName>, Problem> {
    header(request.headers(), HEADER)
}

/// The run, and what of the address comes after it.
fn by_path(request: &Request) -> Result<Option<(RunName, Uri)>, Problem> {
    let all = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let Some((name, _)) = all.strip_prefix(PREFIX).and_then(|rest| rest.split_once('/')) else {
        return Ok(None);
    };
    let run = name.parse().map_err(|error| problems::invalid_path("run", error))?;
    let rest = all.get(PREFIX.len() + name.len()..).unwrap_or("/");
    let rest = rest.parse().map_err(|error| problems::invalid_path("run", error))?;
    Ok(Some((run, rest)))
}
