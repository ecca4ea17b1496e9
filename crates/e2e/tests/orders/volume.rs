//! Tests many concurrent orders under chaos: none leaves a contradiction, and a seed repeats its ends. The verdict
//! detects the mistakes of wrong workers.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use xtask::services::{API, PROVIDER, WORKER};

use crate::{
    faulty_proxy::{self, Mutation},
    support::TestStack,
};

/// Places orders concurrently, waits for their ends, and records their outcomes at the provider.
async fn run_all(test: &TestStack, orders: usize) -> BTreeMap<usize, Value> {
    let ends: Vec<(usize, Value)> = stream::iter(0..orders)
        .map(|number| async move {
            let order = number.to_string();
            test.place_with_retry(&test.order(&order)).await;
            let end = test.wait_for_end(&order).await;
            test.record_outcome(&order, &end).await;
            (number, end)
        })
        .buffer_unordered(orders)
        .collect()
        .await;
    ends.into_iter().collect()
}

async fn verdict(test: &TestStack) -> Value {
    test.call(&PROVIDER, Method::GET, "/verdict?final=true", None).await.1
}

/// Runs two hundred orders under a seed, and returns their ends. Each call has its own Temporal server, so that the ids
/// can repeat.
async fn two_hundred(seed: u64) -> Vec<(Value, Value)> {
    let test = TestStack::start_with_own_server("volume", |options| {
        options.chaos = String::from("seed");
        options.seed = Some(seed);
    })
    .await;
    let ends = run_all(&test, 200).await;
    let verdict = verdict(&test).await;
    let counts = (&verdict["orders"], &verdict["open"], &verdict["contradictions"]);
    assert_eq!(counts, (&json!(200), &json!(0), &json!([])), "seed {seed}: {verdict}");
    let shipped = verdict["shipped"].as_u64().unwrap();
    assert!((40..=85).contains(&shipped), "seed {seed}: {shipped} shipped");
    let path = "/journal?scenario=timeout_after_commit&limit=10000";
    let (_, journal) = test.call(&PROVIDER, Method::GET, path, None).await;
    let lost = journal["entries"].as_array().unwrap().len();
    assert!(lost >= 10, "seed {seed}: {lost} answers were lost");
    test.stop().await;
    ends.into_values().map(|end| (end["status"].clone(), end["error"]["code"].clone())).collect()
}

#[tokio::test]
async fn two_hundred_concurrent_orders_end_consistently_and_a_seed_repeats_their_ends() {
    let first = two_hundred(1).await;
    let second = two_hundred(2).await;
    two_hundred(3).await;
    assert_eq!(two_hundred(1).await, first);
    assert_ne!(second, first, "another seed gives other ends");
}

#[tokio::test]
async fn orders_at_a_hostile_provider_leave_nothing_behind() {
    let test = TestStack::start_with("hostile", |options| {
        options.chaos = String::from("hostile");
        options.seed = Some(1);
        options.environment.push((&API, "COMPENSATION_RETRY_INITIAL", "200ms".to_owned()));
    })
    .await;
    run_all(&test, 30).await;
    let verdict = verdict(&test).await;
    let counts = (&verdict["orders"], &verdict["open"], &verdict["contradictions"]);
    assert_eq!(counts, (&json!(30), &json!(0), &json!([])), "{verdict}");
    let (_, stats) = test.call(&PROVIDER, Method::GET, "/journal?limit=10000", None).await;
    let requests = stats["entries"].as_array().unwrap().iter();
    let broken = requests.filter(|line| {
        let scenario = line["decision"]["scenario"].as_str().unwrap_or_default();
        ["connection_reset", "truncated_body", "malformed_json"]
            .iter()
            .any(|fault| scenario.starts_with(fault))
    });
    assert!(broken.count() > 0, "the profile broke no answer on the wire");
    test.stop().await;
}

/// Orders of a worker that makes a mutation, under chaos; gives the rules that its orders broke.
async fn contradictions(name: &'static str, mutation: Mutation) -> Vec<String> {
    let (address, to) = faulty_proxy::start(mutation).await;
    let test = TestStack::start_with(name, |options| {
        options.chaos = String::from("seed");
        options.seed = Some(1);
        options.environment.push((&WORKER, "PROVIDER_URL", format!("http://{address}")));
        to.send(options.ports.url(&PROVIDER)).unwrap();
    })
    .await;
    run_all(&test, 60).await;
    let verdict = verdict(&test).await;
    test.stop().await;
    let rules = verdict["contradictions"].as_array().unwrap().iter();
    rules.map(|found| found["rule"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_verdict_detects_a_worker_that_undoes_only_answered_calls() {
    assert!(!contradictions("faulty_proxy-undo", Mutation::NoUndoByKey).await.is_empty());
}

#[tokio::test]
async fn the_verdict_detects_a_worker_with_a_key_for_each_attempt() {
    assert!(!contradictions("faulty_proxy-key", Mutation::KeyPerAttempt).await.is_empty());
}

#[tokio::test]
async fn the_verdict_detects_a_worker_that_treats_a_timeout_as_a_failure() {
    assert!(!contradictions("faulty_proxy-timeout", Mutation::TimeoutIsFailure).await.is_empty());
}
