//! `/v1/events`, and `/v1/balance`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::Value;
use service_kit::problem::Problem;

use super::{
    handlers::Stripe,
    lists::Page,
    objects,
    problems::{self, StripeCode},
    request::StripeRequest,
};
use crate::stripe::domain::EventRecord;

/// Shows an event.
pub async fn show(
    State(stripe): State<Arc<Stripe>>,
    Path(id): Path<String>,
    request: StripeRequest,
) -> Result<Json<Value>, Problem> {
    request.params.finish(&[])?;
    let missing = problems::not_found("event", &id);
    stripe
        .show(request.expand, missing, move |found, tx, _| {
            let Some(event) = found.event(tx, &id)? else { return Ok(None) };
            let intent = found.intent(tx, event.intent.as_str())?;
            let pending = found.pending(tx, &event)?;
            Ok(intent.map(|intent| objects::event(&event, pending, &intent)))
        })
        .await
}

/// Lists events, the newest first.
pub async fn list(
    State(stripe): State<Arc<Stripe>>,
    mut request: StripeRequest,
) -> Result<Json<Value>, Problem> {
    let page = Page::read(&mut request.params)?;
    let (one, mut types) = (request.params.text("type"), request.params.list("types"));
    request.params.boolean("delivery_success")?;
    request.params.finish(&[])?;
    if one.is_some() && !types.is_empty() {
        let why = "You may pass either type or types, but not both.".to_owned();
        return Err(problems::invalid(StripeCode::ParameterInvalid, "types", why));
    }
    types.extend(one);
    stripe
        .list(page, "/v1/events", request.expand, move |found, tx, _| {
            let wanted = |event: &EventRecord| {
                types.is_empty() || types.iter().any(|of| matches(of, event.kind.name()))
            };
            let mut shown = Vec::new();
            for event in found.events(tx)?.into_iter().filter(wanted) {
                let intent = found.intent(tx, event.intent.as_str())?;
                let pending = found.pending(tx, &event)?;
                shown.extend(intent.map(|intent| objects::event(&event, pending, &intent)));
            }
            Ok(shown)
        })
        .await
}

/// Shows the captured money that is not refunded.
pub async fn balance(
    State(stripe): State<Arc<Stripe>>,
    request: StripeRequest,
) -> Result<Json<Value>, Problem> {
    request.params.finish(&[])?;
    let totals = stripe.service.read(|_, tx| tx.totals()).await?;
    Ok(Json(objects::balance(&totals)))
}

/// Returns true for the name itself, for `*`, and for a prefix such as `charge.*`.
fn matches(pattern: &str, name: &str) -> bool {
    pattern == "*"
        || pattern == name
        || pattern.strip_suffix('*').is_some_and(|prefix| name.starts_with(prefix))
}
