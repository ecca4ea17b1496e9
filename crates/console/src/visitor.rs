//! The person behind a request: who they are, and what they may do.

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{Extensions, Method, StatusCode, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use service_kit::{
    auth::{
        self, Caller, Identity, Role, is_same_origin,
        roles::{OPERATORS, READERS},
    },
    problem::Problem,
};

use crate::{Site, failure::Failure, pages::path_segment};

/// The person behind a request.
#[derive(Debug, Clone)]
pub struct Visitor {
    caller: Option<Caller>,
    /// The path and query of the page.
    path: String,
}

impl Visitor {
    /// Identifies the person to the API, which decides what they may do.
    pub fn identify(&self, extensions: &mut Extensions) {
        if let Some(caller) = &self.caller {
            extensions.insert(Identity(Ok(caller.clone())));
        }
    }

    /// Returns the person's token, for other services.
    pub fn token(&self) -> Option<&str> {
        self.caller.as_ref()?.token()
    }

    pub fn has_any(&self, roles: &[Role]) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.has_any(roles))
    }

    /// Checks the roles, for what no service checks.
    ///
    /// # Errors
    /// Fails with 403 if the person has none of the roles.
    pub fn require(&self, roles: &[Role]) -> Result<(), Failure> {
        let caller = self.caller.as_ref();
        caller.ok_or_else(Failure::unauthenticated)?.require(roles).map_err(Failure::from)
    }

    /// Logs what the person changed at a service that doesn't know them.
    pub fn audit(&self, method: &Method, route: &str, status: StatusCode) {
        if let Some(caller) = &self.caller {
            auth::audit(caller, method, route, status);
        }
    }
}

/// Writes what pages show of the person.
impl Serialize for Visitor {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let caller = self.caller.as_ref();
        let roles: Vec<_> = caller.iter().flat_map(|caller| caller.roles()).map(Role::name).collect();
        let mut view = to.serialize_struct("Visitor", 5)?;
        view.serialize_field("path", &self.path)?;
        view.serialize_field("subject", &caller.and_then(Caller::subject))?;
        view.serialize_field("roles", &roles)?;
        view.serialize_field("reads", &self.has_any(READERS))?;
        view.serialize_field("operates", &self.has_any(OPERATORS))?;
        view.end()
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        Ok(Self { caller: Identity::of(&parts.extensions).ok(), path })
    }
}

/// Refuses what a page of another site sends.
pub async fn same_origin(
    State(site): State<Site>,
    visitor: Visitor,
    request: Request,
    next: Next,
) -> Response {
    if request.method().is_safe() || is_same_origin(request.headers()) {
        next.run(request).await
    } else {
        site.refuse(&visitor, &Failure::cross_site()).into_response()
    }
}

/// Leads a person without a valid token to the sign-in page.
pub async fn signed_in(State(site): State<Site>, visitor: Visitor, request: Request, next: Next) -> Response {
    match Identity::of(request.extensions()) {
        Ok(_) => next.run(request).await,
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => sign_in(&visitor, &problem),
        Err(problem) => site.refuse(&visitor, &Failure::from(problem)).into_response(),
    }
}

fn sign_in(visitor: &Visitor, problem: &Problem) -> Response {
    let reason = path_segment(problem.code());
    Redirect::to(&format!("/login?next={}&reason={reason}", path_segment(&visitor.path))).into_response()
}
