//! Many callers at once: one effect for one key, and the same scenarios for the same order.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tokio::task::JoinSet;

use crate::support::Provider;

const CLIENTS: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_clients_with_one_key_have_one_effect_and_one_answer() {
    let provider = Provider::new();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(provider.authorize().key("k").order("order-1").into_future());
    }
    let answers = clients.join_all().await;
    let bodies: BTreeSet<_> = answers.iter().map(|answer| answer.body.clone()).collect();
    assert_eq!(bodies.len(), 1);
    assert!(answers.iter().all(|answer| answer.status == 201));
    assert_eq!(answers.iter().filter(|answer| !answer.replayed()).count(), 1);
    assert_eq!(provider.effects("order-1").await, ["held"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_clients_with_one_key_make_one_label() {
    let provider = Provider::with(&[("SHIPPING_LABEL_DURATION", "50ms")]);
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(provider.label().key("k").order("order-1").into_future());
    }
    let answers = clients.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201 && !answer.replayed()).count(), 1);
    for answer in answers {
        if answer.status != 201 {
            answer.problem(409, "idempotency_key_in_use");
        }
    }
    assert_eq!(provider.effects("order-1").await, ["labelled"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_undo_that_races_its_request_leaves_nothing() {
    let provider = Provider::with(&[("SHIPPING_LABEL_DURATION", "1ms")]);
    let mut races = JoinSet::new();
    for index in 0..CLIENTS {
        let (key, order) = (format!("k{index}"), format!("order-{index}"));
        let forward =
            [provider.authorize(), provider.reserve(), provider.label()].map(|ask| ask.order(&order));
        let undo = ["/payment/release", "/inventory/release", "/shipping/cancel"];
        for (index, (forward, undo)) in forward.into_iter().zip(undo).enumerate() {
            let key = format!("{key}-{index}");
            races.spawn(forward.key(&key).into_future());
            races.spawn(provider.post(undo, &json!({ "key": key })).order(&order).into_future());
        }
    }
    races.join_all().await;
    for index in 0..CLIENTS {
        provider.record_outcome(&format!("order-{index}"), "not_shipped").await.expect(200);
    }
    assert_eq!(provider.broken_rules().await, []);
}

/// Returns the decisions of an order in 12 requests.
async fn scenarios_met(provider: Provider, order: String) -> (String, Vec<String>) {
    let mut decisions = Vec::new();
    for attempt in 0..4 {
        for ask in [provider.authorize(), provider.reserve(), provider.notify()] {
            let answer = ask.order(&order).key(&format!("{order}/{attempt}/{}", decisions.len())).await;
            decisions.push(answer.header("x-chaos-decision").unwrap().to_owned());
        }
    }
    (order, decisions)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_orders_draw_the_same_scenarios_with_one_client_and_with_many() {
    let orders: Vec<_> = (0..CLIENTS).map(|index| format!("order-{index}")).collect();
    let alone = Provider::with(&[("CHAOS_PROFILE", "seed")]);
    let mut one_by_one = BTreeMap::new();
    for order in orders.iter().rev() {
        let (order, decisions) = scenarios_met(alone.clone(), order.clone()).await;
        one_by_one.insert(order, decisions);
    }
    let crowded = Provider::with(&[("CHAOS_PROFILE", "seed")]);
    let mut clients = JoinSet::new();
    for order in orders {
        clients.spawn(scenarios_met(crowded.clone(), order));
    }
    let at_once: BTreeMap<_, _> = clients.join_all().await.into_iter().collect();
    assert_eq!(at_once, one_by_one);
    let scenarios: BTreeSet<_> = at_once
        .values()
        .flatten()
        .filter_map(|decision| decision.split(';').find(|part| part.starts_with("scenario=")))
        .collect();
    assert_eq!(scenarios.len(), 6, "chaos was active: {scenarios:?}");
}
