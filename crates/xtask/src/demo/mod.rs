//! `cargo xtask demo`: starts a stack, runs every scenario of an order and a batch of orders under chaos, and
//! prints the provider's verdict.

mod batch;
mod order_client;
mod reconciliation;
mod scenario;
mod subscription;
mod user_contexts;
mod verdict;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::StatusCode;
use serde_json::Value;
use tokio::task::JoinSet;

use self::{
    order_client::{EndedOrder, OrderClient},
    scenario::Scenario,
    verdict::Verdict,
};
use crate::{
    console::Console,
    http::{Http, NoAnswer},
    interrupt::Interrupts,
    services::{API, FOUNDER, Options, PROVIDER, Service},
    up::{self, UpOptions},
};

/// The number of orders whose scenarios the provider draws.
const RANDOM_ORDERS: usize = 12;
/// The waits of an order in a demo. They leave enough time to approve an order on a busy machine, and are short
/// otherwise.
const DEMO_TIMINGS: [(&Service, &str, &str); 4] = [
    (&API, "SUBSCRIPTION_RETRY_AFTER", "1s"),
    (&API, "APPROVAL_TIMEOUT", "10s"),
    (&API, "COMPENSATION_RETRY_INITIAL", "2s"),
    (&API, "COMPENSATION_RETRY_MAXIMUM", "4s"),
];

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    #[error("{question}: {status} {body}")]
    Unexpected { question: String, status: StatusCode, body: Value },
    #[error("{question}: the answer has an unexpected form: {source}")]
    Unreadable { question: String, source: serde_json::Error },
    #[error("{order} has not ended after {} s", limit.as_secs())]
    NotEnded { order: String, limit: Duration },
    #[error("the Temporal CLI failed: {0}")]
    Command(String),
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

/// Starts a stack with chaos, places the orders, gets user contexts, and prints the verdict. Returns whether each named
/// scenario ended as expected and the ledger agrees with the orders.
///
/// # Errors
/// Returns an error when the stack can't be started, or an order or a user context gets no valid answer.
pub async fn run(
    console: &Console,
    interrupts: &mut Interrupts,
    free_ports: bool,
) -> Result<bool, up::Error> {
    let environment = DEMO_TIMINGS.map(|(service, name, value)| (service, name, value.to_owned())).to_vec();
    let options = UpOptions {
        chaos: Some(up::DEFAULT_CHAOS.to_owned()),
        seed: None,
        fast: true,
        fresh: true,
        free_ports,
        observe: false,
        environment,
    };
    let mut stack = interrupts.race(up::start_stack(console, &options)).await?;
    let founder = stack.url(&FOUNDER);
    let temporal = stack.options().clone();
    let client = OrderClient { http: Http::new()?, api: stack.url(&API), provider: stack.url(&PROVIDER) };
    let results = interrupts
        .race(async {
            tokio::select! {
                results = run_demo(console, &client, &founder, &temporal) => Ok(results?),
                ended = stack.watch() => Err(up::Error::from(ended)),
            }
        })
        .await;
    up::stop_stack(console, interrupts, stack).await?;
    let (ended, verdict) = results?;
    let mismatches: Vec<_> = verdict.mismatches(&ended).into_iter().chain(mismatches(&ended)).collect();
    for mismatch in &mismatches {
        console.print(&format!("mismatch: {mismatch}"));
    }
    println!("{verdict}");
    Ok(mismatches.is_empty())
}

async fn run_demo(
    console: &Console,
    client: &OrderClient,
    founder: &str,
    temporal: &Options,
) -> Result<(Vec<EndedOrder>, Verdict), Error> {
    let run = run_name();
    console.print("Every scenario, made certain by a plan for the provider; in brackets what was undone");
    let named =
        scenario::NAMED_SCENARIOS.iter().map(|scenario| (format!("demo-{run}-{}", scenario.name), scenario));
    let mut ended = run_scenarios(console, client, named).await?;
    console.print(&format!("{RANDOM_ORDERS} orders at once that meet whatever the provider draws"));
    let random = (1..=RANDOM_ORDERS)
        .map(|number| (format!("demo-{run}-chaos-{number:02}"), &scenario::RANDOM_SCENARIO));
    let random = run_scenarios(console, client, random).await?;
    console.print(&format!("   {}", summary(&random)));
    ended.extend(random);
    console.print("Workflows that place orders, and one that looks after them");
    let (subscribed, batch) = tokio::try_join!(
        subscription::show(console, client, format!("demo-{run}-subscription")),
        batch::show(console, client, format!("demo-{run}-batch")),
    )?;
    ended.extend(subscribed.into_iter().chain(batch));
    ended.push(reconciliation::show(console, client, temporal, format!("demo-{run}-orphan")).await?);
    console.print("A user context from founder with each strategy");
    user_contexts::show(console, &client.http, founder).await?;
    Ok((ended, client.verdict().await?))
}

/// Runs scenarios concurrently, each with its own order.
async fn run_scenarios(
    console: &Console,
    client: &OrderClient,
    orders: impl Iterator<Item = (String, &'static Scenario)>,
) -> Result<Vec<EndedOrder>, Error> {
    let mut running = JoinSet::new();
    for (order, scenario) in orders {
        let progress_bar = console.progress_bar(format!("{order:<33}"));
        let client = client.clone();
        running.spawn(async move { client.run_scenario(order, scenario, progress_bar).await });
    }
    let mut ended = Vec::new();
    while let Some(order) = running.join_next().await {
        ended.push(order??);
    }
    Ok(ended)
}

fn mismatches(ended: &[EndedOrder]) -> impl Iterator<Item = String> {
    ended.iter().filter_map(|order| Some(format!("{}: {}", order.id, order.mismatch()?)))
}

/// Counts the orders by code or status.
fn summary(ended: &[EndedOrder]) -> String {
    let mut counts = BTreeMap::<_, usize>::new();
    for order in ended {
        *counts.entry(order.end.code().unwrap_or(&order.end.status)).or_default() += 1;
    }
    counts.iter().map(|(end, count)| format!("{count} {end}")).collect::<Vec<_>>().join(", ")
}

/// Returns a name that is different in every run, since the ids of orders and workflows are never reused.
fn run_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}", now.as_millis())
}
