//! Random sequences of operations under random faults: the ledger stays consistent.

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

use crate::support::{Provider, TestRequest};

/// One request. Ids and keys are indices into the created ones. An index without a created one is unknown.
#[derive(Debug, Clone)]
struct Step {
    kind: usize,
    /// The payment to capture. A capture has no target by key.
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

/// An index beyond the list is a success, so that enough requests succeed.
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

/// The created ids by kind.
#[derive(Default)]
struct CreatedIds {
    payments: Vec<String>,
    reservations: Vec<String>,
    labels: Vec<String>,
}

impl CreatedIds {
    fn remember(&mut self, body: &Value) {
        let mut keep = |name: &str, list: fn(&mut Self) -> &mut Vec<String>| {
            if let Some(id) = body[name].as_str() {
                let list = list(self);
                if !list.iter().any(|known| known == id) {
                    list.push(id.to_owned());
                }
            }
        };
        keep("authId", |created| &mut created.payments);
        keep("reservationId", |created| &mut created.reservations);
        keep("labelId", |created| &mut created.labels);
    }
}

fn request(provider: &Provider, created: &CreatedIds, step: &Step) -> TestRequest {
    let target = |name: &str, ids: &[String], more: Value| {
        let mut body = more;
        match step.target {
            Target::Id(index) => body[name] = json!(ids.get(index).map_or("unknown", String::as_str)),
            Target::Key(index) => body["key"] = json!(format!("key-{index}")),
        }
        body
    };
    let amount = json!({"amount": step.amount, "currency": "usd"});
    let request = match step.kind {
        0 => provider.post("/payment/authorize", &amount),
        1 => provider
            .post("/payment/charge", &json!({"amount": step.amount, "currency": "usd", "source": "tok"})),
        2 => provider.post(
            "/payment/capture",
            &json!({
                "authId": created.payments.get(step.index).map_or("unknown", String::as_str),
            }),
        ),
        3 => provider.post("/payment/release", &target("authId", &created.payments, json!({}))),
        4 => provider.post("/payment/refund", &target("authId", &created.payments, json!({}))),
        5 => provider
            .post("/payment/refund", &target("authId", &created.payments, json!({"amount": step.amount}))),
        6 => provider.reserve(),
        7 => provider.post("/inventory/release", &target("reservationId", &created.reservations, json!({}))),
        8 => provider.label(),
        _ => provider.post("/shipping/cancel", &target("labelId", &created.labels, json!({}))),
    };
    let request = match step.key {
        Some(index) => request.key(&format!("key-{index}")),
        None => request,
    };
    let request = match step.order {
        Some(index) => request.order(&format!("order-{index}")),
        None => request,
    };
    request.scenario(SCENARIOS.get(step.scenario).copied().unwrap_or("success"))
}

/// Sends the requests of one caller, one after the other.
async fn run_steps(provider: Provider, created: Arc<Mutex<CreatedIds>>, steps: Vec<Step>) -> TestCaseResult {
    for step in steps {
        let request = request(&provider, &created.lock().unwrap(), &step);
        let answer = request.await;
        // An answer with a wire fault has no ids.
        created.lock().unwrap().remember(&serde_json::from_str(&answer.body).unwrap_or_default());
        prop_assert!(matches!(answer.status, 200 | 201 | 404 | 409 | 429 | 500 | 504), "{}", answer.body);
    }
    Ok(())
}

/// Runs the callers at the same time, and checks the ledger afterwards.
async fn assert_ledger_consistent(provider: Provider, callers: Vec<Vec<Step>>) -> TestCaseResult {
    let (created, mut tasks) = (Arc::default(), JoinSet::new());
    for steps in callers {
        tasks.spawn(run_steps(provider.clone(), Arc::clone(&created), steps));
    }
    tasks.join_all().await.into_iter().collect::<TestCaseResult>()?;
    let broken: Vec<_> = provider.broken_rules().await;
    prop_assert!(broken.is_empty(), "{broken:?}");

    // The totals equal the sums over all payments to the cent, also of payments with lost answers.
    let mut sums = json!({"captured": 0, "refunded": 0, "released": 0, "held": 0, "expired": 0});
    let mut add = |name: &str, amount: u64| sums[name] = json!(sums[name].as_u64().unwrap_or(0) + amount);
    let payments = provider.store.transact(|tx| {
        let mut all = BTreeSet::new();
        tx.visit_entries(&mut |entry| {
            if entry.entry.posting.money().is_some() {
                all.extend(entry.entry.resource.clone());
            }
        })?;
        Ok(all)
    });
    for auth_id in payments.await.unwrap() {
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

fn steps(max: usize) -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 1..max)
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Labels and timeouts take time, so that requests interleave.
const SLOW: [(&str, &str); 2] = [("SHIPPING_LABEL_DURATION", "2ms"), ("CHAOS_TIMEOUT_DELAY", "1ms")];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_operations_makes_the_ledger_contradict_itself(steps in steps(40)) {
        runtime().block_on(assert_ledger_consistent(Provider::new(), vec![steps]))?;
    }

    #[test]
    fn no_interleaving_of_operations_makes_the_ledger_contradict_itself(
        callers in proptest::collection::vec(steps(12), 2..6)
    ) {
        runtime().block_on(assert_ledger_consistent(Provider::with(&SLOW), callers))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_interleaving_of_operations_makes_a_ledger_file_contradict_itself(
        callers in proptest::collection::vec(steps(12), 2..6)
    ) {
        runtime().block_on(assert_ledger_consistent(Provider::with_file_ledger(&SLOW), callers))?;
    }
}
