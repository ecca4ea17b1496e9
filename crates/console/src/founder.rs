//! The founder: a user's context from three sources that may fail.

use axum::{
    Router,
    extract::{Query, State},
    response::Response,
    routing::get,
};
use serde::{Deserialize, Serialize};

use crate::{
    Site,
    failure::Failure,
    pages::{Refusal, context},
    visitor::Visitor,
};

pub fn routes() -> Router<Site> {
    Router::new().route("/founder", get(founder))
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Ask {
    strategy: String,
}

/// Asks for a context with a strategy, if the form has one.
async fn founder(
    State(site): State<Site>,
    Query(ask): Query<Ask>,
    visitor: Visitor,
) -> Result<Response, Refusal> {
    let not_configured = || site.refuse(&visitor, &Failure::not_configured("FOUNDER_URL"));
    let founder = site.founder.as_ref().ok_or_else(not_configured)?;
    let query =
        form_urlencoded::Serializer::new(String::new()).append_pair("strategy", &ask.strategy).finish();
    let (answer, failure) = match ask.strategy.as_str() {
        "" => (None, None),
        _ => match founder.get(&visitor, &format!("/api/v1/user-context?{query}")).await {
            Ok(answer) => (Some(answer), None),
            Err(failure) => (None, Some(failure)),
        },
    };
    let context = context! { ask => ask, answer => answer };
    site.page_after(failure.as_ref(), "founder.html", &visitor, context)
}
