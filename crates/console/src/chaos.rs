//! The provider's chaos: the profile in force, what it drew, the next fault of an order, and the journal.

use axum::{
    Form, Router,
    extract::State,
    http::{Method, StatusCode},
    response::Response,
    routing::{get, post},
};
use minijinja::Value as Context;
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::{
    auth::roles::{OPERATORS, READERS},
    problem::Problem,
    stopping::Stopping,
};

use crate::{
    Site,
    failure::Failure,
    live::follow,
    pages::{Refusal, context, path_segment, see},
    upstream::Upstream,
    visitor::Visitor,
};

pub fn routes() -> Router<Site> {
    Router::new()
        .route("/chaos", get(chaos))
        .route("/chaos/live", get(follow_chaos))
        .route("/chaos/profile", post(change_profile))
        .route("/chaos/reset", post(reset_profile))
        .route("/chaos/fault", post(force_fault))
}

impl Site {
    /// Returns the provider, or the way to name it.
    pub fn provider(&self) -> Result<&Upstream, Failure> {
        self.provider.as_ref().ok_or_else(|| Failure::not_configured("PROVIDER_URL"))
    }
}

async fn chaos(State(site): State<Site>, visitor: Visitor) -> Result<Response, Refusal> {
    page(&site, &visitor, None).await
}

/// Shows the page, with the reason why a change was refused.
async fn page(site: &Site, visitor: &Visitor, failure: Option<Failure>) -> Result<Response, Refusal> {
    let refuse = |failure| site.refuse(visitor, &failure);
    let provider = site.provider().map_err(refuse)?;
    let seen = seen(site, visitor).await.map_err(refuse)?;
    let profiles = provider.get(visitor, "/chaos/profiles").await.map_err(refuse)?;
    let scenarios = provider.get(visitor, "/chaos/scenarios").await.map_err(refuse)?;
    let context = context! { profiles => profiles, scenarios => scenarios, ..seen };
    site.page_after(failure.as_ref(), "chaos.html", visitor, context)
}

async fn follow_chaos(
    State(site): State<Site>,
    visitor: Visitor,
    stopping: Stopping,
) -> Result<Response, Problem> {
    follow(site, visitor, stopping, (), |site, visitor, ()| async move {
        site.part("chaos.part.html", false, &seen(&site, &visitor).await.ok()?)
    })
}

async fn seen(site: &Site, visitor: &Visitor) -> Result<Context, Failure> {
    visitor.require(READERS)?;
    let provider = site.provider()?;
    let profile = provider.get(visitor, "/chaos/profile").await?;
    let audit = provider.get(visitor, "/chaos/audit").await?;
    let journal = provider.get(visitor, "/journal?limit=25").await?;
    let runs = provider.get(visitor, "/runs").await.ok();
    Ok(context! { visitor => visitor, profile => profile, audit => audit, journal => journal, runs => runs })
}

#[derive(Deserialize)]
struct ProfileForm {
    name: String,
    #[serde(default)]
    ttl: String,
}

async fn change_profile(
    State(site): State<Site>,
    visitor: Visitor,
    Form(form): Form<ProfileForm>,
) -> Result<Response, Refusal> {
    let ttl = form.ttl.trim();
    let query = if ttl.is_empty() { String::new() } else { format!("?ttl={}", path_segment(ttl)) };
    let body = json!({"name": form.name});
    send(&site, &visitor, Method::PUT, &format!("/chaos/profile{query}"), Some(&body)).await
}

async fn reset_profile(State(site): State<Site>, visitor: Visitor) -> Result<Response, Refusal> {
    send(&site, &visitor, Method::DELETE, "/chaos/profile", None).await
}

#[derive(Deserialize)]
struct FaultForm {
    order_id: String,
    /// The operation and the scenario, with a space between them.
    fault: String,
}

async fn force_fault(
    State(site): State<Site>,
    visitor: Visitor,
    Form(form): Form<FaultForm>,
) -> Result<Response, Refusal> {
    let (operation, scenario) = form.fault.split_once(' ').unwrap_or((&form.fault, ""));
    let path = format!("/chaos/plans/{}", path_segment(form.order_id.trim()));
    send(&site, &visitor, Method::PUT, &path, Some(&json!({operation: [scenario]}))).await
}

async fn send(
    site: &Site,
    visitor: &Visitor,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Response, Refusal> {
    let refuse = |failure| site.refuse(visitor, &failure);
    visitor.require(OPERATORS).map_err(refuse)?;
    let sent = site.provider().map_err(refuse)?.call(visitor, method.clone(), path, body).await;
    let status = sent.as_ref().err().map_or(StatusCode::OK, Failure::status);
    visitor.audit(&method, path, status);
    match sent {
        Ok(_) => Ok(see("/chaos")),
        Err(failure) => page(site, visitor, Some(failure)).await,
    }
}
