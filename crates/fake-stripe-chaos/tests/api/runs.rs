//! Runs: worlds of their own on one server.

use std::sync::Arc;

use axum::http::Method;
use fake_stripe_chaos::{
    app::Ports,
    shared::{
        chaos::seed_of_run,
        clock::ManualClock,
        ids::RandomIds,
        store::{MemoryStore, MemoryStores, Store},
    },
};
use serde_json::{Value, json};

use crate::help::{Ask, Provider, SEED, START};

const RUN: &str = "x-chaos-run";

fn in_run(ask: Ask, run: &str) -> Ask {
    ask.header(RUN, run)
}

async fn runs(provider: &Provider) -> Value {
    provider.get("/runs").await.expect(200).json()["runs"].clone()
}

#[tokio::test]
async fn what_happens_in_one_run_is_not_seen_in_another() {
    let provider = Provider::new();
    let one = in_run(provider.authorize().order("o").key("k"), "one").await.expect(201);
    let other = in_run(provider.authorize().order("o").key("k"), "other").await.expect(201);
    assert_ne!(one.text("authId"), other.text("authId"), "keys are of a run");
    assert!(in_run(provider.authorize().order("o").key("k"), "one").await.expect(201).replayed());
    for run in ["one", "other"] {
        let ledger = in_run(provider.get("/ledger"), run).await.expect(200).json();
        assert_eq!(ledger["totals"]["usd"]["held"], 5998);
        let journal = in_run(provider.get("/journal"), run).await.expect(200).json();
        assert_eq!(journal["entries"].as_array().unwrap().len(), if run == "one" { 2 } else { 1 });
    }
    assert_eq!(provider.get("/ledger").await.expect(200).json()["totals"], json!({}));
    let auth_id = one.text("authId");
    provider.get(&format!("/payment/{auth_id}")).await.problem(404, "payment_not_found");
    in_run(provider.get(&format!("/payment/{auth_id}")), "one").await.expect(200);
}

#[tokio::test]
async fn a_run_is_named_by_the_header_or_by_the_path() {
    let provider = Provider::new();
    let body = json!({"amount": 5998, "currency": "usd"});
    let by_path = provider.post("/runs/one/payment/authorize", &body).key("k").order("o").await.expect(201);
    let by_header = in_run(provider.authorize().key("k").order("o"), "one").await.expect(201);
    assert!(by_header.replayed(), "it is the same request");
    assert_eq!(by_header.body, by_path.body);
    let auth_id = by_path.text("authId");
    let found = provider.get(&format!("/runs/one/payment/{auth_id}")).await.expect(200);
    assert_eq!(found.text("status"), "authorized");
    assert_eq!(provider.get("/runs/one/verdict?orderId=o").await.expect(200).json()["open"], 1);
    provider.authorize().header(RUN, "default").await.expect(201);
    assert_eq!(provider.get("/ledger").await.json()["totals"]["usd"]["held"], 5998, "the default has a name");
}

#[tokio::test]
async fn a_run_has_a_seed_of_its_own_and_every_decision_names_both() {
    let provider = Provider::with(&[("CHAOS_PROFILE", "seed")]);
    let decided = in_run(provider.authorize().order("o"), "one").await;
    let derived = seed_of_run(SEED, &"one".parse().unwrap()).to_string();
    assert_eq!((decided.decided("run"), decided.decided("seed")), (Some("one".to_owned()), Some(derived)));
    let made = provider.put("/runs/given", &json!({"seed": u64::MAX})).await.expect(201).json();
    assert_eq!(made, json!({"success": true, "name": "given", "seed": u64::MAX}));
    let decided = in_run(provider.authorize().order("o"), "given").await;
    assert_eq!(decided.decided("seed"), Some(u64::MAX.to_string()));
    provider.put("/runs/given", &json!({})).await.expect(200);
    provider.put("/runs/given", &json!({"seed": 1})).await.problem(409, "run_has_other_seed");
    let found = runs(&provider).await;
    let names: Vec<_> = found.as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["given", "one"]);
}

#[tokio::test]
async fn the_same_run_with_the_same_seed_meets_the_same_fate() {
    let fates = async |provider: &Provider, run: &str| {
        provider.put(&format!("/runs/{run}"), &json!({"seed": 7})).await.expect(201);
        let mut fates = Vec::new();
        for order in 0..20 {
            let answer = in_run(provider.authorize().order(&format!("order-{order}")), run).await;
            fates.push(answer.decided("scenario").unwrap());
        }
        fates
    };
    let provider = Provider::with(&[("CHAOS_PROFILE", "seed")]);
    assert_eq!(fates(&provider, "one").await, fates(&provider, "other").await);
}

#[tokio::test]
async fn a_profile_and_a_plan_are_those_of_a_run() {
    let provider = Provider::new();
    provider.put("/runs/one/chaos/profile", &json!({"name": "outage"})).await.expect(200);
    provider
        .put("/runs/one/chaos/plans/o", &json!({"payment.authorize": ["internal_error"]}))
        .await
        .expect(200);
    in_run(provider.authorize().order("o"), "one").await.expect(500);
    in_run(provider.authorize().order("o"), "other").await.expect(201);
    provider.authorize().order("o").await.expect(201);
    assert_eq!(provider.get("/runs/one/chaos/profile").await.expect(200).text("name"), "outage");
    assert_eq!(provider.get("/chaos/profile").await.expect(200).text("name"), "off");
}

#[tokio::test]
async fn a_seed_lives_as_long_as_the_ledger_unless_another_is_configured() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let ports = |seed| Ports {
        clock: Arc::new(ManualClock::at(START)),
        ids: Arc::new(RandomIds),
        store: Arc::clone(&store),
        stores: Arc::new(MemoryStores::default()),
        seed,
    };
    let mut seeds = Vec::new();
    for (drawn, configured) in [(1, None), (2, None), (3, Some(7)), (4, None)] {
        seeds.push(ports(drawn).with_kept_seed(configured).await.unwrap().seed);
    }
    assert_eq!(seeds, [1, 1, 7, 7]);
}

#[tokio::test]
async fn a_forgotten_run_begins_anew() {
    let provider = Provider::new();
    in_run(provider.authorize().order("o").key("k"), "one").await.expect(201);
    let forgotten = provider.ask(Method::DELETE, "/runs/one").await.expect(200).json();
    assert_eq!(forgotten, json!({"success": true, "forgotten": "one"}));
    assert_eq!(runs(&provider).await, json!([]));
    provider.ask(Method::DELETE, "/runs/one").await.problem(404, "run_not_found");
    assert!(!in_run(provider.authorize().order("o").key("k"), "one").await.expect(201).replayed());
    provider.ask(Method::DELETE, "/runs/default").await.problem(409, "run_is_default");
    provider.put("/runs/default", &json!({})).await.problem(409, "run_is_default");
}

#[tokio::test]
async fn there_are_only_so_many_runs() {
    let provider = Provider::with(&[("CHAOS_MAX_RUNS", "2")]);
    for run in ["one", "two"] {
        in_run(provider.get("/ledger"), run).await.expect(200);
    }
    in_run(provider.authorize(), "three").await.problem(409, "too_many_runs");
    provider.get("/runs/three/ledger").await.problem(409, "too_many_runs");
    assert_eq!(runs(&provider).await.as_array().unwrap().len(), 2);
    provider.ask(Method::DELETE, "/runs/one").await.expect(200);
    in_run(provider.authorize(), "three").await.expect(201);
}

#[tokio::test]
async fn the_documents_of_every_run_are_the_servers() {
    let provider = Provider::new();
    let one = provider.get("/runs/one/api/docs/openapi.json").await.expect(200);
    assert_eq!(one.body, provider.get("/api/docs/openapi.json").await.expect(200).body);
    assert_eq!(runs(&provider).await, json!([]));
}

#[tokio::test]
async fn a_bad_name_is_refused_and_makes_no_run() {
    let provider = Provider::new();
    for bad in ["", "two words", "..", "a/b", &"x".repeat(65)] {
        let answer = in_run(provider.authorize(), bad).await.problem(400, "invalid_header").json();
        assert_eq!((&answer["header"], &answer["instance"]), (&json!(RUN), &json!("/payment/authorize")));
        assert!(answer["correlationId"].is_string());
    }
    provider.get("/runs/-x/ledger").await.problem(400, "invalid_path");
    provider.put("/runs/-x", &json!({})).await.problem(400, "invalid_path");
    provider.put("/runs/x", &json!({"seed": -1})).await.problem(422, "validation_failed");
    in_run(provider.get("/runs/one/ledger"), "other").await.problem(400, "invalid_header");
    assert_eq!(runs(&provider).await, json!([]));
}
