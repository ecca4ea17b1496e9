//! A provider for one test, and short ways to send requests to it.

use std::{
    collections::HashMap,
    future::{Future, IntoFuture},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request},
};
use fake_stripe_chaos::{
    app::{self, Ports},
    config::Config,
    shared::{
        clock::{Clock, ManualClock, Timestamp},
        ids::RandomIds,
        store::{MemoryStores, SqliteStores, Store, Stores},
    },
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use service_kit::{openapi::statuses, process::Configuration, serve};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Builder,
    task::JoinHandle,
};
use tower::ServiceExt;

pub const START: Timestamp = Timestamp::from_millis(1_764_000_000_000);
pub const SEED: u64 = 42;

/// A provider with its own clock. Without variables of the test, nothing fails and nothing takes time.
#[derive(Clone)]
pub struct Provider {
    pub router: Router,
    pub openapi: Arc<utoipa::openapi::OpenApi>,
    pub clock: Arc<ManualClock>,
    pub store: Arc<dyn Store>,
    stores: Arc<dyn Stores>,
    /// The folder of a ledger file. It is deleted with the last clone.
    folder: Option<Arc<TempDir>>,
    config: Config,
}

impl Provider {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// Starts with variables that differ from the defaults of tests. The ledger is in memory, or in a file if the
    /// tests run with `TEST_LEDGER=sqlite`.
    pub fn with(variables: &[(&str, &str)]) -> Self {
        if std::env::var("TEST_LEDGER").is_ok_and(|kind| kind == "sqlite") {
            return Self::with_file_ledger(variables);
        }
        let config = config(variables);
        Self::over_stores(Arc::new(MemoryStores::within(config.limits)), None, config)
    }

    /// Starts with the ledger in a file.
    pub fn with_file_ledger(variables: &[(&str, &str)]) -> Self {
        let (config, folder) = (config(variables), Arc::new(TempDir::new().unwrap()));
        let ledger = folder.path().join("ledger.db");
        let stores = SqliteStores::open_within(&ledger, Arc::new(app::catalogue()), config.limits).unwrap();
        Self::over_stores(Arc::new(stores), Some(folder), config)
    }

    /// Starts again from a copy of the ledger file, with a separate clock.
    pub fn reopened(&self) -> Self {
        let folder = self.folder.clone().unwrap();
        let copy = folder.path().join("reopened.db");
        let source = rusqlite::Connection::open(folder.path().join("ledger.db")).unwrap();
        source.execute("VACUUM INTO ?", [copy.to_str().unwrap()]).unwrap();
        let stores =
            SqliteStores::open_within(&copy, Arc::new(app::catalogue()), self.config.limits).unwrap();
        let clock = Arc::new(ManualClock::at(self.clock.now()));
        Self::started(Arc::new(stores), Some(folder), clock, self.config.clone())
    }

    /// Starts again over the same stores, which `wrap` decorates.
    pub fn with_wrapped_stores(&self, wrap: impl FnOnce(Arc<dyn Stores>) -> Arc<dyn Stores>) -> Self {
        let clock = Arc::new(ManualClock::at(self.clock.now()));
        Self::started(wrap(self.stores.clone()), self.folder.clone(), clock, self.config.clone())
    }

    fn over_stores(stores: Arc<dyn Stores>, folder: Option<Arc<TempDir>>, config: Config) -> Self {
        Self::started(stores, folder, Arc::new(ManualClock::at(START)), config)
    }

    /// Starts again over the same stores, as after a restart, with a separate clock.
    pub fn restarted(&self) -> Self {
        let clock = Arc::new(ManualClock::at(self.clock.now()));
        Self::started(self.stores.clone(), self.folder.clone(), clock, self.config.clone())
    }

    fn started(
        stores: Arc<dyn Stores>,
        folder: Option<Arc<TempDir>>,
        clock: Arc<ManualClock>,
        config: Config,
    ) -> Self {
        let store = default_run(&*stores);
        let ports = Ports {
            clock: clock.clone(),
            ids: Arc::new(RandomIds),
            store: store.clone(),
            stores: stores.clone(),
            seed: SEED,
        };
        let (router, openapi) = app::build(&config, ports);
        let openapi = Arc::new(openapi);
        Self { router, openapi, clock, store, stores, folder, config }
    }

    pub fn ask(&self, method: Method, path: &str) -> TestRequest {
        TestRequest {
            router: self.router.clone(),
            openapi: self.openapi.clone(),
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: None,
        }
    }

    pub fn get(&self, path: &str) -> TestRequest {
        self.ask(Method::GET, path)
    }

    pub fn post(&self, path: &str, body: &Value) -> TestRequest {
        self.ask(Method::POST, path).body(&body.to_string())
    }

    pub fn put(&self, path: &str, body: &Value) -> TestRequest {
        self.ask(Method::PUT, path).body(&body.to_string())
    }

    /// Sends any method, without a body if it is null.
    pub fn request(&self, method: Method, path: &str, body: &Value) -> TestRequest {
        let request = self.ask(method, path);
        if body.is_null() { request } else { request.body(&body.to_string()) }
    }

    /// Sends a form to Stripe's API.
    pub fn stripe(&self, method: Method, path: &str, form: &str) -> TestRequest {
        let request = self.ask(method, path).header("authorization", "Bearer sk_test_1");
        if form.is_empty() { request } else { request.form(form) }
    }

    pub fn authorize(&self) -> TestRequest {
        self.post("/payment/authorize", &json!({"amount": 5998, "currency": "usd"}))
    }

    pub fn reserve(&self) -> TestRequest {
        self.post("/inventory/reserve", &json!({"items": [{"sku": "SKU-1", "quantity": 2}]}))
    }

    pub fn label(&self) -> TestRequest {
        self.post("/shipping/create-label", &json!({ "shippingAddress": address() }))
    }

    pub fn notify(&self) -> TestRequest {
        let body =
            json!({"type": "email", "recipient": "jo@example.com", "subject": "Hi", "message": "Words"});
        self.post("/notification/send", &body)
    }

    pub fn capture(&self, auth_id: &str) -> TestRequest {
        self.post("/payment/capture", &json!({ "authId": auth_id }))
    }

    pub fn release(&self, auth_id: &str) -> TestRequest {
        self.post("/payment/release", &json!({ "authId": auth_id }))
    }

    pub fn refund(&self, auth_id: &str) -> TestRequest {
        self.post("/payment/refund", &json!({ "authId": auth_id }))
    }

    /// Authorizes and returns the id.
    pub async fn authorized(&self, order: &str) -> String {
        self.authorize().order(order).await.expect(201).text("authId")
    }

    /// Authorizes, captures, and returns the id.
    pub async fn captured(&self, order: &str) -> String {
        let auth_id = self.authorized(order).await;
        self.capture(&auth_id).await.expect(200);
        auth_id
    }

    /// Returns the names of the effects of an order.
    pub async fn effects(&self, order: &str) -> Vec<String> {
        let history = self.get(&format!("/ledger/orders/{order}")).await;
        if history.status == 404 {
            return Vec::new();
        }
        let history = history.expect(200).json();
        let entries = history["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["effect"].as_str().unwrap().to_owned()).collect()
    }

    /// Records the outcome of an order.
    pub async fn record_outcome(&self, order: &str, outcome: &str) -> Answer {
        self.put(&format!("/ledger/orders/{order}/outcome"), &json!({ "outcome": outcome })).await
    }

    /// Returns the broken rules with their orders.
    pub async fn broken_rules(&self) -> Vec<(Option<String>, String)> {
        let verdict = self.get("/verdict").await.expect(200).json();
        let contradictions = verdict["contradictions"].as_array().unwrap();
        contradictions
            .iter()
            .map(|contradiction| {
                (
                    contradiction["orderId"].as_str().map(str::to_owned),
                    contradiction["rule"].as_str().unwrap().to_owned(),
                )
            })
            .collect()
    }

    /// Returns the value of a metric in `/metrics`. The name includes the labels.
    pub async fn metric(&self, name: &str) -> u64 {
        let metrics = self.get("/metrics").await.expect(200).body;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} in {metrics}")).parse().unwrap()
    }

    pub async fn journal(&self, query: &str) -> Vec<Value> {
        let journal = self.get(&format!("/journal{query}")).await.expect(200).json();
        journal["entries"].as_array().unwrap().clone()
    }
}

/// Returns the configuration of tests with these variables.
fn config(variables: &[(&str, &str)]) -> Config {
    let mut environment = HashMap::from([
        ("CHAOS_PROFILE", "off"),
        ("CHAOS_TIMEOUT_DELAY", "0s"),
        ("SHIPPING_LABEL_DURATION", "0s"),
        ("REQUEST_TIMEOUT", "3h"),
    ]);
    environment.extend(variables.iter().copied());
    Config::from_lookup(&|name| environment.get(name).map(|value| (*value).to_owned())).unwrap()
}

/// A provider behind a real socket. Dropping it stops the server.
pub struct RunningServer {
    pub address: SocketAddr,
    server: JoinHandle<std::io::Result<()>>,
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Provider {
    pub async fn serve(&self) -> RunningServer {
        let listener = serve::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let never = std::future::pending();
        let server = tokio::spawn(serve::run(listener, self.router.clone(), never, Duration::ZERO));
        RunningServer { address, server }
    }
}

impl RunningServer {
    /// Sends a request over a new connection and returns the status, the head and the body of the answer. The
    /// status is 0 if the connection ends without an answer.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, String, String) {
        let body = body.to_string();
        let headers: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let headers = headers.concat();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
             {headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let _ = connection.read_to_end(&mut bytes).await;
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).map_or(0, |status| status.parse().unwrap());
        (status, head.to_owned(), body.to_owned())
    }
}

pub fn address() -> Value {
    json!({"street": "1 Secret Lane", "city": "Springfield", "state": "IL", "zip": "62701", "country": "US"})
}

/// Opens the default run. It blocks, and works inside and outside a runtime.
fn default_run(stores: &dyn Stores) -> Arc<dyn Store> {
    let wait =
        || Builder::new_current_thread().enable_time().build().unwrap().block_on(stores.open("default"));
    std::thread::scope(|scope| scope.spawn(wait).join()).unwrap().unwrap()
}

/// A prepared request. Awaiting it sends it.
#[derive(Clone)]
pub struct TestRequest {
    router: Router,
    openapi: Arc<utoipa::openapi::OpenApi>,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Option<String>,
}

impl TestRequest {
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub fn order(self, order: &str) -> Self {
        self.header("x-order-id", order)
    }

    pub fn scenario(self, scenario: &str) -> Self {
        self.header("x-chaos-scenario", scenario)
    }

    /// Adds a header, also a second one with the same name.
    pub fn and_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, value.parse().unwrap());
        self
    }

    pub fn body(self, body: &str) -> Self {
        let mut this = self.header("content-type", "application/json");
        this.body = Some(body.to_owned());
        this
    }

    pub fn form(self, form: &str) -> Self {
        let mut this = self.header("content-type", "application/x-www-form-urlencoded");
        this.body = Some(form.to_owned());
        this
    }

    async fn send(self) -> Answer {
        let Self { router, openapi, method, path, headers, body } = self;
        // The run is not documented with each operation, and its errors are separate.
        let is_of_a_run = headers.contains_key("x-chaos-run");
        let with_scenario_examples = statuses(&openapi, &method, &path).filter(|_| !is_of_a_run);
        let name = format!("{method} {path}");
        let mut request = Request::builder().method(method).uri(path);
        request.headers_mut().unwrap().extend(headers);
        let request = request.body(body.map_or_else(Body::empty, Body::from)).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        let is_known = with_scenario_examples
            .is_none_or(|with_scenario_examples| with_scenario_examples.contains(&status));
        assert!(is_known, "{name} answered {status}, which the OpenAPI document does not list");
        // In-process, a connection reset shows as a failed body.
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Answer { status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }
}

impl IntoFuture for TestRequest {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// Expects a problem with this status and code.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Self {
        let body = self.json();
        assert_eq!((self.status, body["error"].as_str()), (status, Some(code)), "{body}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    #[track_caller]
    pub fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_else(|| panic!("{member} in {}", self.body)).to_owned()
    }

    /// Returns the message of Stripe's error.
    #[track_caller]
    pub fn text_of_error(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap_or_else(|| panic!("{}", self.body)).to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns one part of the decision, such as `scenario`, `attempt` or `source`.
    pub fn decision(&self, part: &str) -> Option<String> {
        let header = self.header("x-chaos-decision")?;
        header
            .split(';')
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| *name == part)
            .map(|(_, value)| value.to_owned())
    }

    pub fn replayed(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }
}

/// Polls until `check` returns a value.
pub async fn eventually<T, F: Future<Output = Option<T>>>(event: &str, mut check: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(value) = check().await {
            return value;
        }
        assert!(Instant::now() < deadline, "never happened: {event}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
