//! Many orders at once under chaos: none contradicts, and the same seed means the same fate. And what a
//! wrong worker leaves behind is found, so the verdict can speak.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use xtask::services::{PROVIDER, WORKER};

use crate::{
    mutant::{self, Mistake},
    support::World,
};

/// Places orders at once, waits for the end of each and tells the provider of it.
async fn run_all(world: &World, orders: usize) -> BTreeMap<usize, Value> {
    let ends: Vec<(usize, Value)> = stream::iter(0..orders)
        .map(|number| async move {
            let order = number.to_string();
            world.place_with_patience(&world.order(&order)).await;
            let end = world.end(&order).await;
            world.tell_outcome(&order, &end).await;
            (number, end)
        })
        .buffer_unordered(orders)
        .collect()
        .await;
    ends.into_iter().collect()
}

async fn verdict(world: &World) -> Value {
    world.call(&PROVIDER, Method::GET, "/verdict?final=true", None).await.1
}

/// Two hundred orders under a seed, on a Temporal server of their own so that their ids can be the same
/// each time; gives how each ended.
async fn two_hundred(seed: u64) -> Vec<(Value, Value)> {
    let world = World::start_alone("volume", |options| {
        options.chaos = String::from("seed");
        options.seed = Some(seed);
    })
    .await;
    let ends = run_all(&world, 200).await;
    let verdict = verdict(&world).await;
    let counts = (&verdict["orders"], &verdict["open"], &verdict["contradictions"]);
    assert_eq!(counts, (&json!(200), &json!(0), &json!([])), "seed {seed}: {verdict}");
    let shipped = verdict["shipped"].as_u64().unwrap();
    assert!((40..=85).contains(&shipped), "seed {seed}: {shipped} shipped");
    let path = "/journal?scenario=timeout_after_commit&limit=10000";
    let (_, journal) = world.call(&PROVIDER, Method::GET, path, None).await;
    let lost = journal["entries"].as_array().unwrap().len();
    assert!(lost >= 10, "seed {seed}: {lost} answers were lost");
    world.stop().await;
    ends.into_values().map(|end| (end["status"].clone(), end["error"]["code"].clone())).collect()
}

#[tokio::test]
async fn two_hundred_orders_at_once_end_right_and_the_same_seed_means_the_same_fate() {
    let first = two_hundred(1).await;
    let second = two_hundred(2).await;
    two_hundred(3).await;
    assert_eq!(two_hundred(1).await, first);
    assert_ne!(second, first, "another seed, another fate");
}

/// Orders of a worker that makes a mistake, under chaos; gives the rules that its orders broke.
async fn contradictions(name: &'static str, mistake: Mistake) -> Vec<String> {
    let (address, to) = mutant::start(mistake).await;
    let world = World::start_with(name, |options| {
        options.chaos = String::from("seed");
        options.seed = Some(1);
        options.environment.push((&WORKER, "PROVIDER_URL", format!("http://{address}")));
        to.send(options.ports.url(&PROVIDER)).unwrap();
    })
    .await;
    run_all(&world, 60).await;
    let verdict = verdict(&world).await;
    world.stop().await;
    let rules = verdict["contradictions"].as_array().unwrap().iter();
    rules.map(|found| found["rule"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_worker_that_undoes_only_what_it_heard_of_is_found_out() {
    assert!(!contradictions("mutant-undo", Mistake::NoUndoByKey).await.is_empty());
}

#[tokio::test]
async fn a_worker_with_a_key_for_each_attempt_is_found_out() {
    assert!(!contradictions("mutant-key", Mistake::KeyPerAttempt).await.is_empty());
}

#[tokio::test]
async fn a_worker_that_takes_a_timeout_for_a_failure_is_found_out() {
    assert!(!contradictions("mutant-timeout", Mistake::TimeoutIsFailure).await.is_empty());
}
