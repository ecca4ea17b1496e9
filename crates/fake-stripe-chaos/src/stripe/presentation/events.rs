//! `/v1/events`, and `/v1/balance`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::Value;
use service_kit::problem::Problem;

use super::{
    expand,
    handlers::Stripe,
    lists::{self, Listed, Page},
    objects,
    problems::{self, StripeCode},
    request::StripeRequest,
};
use crate::{
    shared::store::Transaction,
    stripe::{application::Objects, domain::EventRecord},
};

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
    expand::check(&request.expand, true)?;
    let read = move |found: &dyn Objects, tx: &dyn Transaction| {
        let mut events = found.events(tx)?;
        events.retain(|event| types.is_empty() || types.iter().any(|of| matches(of, event.kind.name())));
        let (chosen, has_more) = match page.choose(&events, "event") {
            Ok(chosen) => chosen,
            Err(problem) => return Ok(Err(problem)),
        };
        // Only the events of the page are rendered, since each needs its intent.
        let mut shown = Vec::new();
        for event in chosen {
            let intent = found.intent(tx, event.intent.as_str())?;
            let pending = found.pending(tx, event)?;
            shown.extend(intent.map(|intent| objects::event(event, pending, &intent)));
        }
        Ok(Ok(lists::list(&shown, has_more, "/v1/events")))
    };
    Ok(Json(stripe.service.read(read).await??))
}

impl Listed for EventRecord {
    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn created(&self) -> i64 {
        self.at.millis().div_euclid(1000)
    }
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
