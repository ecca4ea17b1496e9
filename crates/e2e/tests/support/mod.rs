//! A stack for each test, on free ports and with a task queue of its own, over one Temporal dev server that all
//! tests share: that of `cargo xtask test`, or else one for each test process.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};
use tempfile::TempDir;
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, UntypedWorkflow, Url, WorkflowDescribeOptions,
    WorkflowExecutionInfo, WorkflowFetchHistoryOptions,
};
use tokio::{
    process::{Child, Command},
    sync::OnceCell,
};
use xtask::{
    services::{
        API, FOUNDER, Options, PROVIDER, Ports, Service, State, TEMPORAL as TEMPORAL_SERVER, Temporal,
    },
    stack::Stack,
    temporal_cli::{Surroundings, TemporalCli},
    test::TEMPORAL_ADDRESS,
};

/// Longer than anything here takes, on a machine that does other things too.
pub const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

struct SharedTemporal {
    address: String,
    cli: TemporalCli,
    /// Ended with the test's process, by the stack's own guard.
    _stack: Option<Stack>,
}

static TEMPORAL: OnceCell<SharedTemporal> = OnceCell::const_new();

async fn temporal() -> &'static SharedTemporal {
    TEMPORAL
        .get_or_init(|| async {
            let tools = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools"));
            let cli = Surroundings::from_env(tools)
                .find()
                .await
                .expect("a Temporal CLI: `cargo xtask test` finds one");
            if let Ok(address) = std::env::var(TEMPORAL_ADDRESS) {
                return SharedTemporal { address, cli, _stack: None };
            }
            let server = Temporal::DevServer(cli.clone());
            let folder = tempfile::tempdir().unwrap().keep();
            let mut options = Options::new(folder, Ports::free().unwrap(), server);
            // Nothing is dropped at the end of a test's process.
            options.state = State::Temporary;
            options.services = Vec::new();
            let address = options.temporal_address();
            let stack = Stack::start(options).await.unwrap();
            SharedTemporal { address, cli, _stack: Some(stack) }
        })
        .await
}

/// A dev server with settings of its own; ends with the value.
pub async fn dev_server(settings: &[&str]) -> (Child, String) {
    let ports = Ports::free().unwrap();
    let port = ports.of(&TEMPORAL_SERVER).to_string();
    let mut command = Command::new(temporal().await.cli.path());
    command.args(["server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", &port]);
    for setting in settings {
        command.args(["--dynamic-config-value", setting]);
    }
    let server = command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let address = ports.address(&TEMPORAL_SERVER);
    let deadline = Instant::now() + PATIENCE;
    while tokio::net::TcpStream::connect(&address).await.is_err() {
        assert!(Instant::now() < deadline, "the dev server never listened");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    (server, address)
}

/// A client of the tests' server.
async fn client() -> Client {
    client_of(&temporal().await.address).await
}

async fn client_of(address: &str) -> Client {
    let url: Url = format!("http://{address}").parse().unwrap();
    let connection = Connection::connect(ConnectionOptions::new(url).build()).await.unwrap();
    Client::new(connection, ClientOptions::new("default").build()).unwrap()
}

/// One test's stack and its way to speak to it.
pub struct World {
    pub stack: Stack,
    name: &'static str,
    http: reqwest::Client,
    _folder: Option<TempDir>,
}

impl World {
    /// Everything, without chaos; waits as short as they can be.
    pub async fn start(name: &'static str) -> Self {
        Self::start_with(name, |_| ()).await
    }

    pub async fn start_with(name: &'static str, change: impl FnOnce(&mut Options)) -> Self {
        let shared = Temporal::At(temporal().await.address.clone());
        Self::start_on(shared, name, change).await
    }

    /// With a Temporal server of the test's own, for what it does to it.
    pub async fn start_alone(name: &'static str, change: impl FnOnce(&mut Options)) -> Self {
        let own = Temporal::DevServer(temporal().await.cli.clone());
        Self::start_on(own, name, change).await
    }

    pub async fn start_on(server: Temporal, name: &'static str, change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = Self::start_in(folder.path(), server, name, change).await;
        Self { _folder: Some(folder), ..world }
    }

    /// With a Temporal server of the test's own, in a folder that outlives it; empty, or as the last one there
    /// left it.
    pub async fn start_kept(folder: &Path, state: State, name: &'static str) -> Self {
        Self::start_kept_with(folder, state, name, |_| ()).await
    }

    pub async fn start_kept_with(
        folder: &Path,
        state: State,
        name: &'static str,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let own = Temporal::DevServer(temporal().await.cli.clone());
        Self::start_in(folder, own, name, |options| {
            options.state = state;
            change(options);
        })
        .await
    }

    async fn start_in(
        folder: &Path,
        server: Temporal,
        name: &'static str,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let mut options = Options::new(folder.to_owned(), Ports::free().unwrap(), server);
        options.task_queue = name.to_owned();
        // No order needs it.
        options.services.retain(|service| *service != &FOUNDER);
        options.environment = vec![
            (&PROVIDER, "SHIPPING_LABEL_DURATION", "200ms".to_owned()),
            (&PROVIDER, "CHAOS_TIMEOUT_DELAY", "100ms".to_owned()),
            (&API, "ACTIVITY_RETRY_INITIAL", "50ms".to_owned()),
            (&API, "ACTIVITY_RETRY_MAXIMUM", "200ms".to_owned()),
            (&API, "COMPENSATION_RETRY_INITIAL", "1s".to_owned()),
            (&API, "COMPENSATION_RETRY_MAXIMUM", "2s".to_owned()),
        ];
        change(&mut options);
        let stack = Stack::start(options).await.unwrap();
        Self { stack, name, http: reqwest::Client::new(), _folder: None }
    }

    /// The id of one of the test's orders; no other test has it.
    pub fn id(&self, order: &str) -> String {
        format!("{}-{order}", self.name)
    }

    /// Two books for 59.98.
    pub fn order(&self, order: &str) -> Value {
        json!({
            "orderId": self.id(order),
            "customerId": format!("customer-of-{}", self.name),
            "customerEmail": "ada.lovelace@example.com",
            "items": [{"sku": "book", "quantity": 2, "price": 29.99}],
            "totalAmount": 59.98,
            "shippingAddress": {
                "street": "12 Analytical Row", "city": "London", "state": "LDN", "zip": "W1", "country": "GB"
            },
        })
    }

    pub async fn call(
        &self,
        service: &Service,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.stack.url(service)));
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub async fn place(&self, order: &Value) -> Value {
        let (status, body) = self.call(&API, Method::POST, "/api/v1/order", Some(order)).await;
        assert_eq!(status, 201, "{body}");
        body
    }

    /// Places an order as a careful customer does: again, where that can help. The order's id makes it one.
    pub async fn place_with_patience(&self, order: &Value) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, body) = self.call(&API, Method::POST, "/api/v1/order", Some(order)).await;
            match body["error"].as_str() {
                None if matches!(status, 200 | 201) => return,
                // An earlier try of ours came through, whatever was answered.
                Some("order_already_exists") => return,
                _ if body["retryable"] == true && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                _ => panic!("{status}: {body}"),
            }
        }
    }

    fn path(&self, order: &str, rest: &str) -> String {
        format!("/api/v1/order/order-fulfillment-{}/{rest}", self.id(order))
    }

    /// Tells an order something, with a body or without.
    pub async fn tell(&self, order: &str, what: &str, body: Option<&Value>) -> (u16, Value) {
        self.call(&API, Method::POST, &self.path(order, what), body).await
    }

    pub async fn status(&self, order: &str) -> Value {
        let (status, body) = self.call(&API, Method::GET, &self.path(order, "status"), None).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// The final state.
    pub async fn end(&self, order: &str) -> Value {
        let path = self.path(order, &format!("result?timeout={}", PATIENCE.as_secs()));
        let (status, body) = self.call(&API, Method::GET, &path, None).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Waits until the order's state is as wanted.
    pub async fn until(&self, order: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let state = self.status(order).await;
            if wanted(&state) {
                return state;
            }
            assert!(Instant::now() < deadline, "{order} never was {what}: {state}");
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    pub async fn until_step(&self, order: &str, step: &str) -> Value {
        self.until(order, step, |state| state["currentStep"] == step).await
    }

    /// Decides how the provider treats an order's calls.
    pub async fn plan(&self, order: &str, plan: &Value) {
        let path = format!("/chaos/plans/{}", self.id(order));
        let (status, body) = self.call(&PROVIDER, Method::PUT, &path, Some(plan)).await;
        assert!((200..300).contains(&status), "{body}");
    }

    /// All that the provider remembers of an order.
    pub async fn ledger(&self, order: &str) -> Value {
        let path = format!("/ledger/orders/{}", self.id(order));
        let (status, body) = self.call(&PROVIDER, Method::GET, &path, None).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// The provider's calls of one operation for an order, the newest first.
    pub async fn journal(&self, order: &str, operation: &str) -> Vec<Value> {
        let path = format!("/journal?orderId={}&operation={operation}&limit=100", self.id(order));
        let (status, body) = self.call(&PROVIDER, Method::GET, &path, None).await;
        assert_eq!(status, 200, "{body}");
        body["entries"].as_array().unwrap_or_else(|| panic!("{body}")).clone()
    }

    /// Tells the provider what became of the order.
    pub async fn tell_outcome(&self, order: &str, end: &Value) {
        let outcome = match end["status"].as_str() {
            Some("shipped") => "shipped",
            // Of a payment, which ships nothing.
            Some("succeeded") => "paid",
            _ => "not_shipped",
        };
        let path = format!("/ledger/orders/{}/outcome", self.id(order));
        let (status, body) =
            self.call(&PROVIDER, Method::PUT, &path, Some(&json!({"outcome": outcome}))).await;
        assert!((200..300).contains(&status), "{body}");
    }

    /// Tells the provider what became of the order, and requires that its ledger agrees.
    pub async fn must_agree(&self, order: &str, end: &Value) {
        self.tell_outcome(order, end).await;
        let path = format!("/verdict?final=true&orderId={}", self.id(order));
        let (_, verdict) = self.call(&PROVIDER, Method::GET, &path, None).await;
        assert_eq!(verdict["contradictions"], json!([]), "{verdict}\n{}", self.ledger(order).await);
        assert_eq!(verdict["orders"], 1, "{verdict}");
    }

    /// Places an order and follows it to its end, where ledger and order must agree.
    pub async fn run(&self, order: &str) -> Value {
        self.place(&self.order(order)).await;
        let end = self.end(order).await;
        self.must_agree(order, &end).await;
        end
    }

    /// Runs the Temporal CLI against the test's server.
    pub async fn temporal(&self, arguments: &[&str]) -> String {
        let output = Command::new(temporal().await.cli.path())
            .args(arguments)
            // Histories keep who asked; without this they would name the machine.
            .args(["--address", &self.stack.options().temporal_address(), "--identity", "a-test"])
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Sends a signal as the Temporal CLI does, with the payload as it is or with none.
    pub async fn signal(&self, order: &str, name: &str, payload: Option<&str>) {
        let id = format!("order-fulfillment-{}", self.id(order));
        let mut arguments = vec!["workflow", "signal", "-w", &id, "--name", name];
        if let Some(payload) = payload {
            arguments.extend(["--input", payload]);
        }
        self.temporal(&arguments).await;
    }

    /// Waits until something about the provider is as wanted.
    pub async fn eventually<F: Future<Output = bool>>(&self, what: &str, wanted: impl Fn() -> F) {
        let deadline = Instant::now() + PATIENCE;
        while !wanted().await {
            assert!(Instant::now() < deadline, "never saw {what}");
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// What the provider's ledger says happened to an order, in time order.
    pub async fn effects(&self, order: &str) -> Vec<String> {
        let path = format!("/ledger/orders/{}", self.id(order));
        let (_, body) = self.call(&PROVIDER, Method::GET, &path, None).await;
        let entries = body["entries"].as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["effect"].as_str().unwrap().to_owned()).collect()
    }

    /// A forward call that comes late, with the key that an order's step had.
    pub async fn late(&self, operation: &str, key: &str, order_id: &str) -> (u16, String) {
        let (path, body) = match operation {
            "payment.authorize" => ("/payment/authorize", json!({"amount": 5998, "currency": "usd"})),
            "payment.capture" => ("/payment/capture", json!({"authId": "auth_of_nobody"})),
            "inventory.reserve" => ("/inventory/reserve", json!({"items": [{"sku": "book", "quantity": 2}]})),
            _ => {
                let address = json!({"street": "s", "city": "c", "state": "s", "zip": "z", "country": "c"});
                ("/shipping/create-label", json!({"shippingAddress": address}))
            }
        };
        let response = self
            .http
            .post(format!("{}{path}", self.stack.url(&PROVIDER)))
            .header("idempotency-key", key)
            .header("x-order-id", order_id)
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        (status, body["error"].as_str().unwrap_or_default().to_owned())
    }

    /// The activity that an order waits for: its attempt, and the progress that it told last.
    pub async fn heartbeat(&self, order: &str) -> Option<(i32, u8)> {
        let id = format!("order-fulfillment-{}", self.id(order));
        let handle = client().await.get_workflow_handle::<UntypedWorkflow>(id);
        let described = handle.describe(WorkflowDescribeOptions::default()).await.unwrap();
        let activity = described.raw().pending_activities.first()?;
        let details = activity.heartbeat_details.as_ref()?.payloads.first()?;
        Some((activity.attempt, serde_json::from_slice(&details.data).unwrap()))
    }

    pub fn log(&self, service: &Service) -> String {
        std::fs::read_to_string(self.stack.log(service)).unwrap()
    }

    pub async fn metrics(&self, service: &Service) -> String {
        let (status, text) = self.call(service, Method::GET, "/metrics", None).await;
        assert_eq!(status, 200);
        text.as_str().unwrap().to_owned()
    }

    pub async fn stop(mut self) {
        self.stack.stop(|_, _| ()).await.unwrap();
    }
}

/// The names of a list's members, in their order.
pub fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|member| member["name"].as_str().unwrap()).collect()
}

/// Set by `cargo xtask record`.
const RECORD: &str = "RECORD_HISTORIES";

/// Keeps the history of a workflow that has come to an end which the corpus doesn't have. Histories of
/// released workflows are never replaced, only added.
pub async fn record(name: &str, workflow: &str) {
    record_run(&temporal().await.address, name, workflow, None).await;
}

/// As [`record`], of one run of a workflow on any server.
pub async fn record_run(server: &str, name: &str, workflow: &str, run: Option<&str>) {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../workflows/tests/histories"));
    let path = folder.join(format!("{name}.json"));
    if std::env::var_os(RECORD).is_none() || path.exists() {
        return;
    }
    let handle = WorkflowExecutionInfo::builder()
        .namespace("default")
        .workflow_id(workflow)
        .maybe_run_id(run)
        .build()
        .bind_untyped(client_of(server).await);
    let json = handle.fetch_history(WorkflowFetchHistoryOptions::default()).to_json().await.unwrap();
    let value: Value = serde_json::from_slice(&json).unwrap();
    fs::create_dir_all(folder).unwrap();
    fs::write(path, serde_json::to_string_pretty(&value).unwrap() + "\n").unwrap();
}
