//! The orders: a live list, the page of one, the form for a new one, and what a person can do about one.

mod actions;
mod placing;

use std::collections::BTreeMap;

use axum::{
    Form, Router,
    extract::{Path, Query, State},
    response::Response,
    routing::get,
};
use minijinja::Value as Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_kit::{auth::roles::READERS, problem::Problem, stopping::Stopping};

use self::actions::Action;
use crate::{
    Site,
    failure::Failure,
    form::{Values, moment},
    live::follow,
    pages::{Refusal, context, path_segment, see},
    upstream::{Upstream, text},
    visitor::Visitor,
};

/// Orders on one page.
const PAGE: &str = "50";
/// The statuses in which an order no longer changes.
const FINAL: [&str; 6] = ["shipped", "rejected", "cancelled", "failed", "terminated", "timed_out"];

pub fn routes() -> Router<Site> {
    Router::new()
        .route("/", get(list))
        .route("/orders/live", get(follow_list))
        .route("/orders/new", get(placing::form).post(placing::place))
        .route("/orders/{id}", get(order))
        .route("/orders/{id}/live", get(follow_order))
        .route("/orders/{id}/{action}", get(confirm).post(act))
}

/// The filter of the list, as the form has it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    status: String,
    customer_id: String,
    min_total: String,
    max_total: String,
    started_after: String,
    started_before: String,
    page_token: String,
}

impl Filter {
    /// Returns the members that narrow the list, as the API names them.
    fn members(&self) -> Vec<(&'static str, String)> {
        let members = [
            ("status", self.status.clone()),
            ("customerId", self.customer_id.clone()),
            ("minTotal", self.min_total.clone()),
            ("maxTotal", self.max_total.clone()),
            ("startedAfter", moment(&self.started_after)),
            ("startedBefore", moment(&self.started_before)),
            ("pageToken", self.page_token.clone()),
        ];
        members.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    fn query(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(self.members()).finish()
    }

    /// Returns the query of another page.
    fn query_of(&self, page_token: &str) -> String {
        Self { page_token: page_token.to_owned(), ..self.clone() }.query()
    }
}

async fn list(
    State(site): State<Site>,
    Query(filter): Query<Filter>,
    visitor: Visitor,
) -> Result<Response, Refusal> {
    site.page("orders.html", &visitor, listed(&site, &visitor, &filter).await)
}

async fn follow_list(
    State(site): State<Site>,
    Query(filter): Query<Filter>,
    visitor: Visitor,
    stopping: Stopping,
) -> Result<Response, Problem> {
    follow(site, visitor, stopping, filter, |site, visitor, filter| async move {
        site.part("orders.part.html", false, &listed(&site, &visitor, &filter).await)
    })
}

/// Returns the orders and the numbers of orders, or the failure to read them.
async fn listed(site: &Site, visitor: &Visitor, filter: &Filter) -> Context {
    let path = format!("/api/v1/orders?limit={PAGE}&{}", filter.query());
    let filtered = context! { filter => filter, query => filter.query(), first_page => filter.query_of("") };
    match site.api.get(visitor, &path).await {
        Err(failure) => context! { failure => failure, ..filtered },
        Ok(page) => {
            let counts = site.api.get(visitor, "/api/v1/orders/counts").await.ok();
            let next_page = filter.query_of(text(&page, "nextPageToken"));
            context! { page => page, counts => counts, next_page => next_page, ..filtered }
        }
    }
}

async fn order(
    State(site): State<Site>,
    Path(id): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    visitor: Visitor,
) -> Result<Response, Refusal> {
    let shown = shown(&site, &visitor, &id).await.map_err(|failure| site.refuse(&visitor, &failure))?;
    let done = query.get("done").and_then(|name| Action::find(name)).map(|action| action.done);
    site.page("order.html", &visitor, context! { done => done, ..shown.context })
}

async fn follow_order(
    State(site): State<Site>,
    Path(id): Path<String>,
    visitor: Visitor,
    stopping: Stopping,
) -> Result<Response, Problem> {
    follow(site, visitor, stopping, id, |site, visitor, id| async move {
        let shown = shown(&site, &visitor, &id).await.ok()?;
        site.part("order.part.html", shown.is_final, &shown.context)
    })
}

/// An order with all that is known of it.
struct Shown {
    context: Context,
    is_final: bool,
}

async fn shown(site: &Site, visitor: &Visitor, id: &str) -> Result<Shown, Failure> {
    let state = state(site, visitor, id).await?;
    let history = format!("/api/v1/workflows/{}/history", path_segment(id));
    let history = site.api.get(visitor, &history).await.ok();
    let order_id = text(&state, "orderId");
    let proof = match &site.provider {
        Some(provider) if visitor.has_any(READERS) => proof(provider, visitor, order_id).await,
        _ => Context::default(),
    };
    let actions: Vec<_> = actions::ALL.iter().filter(|action| action.is_offered(&state, visitor)).collect();
    let is_final = FINAL.contains(&text(&state, "status"));
    let context = context! { visitor => visitor, id => id, state => state, history => history, actions => actions, is_final => is_final, ..proof };
    Ok(Shown { context, is_final })
}

async fn state(site: &Site, visitor: &Visitor, id: &str) -> Result<Value, Failure> {
    site.api.get(visitor, &format!("/api/v1/order/{}/status", path_segment(id))).await
}

/// Returns what the provider knows of an order: its requests, its ledger entries and the verdict.
async fn proof(provider: &Upstream, visitor: &Visitor, order: &str) -> Context {
    let order = path_segment(order);
    let journal = provider.get(visitor, &format!("/journal?limit=200&orderId={order}")).await;
    let failure = journal.as_ref().err().cloned();
    let (ledger, verdict) = if failure.is_none() {
        let ledger = provider.get(visitor, &format!("/ledger/orders/{order}")).await.ok();
        (ledger, provider.get(visitor, &format!("/verdict?orderId={order}")).await.ok())
    } else {
        (None, None)
    };
    context! { journal => journal.ok(), ledger => ledger, verdict => verdict, provider_failure => failure }
}

/// Asks for a confirmation, and says what will happen.
async fn confirm(
    State(site): State<Site>,
    Path((id, name)): Path<(String, String)>,
    visitor: Visitor,
) -> Result<Response, Refusal> {
    let refuse = |failure| site.refuse(&visitor, &failure);
    let action = Action::named(&name).map_err(refuse)?;
    let state = state(&site, &visitor, &id).await.map_err(refuse)?;
    let context =
        context! { action => action, id => id, values => actions::defaults(&state), state => state };
    site.page("action.html", &visitor, context)
}

/// Does it, and shows the order, or the reason why it was refused.
async fn act(
    State(site): State<Site>,
    Path((id, name)): Path<(String, String)>,
    visitor: Visitor,
    Form(values): Form<Values>,
) -> Result<Response, Refusal> {
    let refuse = |failure| site.refuse(&visitor, &failure);
    let action = Action::named(&name).map_err(refuse)?;
    let Err(failure) = action.send(&site, &visitor, &id, &values).await else {
        return Ok(see(&format!("/orders/{}?done={name}", path_segment(&id))));
    };
    let state = state(&site, &visitor, &id).await.map_err(refuse)?;
    let context = context! { action => action, id => id, values => values, state => state };
    site.page_after(Some(&failure), "action.html", &visitor, context)
}
