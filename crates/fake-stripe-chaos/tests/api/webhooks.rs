//! Tests webhooks on a real endpoint: signatures, retries, and the faults of deliveries.

use std::{
    future::IntoFuture as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, http::HeaderMap, http::Method, http::StatusCode, routing::post};
use fake_stripe_chaos::shared::clock::Clock as _;
use ring::hmac;
use serde_json::{Value, json};

use crate::support::Provider;

/// A request to the endpoint.
#[derive(Debug, Clone)]
struct Received {
    signature: String,
    body: String,
}

impl Received {
    fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn kind(&self) -> String {
        self.event()["type"].as_str().unwrap().to_owned()
    }

    fn signed_at(&self) -> i64 {
        self.signature.split(',').next().unwrap().trim_start_matches("t=").parse().unwrap()
    }

    /// Checks the signature as the SDKs do.
    fn is_signed_with(&self, secret: &str) -> bool {
        let (_, tag) = self.signature.split_once("v1=").unwrap();
        let bytes: Vec<_> =
            (0..tag.len()).step_by(2).map(|at| u8::from_str_radix(&tag[at..at + 2], 16).unwrap()).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        hmac::verify(&key, format!("{}.{}", self.signed_at(), self.body).as_bytes(), &bytes).is_ok()
    }
}

/// An endpoint of a shop. It fails as often as `failures` says.
#[derive(Clone, Default)]
struct Endpoint {
    received: Arc<Mutex<Vec<Received>>>,
    failures: Arc<Mutex<usize>>,
}

impl Endpoint {
    /// Starts the endpoint, registers it, and returns its secret.
    async fn register(provider: &Provider, events: &str) -> (Self, String) {
        let endpoint = Self::default();
        let router = Router::new().route("/hook", post(receive)).with_state(endpoint.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let form = format!("url={url}&enabled_events[]={events}");
        let created = provider.stripe(Method::POST, "/v1/webhook_endpoints", &form).await.expect(200);
        (endpoint, created.text("secret"))
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    fn kinds(&self) -> Vec<String> {
        self.received().iter().map(Received::kind).collect()
    }

    /// Moves the clock step by step until the endpoint has received a number of requests.
    async fn wait_for(&self, provider: &Provider, count: usize) -> Vec<Received> {
        for _ in 0..400 {
            if self.received().len() >= count {
                return self.received();
            }
            provider.clock.advance(Duration::from_millis(20));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{count} requests, got {:?}", self.kinds());
    }
}

async fn receive(State(endpoint): State<Endpoint>, headers: HeaderMap, body: String) -> StatusCode {
    let signature = headers["stripe-signature"].to_str().unwrap().to_owned();
    endpoint.received.lock().unwrap().push(Received { signature, body });
    let mut failures = endpoint.failures.lock().unwrap();
    if *failures == 0 {
        return StatusCode::OK;
    }
    *failures -= 1;
    StatusCode::INTERNAL_SERVER_ERROR
}

/// Creates an intent of order `o1`, whose two deliveries of this kind meet these scenarios.
async fn charge(provider: &Provider, scenarios: &[&str]) {
    if !scenarios.is_empty() {
        let plan = json!({"stripe.webhooks.deliver": scenarios});
        provider.put("/chaos/plans/o1", &plan).await.expect(200);
    }
    let form = "amount=5&currency=usd&confirm=true&payment_method=pm_card_visa&metadata[order_id]=o1";
    provider.stripe(Method::POST, "/v1/payment_intents", form).key("k1").await.expect(200);
}

#[tokio::test]
async fn an_event_is_signed_with_the_secret_of_its_endpoint() {
    let provider = Provider::new();
    let (endpoint, secret) = Endpoint::register(&provider, "payment_intent.succeeded").await;
    charge(&provider, &[]).await;
    assert!(endpoint.received().is_empty(), "the answer comes first");
    let received = endpoint.wait_for(&provider, 1).await;
    assert_eq!(endpoint.kinds(), ["payment_intent.succeeded"]);
    assert!(received[0].is_signed_with(&secret) && !received[0].is_signed_with("other"));
    let event = received[0].event();
    assert_eq!((&event["object"], &event["request"]["idempotency_key"]), (&json!("event"), &json!("k1")));
    assert_eq!(event["data"]["object"]["status"], "succeeded");
    let path = format!("/v1/events/{}", event["id"].as_str().unwrap());
    let listed = provider.stripe(Method::GET, &path, "").await.expect(200).json();
    assert_eq!((&listed["data"], &listed["type"]), (&event["data"], &event["type"]));
}

#[tokio::test]
async fn an_endpoint_that_fails_gets_the_event_again() {
    let provider = Provider::new();
    let (endpoint, _) = Endpoint::register(&provider, "charge.succeeded").await;
    *endpoint.failures.lock().unwrap() = 2;
    charge(&provider, &[]).await;
    let received = endpoint.wait_for(&provider, 3).await;
    let ids: std::collections::HashSet<_> =
        received.iter().map(|one| one.event()["id"].to_string()).collect();
    assert_eq!(ids.len(), 1);
    provider.clock.advance(Duration::from_mins(10));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(endpoint.received().len(), 3, "a delivered event is not sent again");
}

#[tokio::test]
async fn a_duplicated_event_comes_twice_with_one_id() {
    let provider = Provider::new();
    let (endpoint, secret) = Endpoint::register(&provider, "charge.succeeded").await;
    charge(&provider, &["duplicated"]).await;
    let received = endpoint.wait_for(&provider, 2).await;
    assert_eq!(received[0].event()["id"], received[1].event()["id"]);
    assert!(received.iter().all(|one| one.is_signed_with(&secret)));
}

#[tokio::test]
async fn a_reordered_event_comes_after_a_later_one() {
    let provider = Provider::new();
    let (endpoint, _) = Endpoint::register(&provider, "*").await;
    charge(&provider, &["reordered"]).await;
    endpoint.wait_for(&provider, 3).await;
    assert_eq!(endpoint.kinds().last().unwrap(), "payment_intent.created");
}

#[tokio::test]
async fn a_dropped_event_is_only_in_the_list() {
    let provider = Provider::new();
    let (endpoint, _) = Endpoint::register(&provider, "*").await;
    charge(&provider, &["dropped"]).await;
    endpoint.wait_for(&provider, 2).await;
    provider.clock.advance(Duration::from_mins(10));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!endpoint.kinds().contains(&"payment_intent.created".to_owned()), "{:?}", endpoint.kinds());
    let events =
        provider.stripe(Method::GET, "/v1/events?type=payment_intent.created", "").await.expect(200).json();
    assert_eq!(
        (events["data"].as_array().unwrap().len(), &events["data"][0]["pending_webhooks"]),
        (1, &json!(0))
    );
}

#[tokio::test]
async fn a_wrong_signature_or_an_old_one_is_followed_by_a_right_one_if_the_endpoint_refuses_it() {
    for fault in ["bad_signature", "old_timestamp"] {
        let provider = Provider::new();
        let (endpoint, secret) = Endpoint::register(&provider, "charge.succeeded").await;
        *endpoint.failures.lock().unwrap() = 1;
        charge(&provider, &[fault]).await;
        let received = endpoint.wait_for(&provider, 2).await;
        let age = |one: &Received| provider.clock.now().millis() / 1000 - one.signed_at();
        match fault {
            "bad_signature" => assert!(!received[0].is_signed_with(&secret)),
            _ => assert!(age(&received[0]) >= 600 && received[0].is_signed_with(&secret)),
        }
        assert!(received[1].is_signed_with(&secret) && age(&received[1]) < 300, "{fault}");
    }
}

#[tokio::test]
async fn an_event_can_come_before_the_answer_of_its_request() {
    let provider = Provider::new();
    let (endpoint, _) = Endpoint::register(&provider, "payment_intent.succeeded").await;
    charge(&provider, &["delivered_before_answer"]).await;
    assert_eq!(endpoint.kinds(), ["payment_intent.succeeded"]);
}

#[tokio::test]
async fn a_late_event_comes_seconds_later() {
    let provider = Provider::new();
    let (endpoint, _) = Endpoint::register(&provider, "charge.succeeded").await;
    charge(&provider, &["late"]).await;
    provider.clock.advance(Duration::from_secs(4));
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(endpoint.received().is_empty());
    endpoint.wait_for(&provider, 1).await;
}

#[tokio::test]
async fn an_event_is_delivered_although_its_caller_disconnects() {
    let provider = Provider::with(&[("CHAOS_TIMEOUT_DELAY", "1h")]);
    let (endpoint, _) = Endpoint::register(&provider, "payment_intent.succeeded").await;
    // Longer than the deliverer needs to find nothing to do.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let plan = json!({"stripe.payment_intents.create": ["timeout_after_commit"]});
    provider.put("/chaos/plans/o1", &plan).await.expect(200);
    let form = "amount=5&currency=usd&confirm=true&payment_method=pm_card_visa&metadata[order_id]=o1";
    let request = provider.stripe(Method::POST, "/v1/payment_intents", form).into_future();
    assert!(tokio::time::timeout(Duration::from_millis(300), request).await.is_err(), "the caller gives up");
    assert_eq!(provider.effects("o1").await, ["held", "captured"]);
    endpoint.wait_for(&provider, 1).await;
}

#[tokio::test]
async fn an_undelivered_event_outlives_a_restart() {
    let provider = Provider::with_file_ledger(&[]);
    let (endpoint, secret) = Endpoint::register(&provider, "charge.succeeded").await;
    *endpoint.failures.lock().unwrap() = 1;
    charge(&provider, &[]).await;
    endpoint.wait_for(&provider, 1).await;
    let reopened = provider.reopened();
    // The first attempt may have had no result yet. Then it is repeated after its limit.
    reopened.clock.advance(Duration::from_secs(31));
    let received = endpoint.wait_for(&reopened, 2).await;
    assert!(received[1].is_signed_with(&secret));
}

#[tokio::test]
async fn each_delivery_has_its_decision_in_the_journal() {
    let provider = Provider::new();
    let (endpoint, _) = Endpoint::register(&provider, "charge.succeeded").await;
    charge(&provider, &["duplicated"]).await;
    endpoint.wait_for(&provider, 2).await;
    let lines = provider.journal("?operation=stripe.webhooks.deliver&orderId=o1").await;
    assert_eq!((lines.len(), &lines[0]["decision"]["scenario"]), (1, &json!("duplicated")), "{lines:?}");
    let counted = r#"chaos_requests_total{effect="apply",operation="stripe.webhooks.deliver",outcome="duplicated",scenario="duplicated"}"#;
    assert_eq!(provider.metric(counted).await, 1);
    let scenarios = provider.get("/chaos/scenarios").await.expect(200).json();
    let deliveries = scenarios["operations"]["stripe.webhooks.deliver"].as_array().unwrap().len();
    assert_eq!(deliveries, 8, "calls have other scenarios: {scenarios}");
}

/// Registers an endpoint that takes requests and never answers. Returns the number of those that wait.
async fn register_hanging(provider: &Provider) -> Arc<Mutex<usize>> {
    let waiting = Arc::new(Mutex::new(0));
    let counted = waiting.clone();
    let router = Router::new().fallback(move || {
        *counted.lock().unwrap() += 1;
        std::future::pending::<StatusCode>()
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let form = format!("url=http://{}/hook&enabled_events[]=*", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    provider.stripe(Method::POST, "/v1/webhook_endpoints", &form).await.expect(200);
    waiting
}

#[tokio::test]
async fn an_endpoint_that_hangs_holds_up_no_other() {
    let provider = Provider::new();
    let waiting = register_hanging(&provider).await;
    let (endpoint, _) = Endpoint::register(&provider, "payment_intent.succeeded").await;
    for number in 0..40 {
        let form = format!(
            "amount=5&currency=usd&confirm=true&payment_method=pm_card_visa&metadata[order_id]=o{number}"
        );
        provider.stripe(Method::POST, "/v1/payment_intents", &form).await.expect(200);
    }
    endpoint.wait_for(&provider, 40).await;
    assert_eq!(*waiting.lock().unwrap(), 8, "each endpoint has a share of its own");
}

#[tokio::test]
async fn answers_wait_for_their_early_events_and_not_for_ever() {
    let provider = Provider::with(&[]);
    let profile =
        json!({"name": "early", "operations": {"stripe.webhooks.deliver": {"delivered_before_answer": 1}}});
    provider.put("/chaos/profile", &profile).await.expect(200);
    let (endpoint, _) = Endpoint::register(&provider, "payment_intent.succeeded").await;
    let create = |number: usize| {
        let form = format!(
            "amount=5&currency=usd&confirm=true&payment_method=pm_card_visa&metadata[order_id]=o{number}"
        );
        let (request, endpoint) =
            (provider.stripe(Method::POST, "/v1/payment_intents", &form), endpoint.clone());
        tokio::spawn(async move {
            let intent = request.await.expect(200).json();
            let events = endpoint.received();
            let mut own = events.iter().filter(|one| one.event()["data"]["object"]["id"] == intent["id"]);
            own.next().is_some()
        })
    };
    for answer in (0..10).map(create).collect::<Vec<_>>() {
        assert!(answer.await.unwrap(), "the event comes before the answer");
    }
    register_hanging(&provider).await;
    let started = std::time::Instant::now();
    let answers: Vec<_> = (10..12).map(create).collect();
    for answer in answers {
        answer.await.unwrap();
    }
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_redirect_is_a_failure() {
    let provider = Provider::new();
    let (endpoint, _) = Endpoint::register(&provider, "payment_intent.succeeded").await;
    let requests = Arc::new(Mutex::new(0));
    let counted = requests.clone();
    let redirect = move || {
        *counted.lock().unwrap() += 1;
        std::future::ready((StatusCode::FOUND, [("location", "/elsewhere")]))
    };
    let router = Router::new().route("/hook", post(redirect)).fallback(|| std::future::ready(StatusCode::OK));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let form = format!(
        "url=http://{}/hook&enabled_events[]=payment_intent.succeeded",
        listener.local_addr().unwrap()
    );
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    provider.stripe(Method::POST, "/v1/webhook_endpoints", &form).await.expect(200);
    charge(&provider, &[]).await;
    endpoint.wait_for(&provider, 1).await;
    for _ in 0..200 {
        if *requests.lock().unwrap() >= 2 {
            break;
        }
        provider.clock.advance(Duration::from_millis(100));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let events =
        provider.stripe(Method::GET, "/v1/events?type=payment_intent.succeeded", "").await.expect(200).json();
    assert_eq!(events["data"][0]["pending_webhooks"], 1, "the delivery is repeated");
    assert!(*requests.lock().unwrap() >= 2);
}

#[tokio::test]
async fn a_page_of_events_renders_only_itself() {
    let provider = Provider::new();
    let form = "amount=800&currency=usd&confirm=true&payment_method=pm_card_visa&metadata[order_id]=o1";
    let intent = provider.stripe(Method::POST, "/v1/payment_intents", form).await.expect(200).text("id");
    for _ in 0..150 {
        let form = format!("payment_intent={intent}&amount=1");
        provider.stripe(Method::POST, "/v1/refunds", &form).await.expect(200);
    }
    let time = async |limit: usize| {
        let started = std::time::Instant::now();
        let path = format!("/v1/events?limit={limit}");
        let page = provider.stripe(Method::GET, &path, "").await.expect(200).json();
        assert_eq!(page["data"].as_array().unwrap().len(), limit);
        started.elapsed()
    };
    time(1).await;
    let (one, hundred) = (time(1).await, time(100).await);
    assert!(one * 5 < hundred, "one event takes {one:?}, a hundred take {hundred:?}");
}
