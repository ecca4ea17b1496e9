//! Gives each test a stack with free ports and its own task queue. All tests share one Temporal development server:
//! that of `cargo xtask test`, else one for each test process.

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
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use tokio::{
    process::{Child, Command},
    sync::OnceCell,
};
use xtask::{
    services::{
        API, FOUNDER, Options, PROVIDER, Ports, Service, State, TEMPORAL as TEMPORAL_SERVER, Temporal,
    },
    stack::Stack,
    temporal_cli::{SearchPaths, TemporalCli},
    test::TEMPORAL_ADDRESS,
};

/// Exceeds the duration of every wait here, even on a busy machine.
pub const TIMEOUT: Duration = Duration::from_mins(1);
pub const POLL_INTERVAL: Duration = Duration::from_millis(50);

struct SharedTemporal {
    address: String,
    cli: TemporalCli,
    /// The stack's guard ends it together with the test's process.
    _stack: Option<Stack>,
}

static TEMPORAL: OnceCell<SharedTemporal> = OnceCell::const_new();

async fn temporal() -> &'static SharedTemporal {
    TEMPORAL
        .get_or_init(|| async {
            let tools = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools"));
            let cli = SearchPaths::from_env(tools)
                .find()
                .await
                .expect("a Temporal CLI; `cargo xtask test` finds one");
            if let Ok(address) = std::env::var(TEMPORAL_ADDRESS) {
                return SharedTemporal { address, cli, _stack: None };
            }
            let server = Temporal::DevServer(cli.clone());
            let folder = tempfile::tempdir().unwrap().keep();
            let mut options = Options::new(folder, Ports::free().unwrap(), server);
            // A static is never dropped, so the guard removes the folder.
            options.state = State::Temporary;
            options.services = Vec::new();
            let address = options.temporal_address();
            let stack = Stack::start(options).await.unwrap();
            SharedTemporal { address, cli, _stack: Some(stack) }
        })
        .await
}

/// Starts a development server with dynamic settings. A drop of the child ends it.
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
    let deadline = Instant::now() + TIMEOUT;
    while tokio::net::TcpStream::connect(&address).await.is_err() {
        assert!(Instant::now() < deadline, "the development server doesn't listen");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    (server, address)
}

/// Returns a client of the shared server.
async fn client() -> Client {
    client_of(&temporal().await.address).await
}

async fn client_of(address: &str) -> Client {
    let url: Url = format!("http://{address}").parse().unwrap();
    let connection = Connection::connect(ConnectionOptions::new(url).build()).await.unwrap();
    Client::new(connection, ClientOptions::new("default").build()).unwrap()
}

/// The stack of one test, with the requests that a test sends to it.
pub struct TestStack {
    pub stack: Stack,
    name: &'static str,
    http: reqwest::Client,
    _folder: Option<TempDir>,
}

impl TestStack {
    /// Starts all services that orders need, without chaos and with short waits.
    pub async fn start(name: &'static str) -> Self {
        Self::start_with(name, |_| ()).await
    }

    pub async fn start_with(name: &'static str, change: impl FnOnce(&mut Options)) -> Self {
        let shared = Temporal::External(temporal().await.address.clone());
        Self::start_on_server(shared, name, change).await
    }

    /// Starts a stack with its own Temporal server, for tests that stop or change the server.
    pub async fn start_with_own_server(name: &'static str, change: impl FnOnce(&mut Options)) -> Self {
        let own = Temporal::DevServer(temporal().await.cli.clone());
        Self::start_on_server(own, name, change).await
    }

    pub async fn start_on_server(
        server: Temporal,
        name: &'static str,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let test = Self::start_stack_in(folder.path(), server, name, change).await;
        Self { _folder: Some(folder), ..test }
    }

    /// Starts a stack with its own Temporal server in a given folder, with or without the data in it.
    pub async fn start_in_folder(folder: &Path, state: State, name: &'static str) -> Self {
        Self::start_in_folder_with(folder, state, name, |_| ()).await
    }

    pub async fn start_in_folder_with(
        folder: &Path,
        state: State,
        name: &'static str,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let own = Temporal::DevServer(temporal().await.cli.clone());
        Self::start_stack_in(folder, own, name, |options| {
            options.state = state;
            change(options);
        })
        .await
    }

    async fn start_stack_in(
        folder: &Path,
        server: Temporal,
        name: &'static str,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let mut options = Options::new(folder.to_owned(), Ports::free().unwrap(), server);
        options.task_queue = name.to_owned();
        // Orders don't use founder.
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

    /// Returns the id of an order, which is unique among all tests.
    pub fn order_id(&self, order: &str) -> String {
        format!("{}-{order}", self.name)
    }

    /// Returns the body of an order of two books for 59.98.
    pub fn order(&self, order: &str) -> Value {
        json!({
            "orderId": self.order_id(order),
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

    /// Places an order, and repeats the request after a retryable failure. The order's id makes that safe.
    pub async fn place_with_retry(&self, order: &Value) {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let (status, body) = self.call(&API, Method::POST, "/api/v1/order", Some(order)).await;
            match body["error"].as_str() {
                None if matches!(status, 200 | 201) => return,
                // An earlier request placed the order, and its answer was lost.
                Some("order_already_exists") => return,
                _ if body["retryable"] == true && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                _ => panic!("{status}: {body}"),
            }
        }
    }

    fn path(&self, order: &str, rest: &str) -> String {
        format!("/api/v1/order/order-fulfillment-{}/{rest}", self.order_id(order))
    }

    /// Sends a signal to an order over the API, with or without a body.
    pub async fn signal_by_api(&self, order: &str, action: &str, body: Option<&Value>) -> (u16, Value) {
        self.call(&API, Method::POST, &self.path(order, action), body).await
    }

    pub async fn status(&self, order: &str) -> Value {
        let (status, body) = self.call(&API, Method::GET, &self.path(order, "status"), None).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Waits for the end of an order, and returns its final state.
    pub async fn wait_for_end(&self, order: &str) -> Value {
        let path = self.path(order, &format!("result?timeout={}", TIMEOUT.as_secs()));
        let (status, body) = self.call(&API, Method::GET, &path, None).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Waits until the order's state meets a condition.
    pub async fn wait_for_state(&self, order: &str, name: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let state = self.status(order).await;
            if condition(&state) {
                return state;
            }
            assert!(Instant::now() < deadline, "{order} never reached {name}: {state}");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    pub async fn wait_for_step(&self, order: &str, step: &str) -> Value {
        self.wait_for_state(order, step, |state| state["currentStep"] == step).await
    }

    /// Sets the provider's plan for an order's calls.
    pub async fn plan(&self, order: &str, plan: &Value) {
        let path = format!("/chaos/plans/{}", self.order_id(order));
        let (status, body) = self.call(&PROVIDER, Method::PUT, &path, Some(plan)).await;
        assert!((200..300).contains(&status), "{body}");
    }

    /// Returns the provider's ledger of an order.
    pub async fn ledger(&self, order: &str) -> Value {
        let path = format!("/ledger/orders/{}", self.order_id(order));
        let (status, body) = self.call(&PROVIDER, Method::GET, &path, None).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Returns the journal's calls of one operation for an order, newest first.
    pub async fn journal(&self, order: &str, operation: &str) -> Vec<Value> {
        let path = format!("/journal?orderId={}&operation={operation}&limit=100", self.order_id(order));
        let (status, body) = self.call(&PROVIDER, Method::GET, &path, None).await;
        assert_eq!(status, 200, "{body}");
        body["entries"].as_array().unwrap_or_else(|| panic!("{body}")).clone()
    }

    /// Records the outcome of an order at the provider, as an observer.
    pub async fn record_outcome(&self, order: &str, end: &Value) {
        let outcome = match end["status"].as_str() {
            Some("shipped") => "shipped",
            // A payment without an order ends as paid.
            Some("succeeded") => "paid",
            _ => "not_shipped",
        };
        let path = format!("/ledger/orders/{}/outcome", self.order_id(order));
        let (status, body) =
            self.call(&PROVIDER, Method::PUT, &path, Some(&json!({"outcome": outcome}))).await;
        assert!((200..300).contains(&status), "{body}");
    }

    /// Records the outcome of an order, and asserts that the verdict has no contradiction.
    pub async fn assert_verdict(&self, order: &str, end: &Value) {
        self.record_outcome(order, end).await;
        let path = format!("/verdict?final=true&orderId={}", self.order_id(order));
        let (_, verdict) = self.call(&PROVIDER, Method::GET, &path, None).await;
        assert_eq!(verdict["contradictions"], json!([]), "{verdict}\n{}", self.ledger(order).await);
        assert_eq!(verdict["orders"], 1, "{verdict}");
    }

    /// Places an order, waits for its end, and asserts the verdict.
    pub async fn run(&self, order: &str) -> Value {
        self.place(&self.order(order)).await;
        let end = self.wait_for_end(order).await;
        self.assert_verdict(order, &end).await;
        end
    }

    /// Runs the Temporal CLI against the test's server.
    pub async fn temporal(&self, arguments: &[&str]) -> String {
        self.try_temporal(arguments).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs the Temporal CLI, and returns its output or its error text.
    pub async fn try_temporal(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(temporal().await.cli.path())
            .args(arguments)
            // Histories keep the caller's identity. The default would name the machine.
            .args(["--address", &self.stack.options().temporal_address(), "--identity", "a-test"])
            .output()
            .await
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Sends a signal with the Temporal CLI, with or without a payload.
    pub async fn signal(&self, order: &str, name: &str, payload: Option<&str>) {
        let id = format!("order-fulfillment-{}", self.order_id(order));
        let mut arguments = vec!["workflow", "signal", "-w", &id, "--name", name];
        if let Some(payload) = payload {
            arguments.extend(["--input", payload]);
        }
        self.temporal(&arguments).await;
    }

    /// Waits until a condition is true.
    pub async fn wait_until<F: Future<Output = bool>>(&self, name: &str, condition: impl Fn() -> F) {
        let deadline = Instant::now() + TIMEOUT;
        while !condition().await {
            assert!(Instant::now() < deadline, "timed out waiting for {name}");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Returns the effects of an order from the provider's ledger, in time order.
    pub async fn effects(&self, order: &str) -> Vec<String> {
        let path = format!("/ledger/orders/{}", self.order_id(order));
        let (_, body) = self.call(&PROVIDER, Method::GET, &path, None).await;
        let entries = body["entries"].as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["effect"].as_str().unwrap().to_owned()).collect()
    }

    /// Sends a late forward call with the idempotency key of an order's step.
    pub async fn late_call(&self, operation: &str, key: &str, order_id: &str) -> (u16, String) {
        let (path, body) = match operation {
            "payment.authorize" => ("/payment/authorize", json!({"amount": 5998, "currency": "usd"})),
            "payment.capture" => ("/payment/capture", json!({"authId": "auth_unknown"})),
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

    /// Returns the attempt of the order's pending activity, and the progress in its last heartbeat.
    pub async fn heartbeat(&self, order: &str) -> Option<(i32, u8)> {
        let id = format!("order-fulfillment-{}", self.order_id(order));
        let handle = client().await.get_workflow_handle::<UntypedWorkflow>(id);
        let described = handle.describe(WorkflowDescribeOptions::default()).await.unwrap();
        let activity = described.raw().pending_activities.first()?;
        let details = activity.heartbeat_details.as_ref()?.payloads.first()?;
        Some((activity.attempt, serde_json::from_slice(&details.data).unwrap()))
    }

    /// Returns the input that an order gave to an activity.
    pub async fn activity_input(&self, order: &str, activity: &str) -> Value {
        let id = format!("order-fulfillment-{}", self.order_id(order));
        let handle = client().await.get_workflow_handle::<UntypedWorkflow>(id);
        let history = handle.fetch_history(WorkflowFetchHistoryOptions::default());
        let events = history.into_events().await.unwrap();
        let scheduled = events.iter().find_map(|event| match event.attributes.as_ref()? {
            Attributes::ActivityTaskScheduledEventAttributes(scheduled) => {
                (scheduled.activity_type.as_ref()?.name == activity).then_some(scheduled)
            }
            _ => None,
        });
        let input = scheduled.unwrap().input.as_ref().unwrap();
        serde_json::from_slice(&input.payloads[0].data).unwrap()
    }

    pub fn log(&self, service: &Service) -> String {
        std::fs::read_to_string(self.stack.log_path(service)).unwrap()
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

/// Returns the names in a list, in their order.
pub fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|member| member["name"].as_str().unwrap()).collect()
}

/// The variable that `cargo xtask record` sets.
const RECORD: &str = "RECORD_HISTORIES";

/// Saves the history of a finished workflow, unless the corpus has one with this name. Recorded histories are never
/// replaced.
pub async fn record(name: &str, workflow: &str) {
    record_run(&temporal().await.address, name, workflow, None).await;
}

/// Saves the history of one run of a workflow on a given server, as [`record`] does.
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
