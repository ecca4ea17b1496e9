//! The parts that all endpoints share: the state, and the answers of the protocol.

use std::sync::Arc;

use axum::{
    Json,
    http::{HeaderName, HeaderValue},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use service_kit::{layers::Logged, problem::Problem};

use super::{
    expand::{self, Expander},
    lists::Page,
    objects, problems,
};
use crate::{
    shared::{
        clock::Timestamp,
        deps::Deps,
        presentation::problems as common,
        protocol::{Answer, Reply},
        resource::{Part, Resource},
        store::{StoreError, Transaction},
    },
    stripe::{
        application::{Deliveries, Objects, StripeService},
        domain::{Document, Intent, Kind, StripeError},
    },
};

const CHAOS_DECISION: HeaderName = HeaderName::from_static("x-chaos-decision");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The state of the endpoints.
pub struct Stripe {
    pub service: StripeService,
    pub deliveries: Arc<dyn Deliveries>,
    pub deps: Deps,
}

/// The outcome of an operation on an intent for its answer.
pub struct Changed {
    pub intent: Intent,
    pub version: usize,
    pub now: Timestamp,
}

impl Stripe {
    /// Writes the answer of an operation on an intent.
    pub async fn answer_intent(
        &self,
        reply: Reply<Intent>,
        expand: Vec<String>,
        render: impl FnOnce(&Changed) -> Result<Value, Problem>,
    ) -> Response {
        if let Err(error) = self.deliveries.before_answer().await {
            return Problem::from(error).into_response();
        }
        self.answer(reply, async |intent, now, part| {
            let version = version(part).unwrap_or(intent.created_version());
            let changed = Changed { intent, version, now };
            let mut value = render(&changed)?;
            if !expand.is_empty() {
                value = self.expanded(value, expand, Some((changed.intent, version))).await?;
            }
            Ok(value)
        })
        .await
    }

    /// Writes the answer of an operation on a document.
    pub async fn answer_document(
        &self,
        reply: Reply<Document>,
        expand: Vec<String>,
        render: impl FnOnce(&Document, usize) -> Value,
    ) -> Response {
        self.answer(reply, async |document, _, part| {
            let value = render(&document, version(part).unwrap_or(1));
            if expand.is_empty() { Ok(value) } else { self.expanded(value, expand, None).await }
        })
        .await
    }

    async fn answer<R: Resource<Error = StripeError>>(
        &self,
        reply: Reply<R>,
        render: impl AsyncFnOnce(R, Timestamp, Option<Part>) -> Result<Value, Problem>,
    ) -> Response {
        let Reply { answer, decision, replayed, wire_fault } = reply;
        // A failed store has no line of the operation.
        let was_executed = !matches!(answer, Answer::StoreFailed(_));
        let result = match answer {
            Answer::Done { seen, part } => render(seen.resource, seen.now, part).await,
            Answer::Refused { error, .. } => Err(problems::of(&error)),
            Answer::Chaos { scenario } => Err(common::scenario_problem(scenario)),
            Answer::KeyRefused(refusal) => Err(common::key_problem(refusal)),
            Answer::StoreFailed(error) => Err(error.into()),
            Answer::NothingToUndo { key } => Err(problems::not_found("object", key.as_str())),
        };
        let mut response = result.map(Json).into_response();
        let headers = response.headers_mut();
        if let Some(decision) = decision.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(CHAOS_DECISION, decision);
        }
        if replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        if was_executed {
            response.extensions_mut().insert(Logged);
        }
        if let Some(fault) = wire_fault {
            response.extensions_mut().insert(fault);
        }
        response
    }

    async fn expanded(
        &self,
        mut value: Value,
        paths: Vec<String>,
        intent: Option<(Intent, usize)>,
    ) -> Result<Value, Problem> {
        let now = self.deps.clock.now();
        let expand = move |objects: &dyn Objects, tx: &dyn Transaction| {
            let intent = intent.as_ref().map(|(intent, version)| (intent, *version));
            Expander { objects, tx, now, intent }.expand(&mut value, &paths)?;
            Ok(value)
        };
        Ok(self.service.read(expand).await?)
    }

    /// Returns a document that is not deleted.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn existing(&self, kind: Kind, id: &str) -> Result<Option<Document>, StoreError> {
        let id = id.to_owned();
        let found = self.service.read(move |found, tx| found.document(tx, kind, &id)).await?;
        Ok(found.filter(|document| !document.is_deleted()))
    }

    /// Returns one object.
    ///
    /// # Errors
    /// Fails with `missing` if there is none, or if the store fails.
    pub async fn show(
        &self,
        expand: Vec<String>,
        missing: Problem,
        find: impl FnOnce(&dyn Objects, &dyn Transaction, Timestamp) -> Result<Option<Value>, StoreError>
        + Send
        + 'static,
    ) -> Result<Json<Value>, Problem> {
        expand::check(&expand, false)?;
        let now = self.deps.clock.now();
        let found = self
            .service
            .read(move |objects, tx| {
                let Some(mut value) = find(objects, tx, now)? else { return Ok(None) };
                Expander { objects, tx, now, intent: None }.expand(&mut value, &expand)?;
                Ok(Some(value))
            })
            .await?;
        found.map(Json).ok_or(missing)
    }

    /// Returns a page of objects.
    ///
    /// # Errors
    /// Fails if a parameter does not fit, or if the store fails.
    pub async fn list(
        &self,
        page: Page,
        url: &str,
        expand: Vec<String>,
        find: impl FnOnce(&dyn Objects, &dyn Transaction, Timestamp) -> Result<Vec<Value>, StoreError>
        + Send
        + 'static,
    ) -> Result<Json<Value>, Problem> {
        expand::check(&expand, true)?;
        let (now, url) = (self.deps.clock.now(), url.to_owned());
        let page = self
            .service
            .read(move |objects, tx| {
                let found = find(objects, tx, now)?;
                let mut page = page.of(&found, &url, "object");
                if let Ok(page) = &mut page {
                    Expander { objects, tx, now, intent: None }.expand(page, &expand)?;
                }
                Ok(page)
            })
            .await??;
        Ok(Json(page))
    }
}

fn version(part: Option<Part>) -> Option<usize> {
    part.and_then(|Part(version)| version.parse().ok())
}

impl Changed {
    /// Returns the intent, or the error of a declined charge.
    ///
    /// # Errors
    /// Fails if the operation's charge was declined.
    pub fn charged(&self) -> Result<Value, Problem> {
        let value = self.shown();
        let state = self.intent.state_at(self.version, self.now);
        match state.last_decline() {
            Some((charge, decline)) => Err(problems::declined(decline, charge.id.as_str(), &value)),
            None => Ok(value),
        }
    }

    /// Returns the intent.
    #[must_use]
    pub fn shown(&self) -> Value {
        objects::intent(&self.intent, self.version, self.now)
    }

    /// Returns the newest refund.
    #[must_use]
    pub fn newest_refund(&self) -> Option<Value> {
        let state = self.intent.state_at(self.version, self.now);
        let refund = state.latest_charge()?.refunds.last()?;
        Some(objects::refund(&self.intent, &state, refund))
    }
}
