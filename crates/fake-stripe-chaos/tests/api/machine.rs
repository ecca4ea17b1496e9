//! Any sequence of operations, under any faults: the ledger stays true to itself.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use proptest::{prelude::*, test_runner::TestCaseResult};
use serde_json::{Value, json};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
};

use crate::help::{Ask, Provider};

/// One request. Ids and keys are indices into what there is; the indices of what isn't there mean an
/// unknown one.
#[derive(Debug, Clone)]
struct Step {
    kind: usize,
    /// What to capture: there is no capture by key.
    index: usize,
    scenario: usize,
    key: Option<usize>,
    target: Target,
    amount: u64,
    order: Option<usize>,
}

#[derive(Debug, Clone)]
enum Target {
    Id(usize),
    Key(usize),
}

/// Beyond the list lies success, so that enough of it happens.
const SCENARIOS: [&str; 8] = [
    "timeout",
    "timeout_after_commit",
    "internal_error",
    "rate_limited",
    "connection_reset",
    "connection_reset_after_commit",
    "truncated_body_after_commit",
    "malformed_json_after_commit",
];

fn step() -> impl Strategy<Value = Step> {
    let target = prop_oneof![(0..6_usize).prop_map(Target::Id), (0..5_usize).prop_map(Target::Key)];
    (
        (0..10_usize, 0..6_usize),
        0..16_usize,
        proptest::option::of(0..5_usize),
        target,
        1..200_u64,
        proptest::option::of(0..2_usize),
    )
        .prop_map(|((kind, index), scenario, key, target, amount, order)| Step {
            kind,
            index,
            scenario,
            key,
            target,
            amount,
            order,
        })
}

/// What has been made so far, by kind.
#[derive(Default)]
struct Made {
    payments: Vec<String>,
    reservations: Vec<String>,
    labels: Vec<String>,
}

impl Made {
    fn note(&mut self, body: &Value) {
        let mut keep = |name: &str, list: fn(&mut Self) -> &mut Vec<String>| {
            if let Some(id) = body[name].as_str() {
                let list = list(self);
                if !list.iter().any(|known| known == id) {
                    list.push(id.to_owned());
                }
            }
        };
        keep("authId", |made| &mut made.payments);
        keep("reservationId", |made| &mut made.reservations);
        keep("labelId", |made| &mut made.labels);
    }
}

fn ask(provider: &Provider, made: &Made, step: &Step) -> Ask {
    let target = |name: &str, ids: &[String], more: Value| {
        let mut body = more;
        match step.target {
            Target::Id(index) => body[name] = json!(ids.get(index).map_or("unknown", String::as_str)),
            Target::Key(index) => body["key"] = json!(format!("key-{index}")),
        }
        body
    };
    let amount = json!({"amount": step.amount, "currency": "usd"});
    let ask = match step.kind {
        0 => provider.post("/payment/authorize", &amount),
        1 => provider
            .post("/payment/charge", &json!({"amount": step.amount, "currency": "usd", "source": "tok"})),
        2 => provider.post(
            "/payment/capture",
            &json!({
                "authId": made.payments.get(step.index).map_or("unknown", String::as_str),
            }),
        ),
        3 => provider.post("/payment/release", &target("authId", &made.payments, json!({}))),
        4 => provider.post("/payment/refund", &target("authId", &made.payments, json!({}))),
        5 => provider
            .post("/payment/refund", &target("authId", &made.payments, json!({"amount": step.amount}))),
        6 => provider.reserve(),
        7 => provider.post("/inventory/release", &target("reservationId", &made.reservations, json!({}))),
        8 => provider.label(),
        _ => provider.post("/shipping/cancel", &target("labelId", &made.labels, json!({}))),
    };
    let ask = match step.key {
        Some(index) => ask.key(&format!("key-{index}")),
        None => ask,
    };
    let ask = match step.order {
        Some(index) => ask.order(&format!("order-{index}")),
        None => ask,
    };
    ask.scenario(SCENARIOS.get(step.scenario).copied().unwrap_or("success"))
}

/// Asks for the steps of one caller, one after the other.
async fn walk(provider: Provider, made: Arc<Mutex<Made>>, steps: Vec<Step>) -> TestCaseResult {
    for step in steps {
        let ask = ask(&provider, &made.lock().unwrap(), &step);
        let answer = ask.await;
        // What broke on its way tells nothing.
        made.lock().unwrap().note(&serde_json::from_str(&answer.body).unwrap_or_default());
        prop_assert!(matches!(answer.status, 200 | 201 | 404 | 409 | 429 | 500 | 504), "{}", answer.body);
    }
    Ok(())
}

/// Has the callers ask all at once, and looks what that left behind.
async fn holds(provider: Provider, callers: Vec<Vec<Step>>) -> TestCaseResult {
    let (made, mut walks) = (Arc::default(), JoinSet::new());
    for steps in callers {
        walks.spawn(walk(provider.clone(), Arc::clone(&made), steps));
    }
    walks.join_all().await.into_iter().collect::<TestCaseResult>()?;
    let broken: Vec<_> = provider.broken().await;
    prop_assert!(broken.is_empty(), "{broken:?}");

    // Everything that there is of a payment is in the ledger, to the cent, and nothing else.
    let mut sums = json!({"captured": 0, "refunded": 0, "released": 0, "held": 0, "expired": 0});
    let mut add = |name: &str, amount: u64| sums[name] = json!(sums[name].as_u64().unwrap_or(0) + amount);
    let lost = provider.store.transact(|tx| {
        let mut all = BTreeSet::new();
        tx.visit_entries(&mut |entry| {
            if entry.entry.posting.money().is_some() {
                all.extend(entry.entry.resource.clone());
            }
        })?;
        Ok(all)
    });
    for auth_id in lost.await.unwrap() {
        let payment = provider.get(&format!("/payment/{auth_id}")).await.json();
        let (amount, refunded) =
            (payment["amount"].as_u64().unwrap(), payment["refundedAmount"].as_u64().unwrap());
        prop_assert!(refunded <= amount);
        add("refunded", refunded);
        match payment["status"].as_str().unwrap() {
            "authorized" => add("held", amount),
            "released" => add("released", amount),
            "captured" | "partially_refunded" | "refunded" => add("captured", amount),
            other => prop_assert!(false, "status {other}"),
        }
    }
    let ledger = provider.get("/ledger").await.json();
    if ledger["totals"]["usd"].is_object() {
        prop_assert_eq!(&ledger["totals"]["usd"], &sums);
    }
    Ok(())
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 1..most)
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// What takes time really does, so that others come between.
const SLOWLY: [(&str, &str); 2] = [("SHIPPING_LABEL_DURATION", "2ms"), ("CHAOS_TIMEOUT_DELAY", "1ms")];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_operations_makes_the_ledger_contradict_itself(steps in steps(40)) {
        runtime().block_on(holds(Provider::new(), vec![steps]))?;
    }

    #[test]
    fn no_interleaving_of_operations_makes_the_ledger_contradict_itself(
        callers in proptest::collection::vec(steps(12), 2..6)
    ) {
        runtime().block_on(holds(Provider::with(&SLOWLY), callers))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_interleaving_of_operations_makes_a_ledger_in_a_file_contradict_itself(
        callers in proptest::collection::vec(steps(12), 2..6)
    ) {
        runtime().block_on(holds(Provider::in_a_file(&SLOWLY), callers))?;
    }
}
