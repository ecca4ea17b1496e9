//! A provider for one test, and a short way to ask it.

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

/// One provider with a clock of its own. Nothing fails and nothing takes time, unless a test says so.
#[derive(Clone)]
pub struct Provider {
    pub router: Router,
    pub openapi: Arc<utoipa::openapi::OpenApi>,
    pub clock: Arc<ManualClock>,
    pub store: Arc<dyn Store>,
    stores: Arc<dyn Stores>,
    /// Where its ledger is, if it is in a file; gone with the last of its clones.
    folder: Option<Arc<TempDir>>,
    config: Config,
}

impl Provider {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// With variables that differ from the defaults of tests. The ledger is in memory, or, where the
    /// environment of the tests has `TEST_LEDGER=sqlite`, in a file.
    pub fn with(variables: &[(&str, &str)]) -> Self {
        if std::env::var("TEST_LEDGER").is_ok_and(|kind| kind == "sqlite") {
            return Self::in_a_file(variables);
        }
        let config = config(variables);
        Self::over(Arc::new(MemoryStores::within(config.limits)), None, config)
    }

    /// With its ledger in a file.
    pub fn in_a_file(variables: &[(&str, &str)]) -> Self {
        let (config, folder) = (config(variables), Arc::new(TempDir::new().unwrap()));
        let ledger = folder.path().join("ledger.db");
        let stores = SqliteStores::open_within(&ledger, Arc::new(app::catalogue()), config.limits).unwrap();
        Self::over(Arc::new(stores), Some(folder), config)
    }

    /// The same provider over the same file, which is read anew. Its clock goes on by itself.
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

    /// The same provider, begun again over the same stores as others made them.
    pub fn over_others(&self, wrap: impl FnOnce(Arc<dyn Stores>) -> Arc<dyn Stores>) -> Self {
        let clock = Arc::new(ManualClock::at(self.clock.now()));
        Self::started(wrap(self.stores.clone()), self.folder.clone(), clock, self.config.clone())
    }

    fn over(stores: Arc<dyn Stores>, folder: Option<Arc<TempDir>>, config: Config) -> Self {
        Self::started(stores, folder, Arc::new(ManualClock::at(START)), config)
    }

    /// The same provider as after a restart, over the same store; its clock goes on by itself.
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

    pub fn ask(&self, method: Method, path: &str) -> Ask {
        Ask {
            router: self.router.clone(),
            openapi: self.openapi.clone(),
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: None,
        }
    }

    pub fn get(&self, path: &str) -> Ask {
        self.ask(Method::GET, path)
    }

    pub fn post(&self, path: &str, body: &Value) -> Ask {
        self.ask(Method::POST, path).body(&body.to_string())
    }

    pub fn put(&self, path: &str, body: &Value) -> Ask {
        self.ask(Method::PUT, path).body(&body.to_string())
    }

    pub fn authorize(&self) -> Ask {
        self.post("/payment/authorize", &json!({"amount": 5998, "currency": "usd"}))
    }

    pub fn reserve(&self) -> Ask {
        self.post("/inventory/reserve", &json!({"items": [{"sku": "SKU-1", "quantity": 2}]}))
    }

    pub fn label(&self) -> Ask {
        self.post("/shipping/create-label", &json!({ "shippingAddress": address() }))
    }

    pub fn notify(&self) -> Ask {
        let body =
            json!({"type": "email", "recipient": "jo@example.com", "subject": "Hi", "message": "Words"});
        self.post("/notification/send", &body)
    }

    pub fn capture(&self, auth_id: &str) -> Ask {
        self.post("/payment/capture", &json!({ "authId": auth_id }))
    }

    pub fn release(&self, auth_id: &str) -> Ask {
        self.post("/payment/release", &json!({ "authId": auth_id }))
    }

    pub fn refund(&self, auth_id: &str) -> Ask {
        self.post("/payment/refund", &json!({ "authId": auth_id }))
    }

    /// An authorization's id.
    pub async fn authorized(&self, order: &str) -> String {
        self.authorize().order(order).await.expect(201).text("authId")
    }

    pub async fn captured(&self, order: &str) -> String {
        let auth_id = self.authorized(order).await;
        self.capture(&auth_id).await.expect(200);
        auth_id
    }

    /// The effects of an order in the ledger, by name.
    pub async fn effects(&self, order: &str) -> Vec<String> {
        let history = self.get(&format!("/ledger/orders/{order}")).await;
        if history.status == 404 {
            return Vec::new();
        }
        let history = history.expect(200).json();
        let entries = history["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["effect"].as_str().unwrap().to_owned()).collect()
    }

    pub async fn tell(&self, order: &str, outcome: &str) -> Answer {
        self.put(&format!("/ledger/orders/{order}/outcome"), &json!({ "outcome": outcome })).await
    }

    /// The rules that are broken, with the orders that break them.
    pub async fn broken(&self) -> Vec<(Option<String>, String)> {
        let verdict = self.get("/verdict").await.expect(200).json();
        let contradictions = verdict["contradictions"].as_array().unwrap();
        contradictions
            .iter()
            .map(|found| {
                (found["orderId"].as_str().map(str::to_owned), found["rule"].as_str().unwrap().to_owned())
            })
            .collect()
    }

    /// A metric's value, as `/metrics` has it; its name with its labels.
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

/// The defaults of tests, but for these variables.
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

/// A provider behind a real socket, until it is dropped.
pub struct Served {
    pub address: SocketAddr,
    server: JoinHandle<std::io::Result<()>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Provider {
    pub async fn serve(&self) -> Served {
        let listener = serve::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let never = std::future::pending();
        let server = tokio::spawn(serve::run(listener, self.router.clone(), never, Duration::ZERO));
        Served { address, server }
    }
}

impl Served {
    /// Sends a request over a connection of its own and reads the answer's status, head and body. A
    /// connection that ends without an answer has status 0.
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

/// Waits for it, from inside a runtime or outside.
fn default_run(stores: &dyn Stores) -> Arc<dyn Store> {
    let wait =
        || Builder::new_current_thread().enable_time().build().unwrap().block_on(stores.open("default"));
    std::thread::scope(|scope| scope.spawn(wait).join()).unwrap().unwrap()
}

/// A request that isn't sent yet; awaiting it sends it.
#[derive(Clone)]
pub struct Ask {
    router: Router,
    openapi: Arc<utoipa::openapi::OpenApi>,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Option<String>,
}

impl Ask {
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    /// The same header once more.
    pub fn also(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, value.parse().unwrap());
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

    /// One more header, beside those of the same name.
    pub fn and_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, value.parse().unwrap());
        self
    }

    pub fn body(self, body: &str) -> Self {
        let mut this = self.header("content-type", "application/json");
        this.body = Some(body.to_owned());
        this
    }

    async fn send(self) -> Answer {
        let Self { router, openapi, method, path, headers, body } = self;
        // Which run it is for is no matter of the operation, and can fail by itself.
        let is_of_a_run = headers.contains_key("x-chaos-run");
        let documented = statuses(&openapi, &method, &path).filter(|_| !is_of_a_run);
        let asked = format!("{method} {path}");
        let mut request = Request::builder().method(method).uri(path);
        request.headers_mut().unwrap().extend(headers);
        let request = request.body(body.map_or_else(Body::empty, Body::from)).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        let is_known = documented.is_none_or(|documented| documented.contains(&status));
        assert!(is_known, "{asked} is answered with {status}, which the OpenAPI document doesn't know");
        // Where the connection was to be reset, the body fails instead.
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Answer { status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }
}

impl IntoFuture for Ask {
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

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// One part of the decision: `scenario`, `attempt`, `source` and so on.
    pub fn decided(&self, part: &str) -> Option<String> {
        let decision = self.header("x-chaos-decision")?;
        decision
            .split(';')
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| *name == part)
            .map(|(_, value)| value.to_owned())
    }

    pub fn replayed(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }
}

/// Asks again and again until the answer is there.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut check: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(value) = check().await {
            return value;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
