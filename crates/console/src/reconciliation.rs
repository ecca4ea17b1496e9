//! The reconciliation: its schedule, its last report, and what a person can do about it.

use axum::{
    Form, Router,
    extract::{Path, State},
    http::Method,
    response::Response,
    routing::{get, post},
};
use serde_json::{Value, json};

use crate::{
    Site,
    failure::Failure,
    form::Values,
    pages::{Refusal, context, see},
    visitor::Visitor,
};

pub fn routes() -> Router<Site> {
    Router::new().route("/reconciliation", get(reconciliation)).route("/reconciliation/{action}", post(act))
}

async fn reconciliation(State(site): State<Site>, visitor: Visitor) -> Result<Response, Refusal> {
    page(&site, &visitor, None).await
}

async fn page(site: &Site, visitor: &Visitor, failure: Option<Failure>) -> Result<Response, Refusal> {
    let schedule = site.api.get(visitor, "/api/v1/reconciliation").await;
    let report = site.api.get(visitor, "/api/v1/reconciliation/report").await.ok();
    let (schedule, failure) = match schedule {
        Ok(schedule) => (Some(schedule), failure),
        Err(unreadable) => (None, Some(failure.unwrap_or(unreadable))),
    };
    let context = context! { schedule => schedule, report => report };
    site.page_after(failure.as_ref(), "reconciliation.html", visitor, context)
}

async fn act(
    State(site): State<Site>,
    Path(action): Path<String>,
    visitor: Visitor,
    Form(values): Form<Values>,
) -> Result<Response, Refusal> {
    let body = match action.as_str() {
        "trigger" => json!({"repair": values.contains_key("repair")}),
        "pause" | "resume" => reason(&values),
        _ => return Err(site.refuse(&visitor, &Failure::not_found(format!("There is no action {action}.")))),
    };
    let path = format!("/api/v1/reconciliation/{action}");
    match site.api.call(&visitor, Method::POST, &path, Some(&body)).await {
        Ok(_) => Ok(see("/reconciliation")),
        Err(failure) => page(&site, &visitor, Some(failure)).await,
    }
}

fn reason(values: &Values) -> Value {
    match values.get("reason").map(|reason| reason.trim()) {
        Some(reason) if !reason.is_empty() => json!({"reason": reason}),
        _ => json!({}),
    }
}
