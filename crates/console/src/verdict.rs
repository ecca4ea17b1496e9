//! The verdict over all orders: the sums, and each contradiction with its explanation.

use axum::{Router, extract::State, response::Response, routing::get};
use minijinja::Value as Context;
use service_kit::{auth::roles::READERS, problem::Problem, stopping::Stopping};

use crate::{
    Site,
    failure::Failure,
    live::follow,
    pages::{Refusal, context},
    visitor::Visitor,
};

pub fn routes() -> Router<Site> {
    Router::new().route("/verdict", get(verdict)).route("/verdict/live", get(follow_verdict))
}

async fn verdict(State(site): State<Site>, visitor: Visitor) -> Result<Response, Refusal> {
    let judged = judged(&site, &visitor).await.map_err(|failure| site.refuse(&visitor, &failure))?;
    site.page("verdict.html", &visitor, judged)
}

async fn follow_verdict(
    State(site): State<Site>,
    visitor: Visitor,
    stopping: Stopping,
) -> Result<Response, Problem> {
    follow(site, visitor, stopping, (), |site, visitor, ()| async move {
        site.part("verdict.part.html", false, &judged(&site, &visitor).await.ok()?)
    })
}

async fn judged(site: &Site, visitor: &Visitor) -> Result<Context, Failure> {
    visitor.require(READERS)?;
    let provider = site.provider()?;
    let verdict = provider.get(visitor, "/verdict").await?;
    let ledger = provider.get(visitor, "/ledger").await?;
    Ok(context! { verdict => verdict, ledger => ledger })
}
