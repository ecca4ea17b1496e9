//! Measures ten thousand requests that wait for their 504: the cost of each, and the accuracy of the delay.

use std::time::{Duration, Instant};

use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use crate::{
    Result,
    load::Client,
    server::{QUIET, Server},
};

const REQUESTS: usize = 10_000;
/// Long enough that all are parked at once.
const DELAY: Duration = Duration::from_secs(12);
/// They come in groups, so that what is measured isn't how they queue up for the processor.
const GROUP: usize = 20;
const BETWEEN_GROUPS: Duration = Duration::from_millis(10);

pub async fn measure() -> Result<()> {
    let delay = format!("{}s", DELAY.as_secs());
    let server = Server::provider("memory", &[QUIET, ("CHAOS_TIMEOUT_DELAY", &delay)])?;
    let empty = server.memory()?;
    let mut connections = Vec::new();
    for _ in 0..REQUESTS {
        connections.push(Client::connect(server.address).await?);
    }
    let connected = server.memory()?;
    let mut requests = JoinSet::new();
    let mut pace = interval(BETWEEN_GROUPS);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for (index, client) in connections.into_iter().enumerate() {
        if index % GROUP == 0 {
            pace.tick().await;
        }
        requests.spawn(park(client, index));
    }
    let parked = server.memory()?;
    if let Some(early) = requests.try_join_next() {
        return Err(format!("not all were parked at once: {:?}", early?).into());
    }
    let mut errors = Vec::new();
    while let Some(done) = requests.join_next().await {
        errors.push(done??);
    }
    errors.sort();
    let kibibytes = |bytes: u64| bytes / REQUESTS as u64 / 1024;
    println!("{REQUESTS} requests parked at once in a timeout of {DELAY:?}\n");
    println!("| | |");
    println!("|---|---|");
    println!("| memory of the empty provider | {} MiB |", empty / 1024 / 1024);
    println!("| of each connection | {} KiB |", kibibytes(connected - empty));
    println!("| of each parked request, beside its connection | {} KiB |", kibibytes(parked - connected));
    for (name, share) in [("median", 50), ("p99", 99), ("p99.9", 999)] {
        let whole = if share < 100 { 100 } else { 1000 };
        println!("| answered late, {name} | {:?} |", errors[REQUESTS * share / whole]);
    }
    println!("| answered early | {} |", errors.iter().filter(|late| late.is_zero()).count());
    Ok(())
}

/// Returns the lateness of the answer.
async fn park(mut client: Client, index: usize) -> Result<Duration> {
    let body = format!(r#"{{"amount":5998,"currency":"usd","orderId":"parked-{index}"}}"#);
    let began = Instant::now();
    let answer = client.post("/payment/authorize", &format!("parked-{index}"), Some("timeout"), body).await?;
    let took = began.elapsed();
    if answer.0 != 504 {
        return Err(format!("{} instead of 504", answer.0).into());
    }
    Ok(took.saturating_sub(DELAY))
}
