//! `/v1/refunds`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use serde_json::Value;
use service_kit::problem::Problem;

use super::{
    expand,
    handlers::{Changed, Stripe},
    intents::is,
    lists::Page,
    objects,
    problems::{self, StripeCode},
    request::StripeRequest,
};
use crate::stripe::{
    application::{CREATE_REFUND, CreateRefund, UPDATE_REFUND, UpdateRefund},
    domain::{Intent, Refund},
};

const IGNORED: [&str; 5] =
    ["refund_application_fee", "reverse_transfer", "instructions_email", "origin", "currency"];
const REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];

/// Refunds the charge of a payment intent, in part or whole.
pub async fn create(
    State(stripe): State<Arc<Stripe>>,
    mut request: StripeRequest,
) -> Result<Response, Problem> {
    expand::check(&request.expand, false)?;
    let key = request.key();
    let params = &mut request.params;
    let amount = params.amount("amount")?;
    let reason = params.text("reason");
    if reason.as_deref().is_some_and(|reason| !REASONS.contains(&reason)) {
        let why = format!("Invalid reason: must be one of {}", REASONS.join(", "));
        return Err(problems::invalid(StripeCode::ParameterInvalid, "reason", why));
    }
    let metadata = params.metadata()?.apply(std::collections::BTreeMap::new());
    let (named, charge) = (params.text("payment_intent"), params.text("charge"));
    let intent = match (named, charge.clone()) {
        (Some(intent), None) => intent,
        (named, Some(charge)) => {
            let missing = problems::no_such("charge", &charge, "charge");
            let found = {
                let charge = charge.clone();
                stripe.service.read(move |found, tx| found.intent_of(tx, &charge)).await?
            };
            let found = found.map(|intent| intent.id.to_string());
            match found.filter(|found| named.is_none_or(|named| named == *found)) {
                Some(intent) => intent,
                None if stripe.service.has_answer(key).await? => charge,
                None => return Err(missing),
            }
        }
        (None, None) => {
            let why =
                "One of the following params should be provided for this request: payment_intent or charge.";
            return Err(problems::invalid(StripeCode::ParameterMissing, "payment_intent", why.to_owned()));
        }
    };
    std::mem::take(params).finish(&IGNORED)?;
    let expand = std::mem::take(&mut request.expand);
    let call = request.into_call(CREATE_REFUND, &stripe.deps.catalogue)?;
    let missing = problems::no_such("payment_intent", &intent, "payment_intent");
    let reply =
        stripe.service.create_refund(call, CreateRefund { intent, charge, amount, reason, metadata }).await;
    Ok(stripe.answer_intent(reply, expand, |changed| changed.newest_refund().ok_or(missing)).await)
}

/// Changes the metadata of a refund.
pub async fn update(
    State(stripe): State<Arc<Stripe>>,
    Path(id): Path<String>,
    mut request: StripeRequest,
) -> Result<Response, Problem> {
    expand::check(&request.expand, false)?;
    let metadata = request.params.metadata()?;
    std::mem::take(&mut request.params).finish(&[])?;
    let missing = problems::not_found("refund", &id);
    let (intent, refund) = find(&stripe, id.clone()).await?.ok_or_else(|| missing.clone())?;
    let expand = std::mem::take(&mut request.expand);
    let call = request.into_call(UPDATE_REFUND, &stripe.deps.catalogue)?;
    let command = UpdateRefund {
        intent: intent.id.to_string(),
        refund: refund.id,
        metadata: Box::new(|current| metadata.apply(current)),
    };
    let reply = stripe.service.update_refund(call, command).await;
    let render = |changed: &Changed| {
        let state = changed.intent.state_at(changed.version, changed.now);
        let refunds = state.charges.iter().flat_map(|charge| &charge.refunds);
        let found = refunds.into_iter().find(|refund| refund.id.as_str() == id);
        found.map(|refund| objects::refund(&changed.intent, &state, refund)).ok_or(missing)
    };
    Ok(stripe.answer_intent(reply, expand, render).await)
}

/// Shows a refund.
pub async fn show(
    State(stripe): State<Arc<Stripe>>,
    Path(id): Path<String>,
    request: StripeRequest,
) -> Result<Json<Value>, Problem> {
    request.params.finish(&[])?;
    let missing = problems::not_found("refund", &id);
    stripe
        .show(request.expand, missing, move |found, tx, now| {
            let Some(intent) = found.intent_of(tx, &id)? else { return Ok(None) };
            let state = intent.state(now);
            let mut refunds = state.charges.iter().flat_map(|charge| &charge.refunds);
            let refund = refunds.find(|refund| refund.id.as_str() == id);
            Ok(refund.map(|refund| objects::refund(&intent, &state, refund)))
        })
        .await
}

/// Lists refunds, the newest first.
pub async fn list(
    State(stripe): State<Arc<Stripe>>,
    mut request: StripeRequest,
) -> Result<Json<Value>, Problem> {
    let page = Page::read(&mut request.params)?;
    let (charge, of) = (request.params.text("charge"), request.params.text("payment_intent"));
    request.params.finish(&[])?;
    stripe
        .list(page, "/v1/refunds", request.expand, move |found, tx, now| {
            let mut refunds = Vec::new();
            for intent in found.intents(tx)? {
                let state = intent.state(now);
                let all = state.charges.iter().flat_map(|charge| &charge.refunds);
                refunds.extend(all.map(|refund| objects::refund(&intent, &state, refund)));
            }
            refunds.retain(|refund| {
                is(refund, "charge", charge.as_ref()) && is(refund, "payment_intent", of.as_ref())
            });
            refunds.sort_by(|one, other| other["id"].as_str().cmp(&one["id"].as_str()));
            Ok(refunds)
        })
        .await
}

async fn find(stripe: &Stripe, id: String) -> Result<Option<(Intent, Refund)>, Problem> {
    let now = stripe.deps.clock.now();
    let find = move |found: &dyn crate::stripe::application::Objects,
                     tx: &dyn crate::shared::store::Transaction| {
        let Some(intent) = found.intent_of(tx, &id)? else { return Ok(None) };
        let state = intent.state(now);
        let refund =
            state.charges.into_iter().flat_map(|charge| charge.refunds).find(|one| one.id.as_str() == id);
        Ok(refund.map(|refund| (intent, refund)))
    };
    Ok(stripe.service.read(find).await?)
}
