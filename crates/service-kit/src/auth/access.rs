//! The roles that routes need, and the log of what callers did.

use axum::{
    extract::{MatchedPath, Request, State},
    http::{Method, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use utoipa_axum::router::OpenApiRouter;

use super::{Caller, Identity, Role};

/// Lets only callers with one of the roles use the routes.
#[must_use]
pub fn only(roles: &'static [Role], routes: OpenApiRouter) -> OpenApiRouter {
    routes.route_layer(middleware::from_fn_with_state(roles, check))
}

async fn check(State(roles): State<&'static [Role]>, request: Request, next: Next) -> Response {
    let caller = match Identity::of(request.extensions()) {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    if let Err(problem) = caller.require(roles) {
        tracing::warn!(target: "audit", subject = caller.subject(), "refused for want of a role");
        return problem.into_response();
    }
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("", MatchedPath::as_str);
    audit(&caller, &method, route, response.status());
    response
}

/// Logs an act of a caller: every request that can change something. The line has the request's correlation id.
pub fn audit(caller: &Caller, method: &Method, route: &str, status: StatusCode) {
    if !method.is_safe()
        && let Some(subject) = caller.subject()
    {
        tracing::info!(target: "audit", subject, %method, route, status = status.as_u16(), "act");
    }
}
