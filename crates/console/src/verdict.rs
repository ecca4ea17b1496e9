//! The verdict over all orders: the sums, and each contradiction with its explanation.

use axum::{Router, extract::State, response::Response, routing::get};
use minijinja::Value as Context;
use service_kit::{problem::Problem, stopping::Stopping};

use crate::{
    Site,
    failure::Failure,
    live::{Viewers, follow},
    pages::{Refusal, context},
    visitor::{READERS, Visitor},
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
    State(viewers): State<Viewers>,
    visitor: Visitor,
    stopping: Stopping,
) -> Result<Response, Problem> {
    follow(&viewers, stopping, move || {
        let (site, visitor) = (site.clone(), visitor.clone());
        async move {
            let judged = judged(&site, &visitor).await.ok()?;
            site.part("verdict.part.html", false, &judged)
        }
    })
}

async fn judged(site: &Site, visitor: &Visitor) -> Result<Context, Failure> {
    visitor.require(READERS)?;
    let provider = site.provider()?;
    let verdict = provider.get(visitor, "/verdict").await?;
    let ledger = provider.get(visitor, "/ledger").await?;
    Ok(context! { verdict => verdict, ledger => ledger })
}
