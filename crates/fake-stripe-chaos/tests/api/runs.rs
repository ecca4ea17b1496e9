//! Runs: isolated providers on one server.

use std::{
    future::IntoFuture,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::http::Method;
use fake_stripe_chaos::{
    app::Ports,
    shared::{
        chaos::seed_of_run,
        clock::ManualClock,
        ids::RandomIds,
        store::{MemoryStore, MemoryStores, Store, StoreError, Stores, Usage},
    },
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Provider, SEED, START, TestRequest};

const RUN: &str = "x-chaos-run";

fn in_run(ask: TestRequest, run: &str) -> TestRequest {
    ask.header(RUN, run)
}

async fn runs(provider: &Provider) -> Value {
    provider.get("/runs").await.expect(200).json()["runs"].clone()
}

#[tokio::test]
async fn a_run_does_not_see_the_state_of_another() {
    let provider = Provider::new();
    let one = in_run(provider.authorize().order("o").key("k"), "one").await.expect(201);
    let other = in_run(provider.authorize().order("o").key("k"), "other").await.expect(201);
    assert_ne!(one.text("authId"), other.text("authId"), "keys belong to a run");
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
    assert_eq!(
        provider.get("/ledger").await.json()["totals"]["usd"]["held"],
        5998,
        "the default run has a name"
    );
}

#[tokio::test]
async fn every_decision_names_its_run_and_its_seed() {
    let provider = Provider::with(&[("CHAOS_PROFILE", "seed")]);
    let answer = in_run(provider.authorize().order("o"), "one").await;
    let derived = seed_of_run(SEED, &"one".parse().unwrap()).to_string();
    assert_eq!((answer.decision("run"), answer.decision("seed")), (Some("one".to_owned()), Some(derived)));
    let created = provider.put("/runs/given", &json!({"seed": u64::MAX})).await.expect(201).json();
    assert_eq!(created, json!({"success": true, "name": "given", "seed": u64::MAX}));
    let answer = in_run(provider.authorize().order("o"), "given").await;
    assert_eq!(answer.decision("seed"), Some(u64::MAX.to_string()));
    provider.put("/runs/given", &json!({})).await.expect(200);
    provider.put("/runs/given", &json!({"seed": 1})).await.problem(409, "run_has_other_seed");
    let found = runs(&provider).await;
    let names: Vec<_> = found.as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["given", "one"]);
}

#[tokio::test]
async fn two_runs_with_the_same_seed_draw_the_same_scenarios() {
    let scenarios_met = async |provider: &Provider, run: &str| {
        provider.put(&format!("/runs/{run}"), &json!({"seed": 7})).await.expect(201);
        let mut scenarios = Vec::new();
        for order in 0..20 {
            let answer = in_run(provider.authorize().order(&format!("order-{order}")), run).await;
            scenarios.push(answer.decision("scenario").unwrap());
        }
        scenarios
    };
    let provider = Provider::with(&[("CHAOS_PROFILE", "seed")]);
    assert_eq!(scenarios_met(&provider, "one").await, scenarios_met(&provider, "other").await);
}

#[tokio::test]
async fn a_profile_and_a_plan_belong_to_a_run() {
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
async fn a_seed_is_kept_with_the_ledger_unless_another_is_configured() {
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
        seeds.push(ports(drawn).with_stored_seed(configured).await.unwrap().seed);
    }
    assert_eq!(seeds, [1, 1, 7, 7]);
}

#[tokio::test]
async fn a_deleted_run_starts_empty() {
    let provider = Provider::new();
    in_run(provider.authorize().order("o").key("k"), "one").await.expect(201);
    let deleted = provider.ask(Method::DELETE, "/runs/one").await.expect(200).json();
    assert_eq!(deleted, json!({"success": true, "forgotten": "one"}));
    assert_eq!(runs(&provider).await, json!([]));
    provider.ask(Method::DELETE, "/runs/one").await.problem(404, "unknown_run");
    assert!(!in_run(provider.authorize().order("o").key("k"), "one").await.expect(201).replayed());
    provider.ask(Method::DELETE, "/runs/default").await.problem(409, "run_is_default");
    provider.put("/runs/default", &json!({})).await.problem(409, "run_is_default");
}

#[tokio::test]
async fn the_number_of_runs_is_limited() {
    let provider = Provider::with(&[("CHAOS_MAX_RUNS", "2")]);
    for run in ["one", "two"] {
        in_run(provider.authorize(), run).await.expect(201);
    }
    in_run(provider.authorize(), "three").await.problem(409, "too_many_runs");
    provider.get("/runs/three/ledger").await.problem(404, "unknown_run");
    assert_eq!(runs(&provider).await.as_array().unwrap().len(), 2);
    provider.ask(Method::DELETE, "/runs/one").await.expect(200);
    in_run(provider.authorize(), "three").await.expect(201);
}

#[tokio::test]
async fn every_run_serves_the_documents_of_the_server() {
    let provider = Provider::new();
    let one = provider.get("/runs/one/api/docs/openapi.json").await.expect(200);
    assert_eq!(one.body, provider.get("/api/docs/openapi.json").await.expect(200).body);
    assert_eq!(runs(&provider).await, json!([]));
}

#[tokio::test]
async fn an_invalid_name_is_refused_and_creates_no_run() {
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

#[tokio::test]
async fn a_read_from_an_unknown_run_is_refused_and_creates_none() {
    let provider = Provider::new();
    let paths = [
        "/verdict?final=true",
        "/verdict",
        "/ledger",
        "/ledger/orders/o",
        "/journal",
        "/payment/stats",
        "/payment/auth_unknown",
        "/shipping/by-key/k",
        "/chaos/profile",
        "/health",
        "/metrics",
    ];
    for method in [Method::GET, Method::HEAD] {
        for path in paths {
            let by_path = provider.ask(method.clone(), &format!("/runs/typo{path}")).await;
            let by_header = in_run(provider.ask(method.clone(), path), "typo").await;
            for answer in [by_path, by_header] {
                assert_eq!(answer.status, 404, "{method} {path}: {}", answer.body);
                if method == Method::GET {
                    let body = answer.problem(404, "unknown_run").json();
                    assert!(body["detail"].as_str().unwrap().contains("no run typo"), "{body}");
                }
            }
        }
    }
    for path in ["/journal", "/chaos/profile"] {
        in_run(provider.ask(Method::DELETE, path), "typo").await.problem(404, "unknown_run");
        provider.ask(Method::DELETE, &format!("/runs/typo{path}")).await.problem(404, "unknown_run");
    }
    in_run(provider.ask(Method::OPTIONS, "/ledger"), "typo").await;
    provider.ask(Method::DELETE, "/runs/typo").await.problem(404, "unknown_run");
    assert_eq!(runs(&provider).await, json!([]));
}

#[tokio::test]
async fn a_run_from_before_a_restart_can_be_read() {
    let provider = Provider::new();
    in_run(provider.authorize().order("o"), "one").await.expect(201);
    let again = provider.restarted();
    assert_eq!(in_run(again.get("/ledger"), "one").await.expect(200).json()["totals"]["usd"]["held"], 5998);
    in_run(again.get("/ledger"), "two").await.problem(404, "unknown_run");
}

#[tokio::test]
async fn a_repeated_run_header_is_refused() {
    let provider = Provider::new();
    let request = in_run(provider.authorize(), "one").and_header(RUN, "two");
    request.await.problem(400, "invalid_header");
    assert_eq!(runs(&provider).await, json!([]));
}

/// Slow stores, so that simultaneous requests overlap.
struct SlowStores {
    stores: Arc<dyn Stores>,
    opened: Arc<AtomicUsize>,
}

impl SlowStores {
    async fn wait() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[async_trait]
impl Stores for SlowStores {
    async fn open(&self, run: &str) -> Result<Arc<dyn Store>, StoreError> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let store = self.stores.open(run).await;
        Self::wait().await;
        store
    }

    async fn delete(&self, run: &str) -> Result<bool, StoreError> {
        // The deletion takes longer than an opening.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let forgotten = self.stores.delete(run).await;
        Self::wait().await;
        forgotten
    }

    async fn runs(&self) -> Result<Vec<String>, StoreError> {
        let runs = self.stores.runs().await;
        Self::wait().await;
        runs
    }

    async fn settings(&self, name: &'static str) -> Result<Vec<(String, Option<String>)>, StoreError> {
        self.stores.settings(name).await
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        self.stores.usage().await
    }
}

/// Returns a provider with slow stores for each kind of store, and its count of opened stores.
fn slow_providers(variables: &[(&str, &str)]) -> [(Provider, Arc<AtomicUsize>); 2] {
    [Provider::with(variables), Provider::with_file_ledger(variables)].map(|provider| {
        let opened = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&opened);
        let provider =
            provider.with_wrapped_stores(|stores| Arc::new(SlowStores { stores, opened: counted }));
        opened.store(0, Ordering::Relaxed);
        (provider, opened)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_limit_of_runs_holds_for_130_simultaneous_requests() {
    for (provider, _) in slow_providers(&[]) {
        let mut tasks = JoinSet::new();
        for run in 0..130 {
            let (name, put) = (format!("run-{run}"), run % 2 == 0);
            let provider = provider.clone();
            tasks.spawn(async move {
                if put {
                    provider.put(&format!("/runs/{name}"), &json!({})).await.status
                } else {
                    in_run(provider.authorize(), &name).await.status
                }
            });
        }
        let statuses = tasks.join_all().await;
        let created = statuses.iter().filter(|status| **status == 201).count();
        let refused = statuses.iter().filter(|status| **status == 409).count();
        assert_eq!((created, refused), (100, 30));
        assert_eq!(runs(&provider).await.as_array().unwrap().len(), 100);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_that_is_deleted_and_opened_at_the_same_time_stays_usable() {
    for (provider, _) in slow_providers(&[]) {
        for round in 0..4 {
            let mut tasks = JoinSet::new();
            for _ in 0..8 {
                let writer = provider.clone();
                tasks.spawn(async move {
                    for _ in 0..4 {
                        let answer = in_run(writer.authorize(), "one").await;
                        // A request that was in flight at the deletion has no effect anywhere.
                        assert!([201, 404].contains(&answer.status), "{}", answer.body);
                    }
                });
                let deleter = provider.clone();
                tasks.spawn(async move {
                    for _ in 0..4 {
                        let answer = deleter.ask(Method::DELETE, "/runs/one").await;
                        assert!([200, 404].contains(&answer.status), "{}", answer.body);
                    }
                });
            }
            tasks.join_all().await;
            // A new request works in both cases.
            let auth_id = in_run(provider.authorize().order("last"), "one").await.expect(201).text("authId");
            let ledger = in_run(provider.get("/ledger/orders/last"), "one").await.expect(200).json();
            assert_eq!(ledger["entries"][0]["resource"], json!(auth_id), "round {round}");
            assert_eq!(runs(&provider).await.as_array().unwrap().len(), 1, "round {round}");
            provider.ask(Method::DELETE, "/runs/one").await.expect(200);
            assert_eq!(runs(&provider).await, json!([]), "round {round}");
            in_run(provider.get("/ledger"), "one").await.problem(404, "unknown_run");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_that_is_opened_during_its_deletion_is_a_new_run() {
    for (provider, _) in slow_providers(&[]) {
        for round in 0..5 {
            let before = in_run(provider.authorize().order("before"), "one").await.expect(201).text("authId");
            let delete = provider.ask(Method::DELETE, "/runs/one").into_future();
            let open = async {
                tokio::time::sleep(Duration::from_millis(2)).await;
                in_run(provider.authorize().order("meanwhile"), "one").await
            };
            let (deleted, opened) = tokio::join!(delete, open);
            deleted.expect(200);
            opened.expect(201);
            let ledger = in_run(provider.get("/ledger"), "one").await.expect(200).json();
            assert_eq!(ledger["totals"]["usd"]["held"], 5998, "round {round}");
            in_run(provider.get(&format!("/payment/{before}")), "one")
                .await
                .problem(404, "payment_not_found");
            in_run(provider.authorize().order("after"), "one").await.expect(201);
            provider.ask(Method::DELETE, "/runs/one").await.expect(200);
        }
    }
}

#[tokio::test]
async fn listing_the_runs_opens_none() {
    for (provider, _) in slow_providers(&[]) {
        for seed in 0..20_u32 {
            provider.put(&format!("/runs/run-{seed:02}"), &json!({ "seed": seed })).await.expect(201);
        }
        let opened = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&opened);
        let again = provider.with_wrapped_stores(|stores| Arc::new(SlowStores { stores, opened: counted }));
        opened.store(0, Ordering::Relaxed);
        let listed = runs(&again).await;
        let seeds: Vec<_> =
            listed.as_array().unwrap().iter().map(|run| run["seed"].as_u64().unwrap()).collect();
        assert_eq!(seeds, (0..20).collect::<Vec<_>>());
        assert_eq!(opened.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_label_in_flight_gets_404_after_the_deletion_of_its_run() {
    let provider = Provider::with(&[("SHIPPING_LABEL_DURATION", "300ms")]);
    let label = tokio::spawn(in_run(provider.label().key("k"), "one").into_future());
    crate::support::eventually("a label in flight", async || {
        let progress = in_run(provider.get("/shipping/by-key/k"), "one").await;
        (progress.status == 200 && progress.text("status") == "generating").then_some(())
    })
    .await;
    provider.ask(Method::DELETE, "/runs/one").await.expect(200);
    in_run(provider.authorize(), "one").await.expect(201);
    label.await.unwrap().problem(404, "unknown_run");
    let ledger = in_run(provider.get("/ledger"), "one").await.expect(200).json();
    assert_eq!(ledger["labels"]["generated"], 0);
}
