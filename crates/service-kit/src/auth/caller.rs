//! The caller of a request, and their roles.

use std::{
    collections::BTreeSet,
    str::FromStr,
    sync::{Arc, LazyLock},
};

use axum::{
    extract::FromRequestParts,
    http::{Extensions, request::Parts},
};

use super::AuthCode;
use crate::problem::Problem;

/// Permits a caller a part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads everything.
    Viewer,
    /// Places, reads and cancels their own orders.
    Customer,
    /// Reads everything, and approves or rejects orders.
    Manager,
    /// Reads everything, cancels orders, repairs compensations, and steers chaos.
    Operator,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Customer, Self::Manager, Self::Operator];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Customer => "customer",
            Self::Manager => "manager",
            Self::Operator => "operator",
        }
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|role| role.name() == name).ok_or(())
    }
}

/// Somebody who may use the service.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    subject: Option<String>,
    roles: BTreeSet<Role>,
    token: Option<String>,
}

impl Caller {
    pub(super) fn new(subject: String, roles: BTreeSet<Role>, token: String) -> Self {
        Self(Arc::new(Inner { subject: Some(subject), roles, token: Some(token) }))
    }

    /// Returns the caller of a service without authentication: nobody in particular, with every role.
    #[must_use]
    pub fn anyone() -> Self {
        static ANYONE: LazyLock<Caller> =
            LazyLock::new(|| Caller(Arc::new(Inner { subject: None, roles: Role::ALL.into(), token: None })));
        ANYONE.clone()
    }

    /// Returns the subject of the token. None without authentication.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// Returns the token, for a call to another of our services.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.0.token.as_deref()
    }

    #[must_use]
    pub fn has_any(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.0.roles.contains(role))
    }

    /// Returns the roles of the token.
    pub fn roles(&self) -> impl Iterator<Item = Role> {
        self.0.roles.iter().copied()
    }

    /// Returns the subject of a caller who may do a thing only to what is their own: one with none of the roles that
    /// may do it to everything.
    #[must_use]
    pub fn limited_to_own(&self, roles: &[Role]) -> Option<&str> {
        if self.has_any(roles) { None } else { self.subject() }
    }

    /// Checks the roles.
    ///
    /// # Errors
    /// 403 that names the roles that may.
    pub fn require(&self, roles: &[Role]) -> Result<(), Problem> {
        if self.has_any(roles) {
            return Ok(());
        }
        let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
        let detail = format!("this needs the role {}", names.join(" or "));
        Err(Problem::new(AuthCode::Forbidden, detail))
    }
}

/// Identifies who calls, as an extension of each request: a caller, or the reason why there is none.
#[derive(Debug, Clone)]
pub struct Identity(pub Result<Caller, Problem>);

impl Identity {
    /// Returns the identity in a request's extensions. A request that nobody authenticated has no caller.
    ///
    /// # Errors
    /// 401, or what else refused the caller.
    pub fn of(extensions: &Extensions) -> Result<Caller, Problem> {
        let missing = || Err(unauthenticated());
        extensions.get::<Self>().map_or_else(missing, |identity| identity.0.clone())
    }
}

/// Returns the refusal of a request without a token.
pub(super) fn unauthenticated() -> Problem {
    Problem::new(AuthCode::Unauthenticated, "send a token as `Authorization: Bearer …`")
        .challenge(r#"Bearer realm="order-fulfilment""#)
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Identity::of(&parts.extensions)
    }
}
