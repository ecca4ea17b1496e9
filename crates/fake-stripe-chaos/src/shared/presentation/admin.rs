//! The token of those who may steer chaos, write outcomes, and delete runs.

use std::{fmt, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use ring::hmac;
use service_kit::{
    auth::{self, AuthCode},
    problem::Problem,
};
use utoipa_axum::router::OpenApiRouter;

/// The configured token. Without one, everyone may steer.
#[derive(Clone, Default)]
pub struct AdminToken(Option<Arc<Expected>>);

/// A token is compared by its tag, which takes the same time for every wrong token.
struct Expected {
    key: hmac::Key,
    tag: hmac::Tag,
}

/// Never shows the token.
impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AdminToken").field(&self.0.is_some()).finish()
    }
}

impl AdminToken {
    #[must_use]
    pub fn new(token: Option<&str>) -> Self {
        let expected = |token: &str| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, b"CHAOS_ADMIN_TOKEN");
            Arc::new(Expected { tag: hmac::sign(&key, token.as_bytes()), key })
        };
        Self(token.map(expected))
    }

    /// Requires the token for the changes among the routes. Reading stays open.
    #[must_use]
    pub fn guard(&self, mut routes: OpenApiRouter) -> OpenApiRouter {
        service_kit::openapi::add_unauthenticated(routes.get_openapi_mut());
        routes.route_layer(middleware::from_fn_with_state(self.clone(), check))
    }
}

async fn check(State(AdminToken(expected)): State<AdminToken>, request: Request, next: Next) -> Response {
    let Some(expected) = expected.filter(|_| !request.method().is_safe()) else {
        return next.run(request).await;
    };
    match auth::bearer(request.headers()) {
        Some(token) if hmac::verify(&expected.key, token.as_bytes(), expected.tag.as_ref()).is_ok() => {
            next.run(request).await
        }
        Some(_) => refused(AuthCode::InvalidToken, "the token is not that of CHAOS_ADMIN_TOKEN"),
        None => refused(
            AuthCode::Unauthenticated,
            "send the token of CHAOS_ADMIN_TOKEN as `Authorization: Bearer …`",
        ),
    }
}

fn refused(code: AuthCode, detail: &str) -> Response {
    Problem::new(code, detail).challenge(r#"Bearer realm="chaos""#).into_response()
}
