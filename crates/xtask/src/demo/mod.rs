//! `cargo xtask demo`: a stack of its own, every scenario of an order with its progress shown, a batch that
//! meets whatever the provider draws, and the provider's own verdict.

mod contexts;
mod scenario;
mod shop;
mod verdict;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::StatusCode;
use serde_json::Value;
use tokio::task::JoinSet;

use self::{
    scenario::Scenario,
    shop::{Ended, Shop},
    verdict::Verdict,
};
use crate::{
    console::Console,
    http::{Http, Unanswered},
    interrupt::Interrupts,
    services::{API, FOUNDER, PROVIDER, Service},
    up::{self, Wishes},
};

/// How many orders meet whatever the provider draws.
const BATCH: usize = 12;
/// What makes the waits of an order those of a demo: long enough to approve an order in time on a busy
/// machine, and short where nothing but waiting is shown.
const WAITS: [(&Service, &str, &str); 3] = [
    (&API, "APPROVAL_TIMEOUT", "10s"),
    (&API, "COMPENSATION_RETRY_INITIAL", "2s"),
    (&API, "COMPENSATION_RETRY_MAXIMUM", "4s"),
];

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error("{question}: {status} {body}")]
    Unexpected { question: String, status: StatusCode, body: Value },
    #[error("{question}: the answer isn't what it should be: {source}")]
    Unreadable { question: String, source: serde_json::Error },
    #[error("{order} hasn't ended after {} s", limit.as_secs())]
    NotEnded { order: String, limit: Duration },
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

/// Starts a stack whose provider misbehaves, places the orders, asks for user contexts, and ends with the
/// verdict: whether each named scenario ended as it promises, and the ledger and the orders agree.
///
/// # Errors
/// When the stack can't be started, an order can't be placed or followed, or a user context can't be had.
pub async fn run(
    console: &Console,
    interrupts: &mut Interrupts,
    free_ports: bool,
) -> Result<bool, up::Error> {
    let environment = WAITS.map(|(service, name, value)| (service, name, value.to_owned())).to_vec();
    let wishes = Wishes {
        chaos: Some(up::USUAL_CHAOS.to_owned()),
        seed: None,
        fast: true,
        fresh: true,
        free_ports,
        environment,
    };
    let mut stack = interrupts.or(up::raise(console, &wishes)).await?;
    let founder = stack.url(&FOUNDER);
    let shop = Shop { http: Http::new()?, api: stack.url(&API), provider: stack.url(&PROVIDER) };
    let traded = interrupts
        .or(async {
            tokio::select! {
                traded = trade(console, &shop, &founder) => Ok(traded?),
                ended = stack.watch() => Err(up::Error::from(ended)),
            }
        })
        .await;
    up::lower(console, interrupts, stack).await?;
    let (ended, verdict) = traded?;
    let faults: Vec<_> = verdict.faults(&ended).into_iter().chain(broken_promises(&ended)).collect();
    for fault in &faults {
        console.say(&format!("fault: {fault}"));
    }
    println!("{verdict}");
    Ok(faults.is_empty())
}

async fn trade(console: &Console, shop: &Shop, founder: &str) -> Result<(Vec<Ended>, Verdict), Error> {
    let run = run_name();
    console.say("Every scenario, made certain by a plan for the provider; in brackets what was undone");
    let named = scenario::NAMED.iter().map(|scenario| (format!("demo-{run}-{}", scenario.name), scenario));
    let mut ended = all(console, shop, named).await?;
    console.say(&format!("{BATCH} orders at once that meet whatever the provider draws"));
    let batch = (1..=BATCH).map(|number| (format!("demo-{run}-chaos-{number:02}"), &scenario::DRAWN));
    let batch = all(console, shop, batch).await?;
    console.say(&format!("   {}", summary(&batch)));
    ended.extend(batch);
    console.say("A user context from founder, by each of its strategies");
    contexts::show(console, &shop.http, founder).await?;
    Ok((ended, shop.verdict().await?))
}

/// Plays scenarios at once, each with an order of its own.
async fn all(
    console: &Console,
    shop: &Shop,
    orders: impl Iterator<Item = (String, &'static Scenario)>,
) -> Result<Vec<Ended>, Error> {
    let mut playing = JoinSet::new();
    for (order, scenario) in orders {
        let gauge = console.gauge(format!("{order:<33}"));
        let shop = shop.clone();
        playing.spawn(async move { shop.play(order, scenario, gauge).await });
    }
    let mut ended = Vec::new();
    while let Some(order) = playing.join_next().await {
        ended.push(order??);
    }
    Ok(ended)
}

fn broken_promises(ended: &[Ended]) -> impl Iterator<Item = String> {
    ended.iter().filter_map(|order| Some(format!("{}: {}", order.id, order.broken_promise()?)))
}

/// How many ended how.
fn summary(ended: &[Ended]) -> String {
    let mut counts = BTreeMap::<_, usize>::new();
    for order in ended {
        *counts.entry(order.end.code().unwrap_or(&order.end.status)).or_default() += 1;
    }
    counts.iter().map(|(how, count)| format!("{count} {how}")).collect::<Vec<_>>().join(", ")
}

/// Different in every run: orders and their workflows have names for ever.
fn run_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}", now.as_millis())
}
