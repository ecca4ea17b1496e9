//! A small service assembled with the kit, driven through its router and over real sockets.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{Request, Response, StatusCode, header},
};
use http_body_util::BodyExt;
use serde_json::Value;
use service_kit::{
    config::{Common, Reader},
    correlation::{self, CorrelationId},
    health::Dependency,
    json::{Faults, FromJson, Node, OptionalJson, ValidJson},
    openapi::Fails,
    problem::Problem,
    serve,
    service::Service,
    stopping::Stopping,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, oneshot},
    task::JoinHandle,
};
use tower::ServiceExt;
use utoipa_axum::{router::OpenApiRouter, routes};

struct Name(String);

/// How the body of a greeting is documented.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "only its schema is used")]
struct NameBody {
    name: String,
    age: u8,
    address: Address,
    friends: Vec<Friend>,
}

#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "only its schema is used")]
struct Friend {
    name: String,
}

/// Part of a request and of a response.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct Address {
    city: String,
}

impl FromJson for Name {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["name", "age"], faults)?;
        let name = object.required("name", faults);
        let age = object.required_with("age", faults, |node, faults| node.integer(0..=150, faults));
        age.and(name).map(Self)
    }
}

#[utoipa::path(post, path = "/greet", request_body = NameBody, responses((status = 200, body = String)))]
async fn greet(correlation: CorrelationId, body: ValidJson<Name>) -> String {
    format!("{} {correlation}", body.value.0)
}

#[utoipa::path(post, path = "/maybe", responses((status = 200, body = String)))]
async fn maybe(body: OptionalJson<Name>) -> String {
    body.0.map_or("nobody".to_owned(), |name| name.0)
}

#[utoipa::path(get, path = "/double/{number}", params(("number" = u32, Path)), responses((status = 200, body = String)))]
async fn double(Path(number): Path<u32>) -> String {
    (u64::from(number) * 2).to_string()
}

#[utoipa::path(get, path = "/address", responses((status = 200, body = Address)))]
async fn address() -> axum::Json<Address> {
    axum::Json(Address { city: "Springfield".to_owned() })
}

#[utoipa::path(get, path = "/panic", responses((status = 200, body = String)))]
async fn panics() -> String {
    panic!("as the test wants it")
}

#[utoipa::path(get, path = "/slow", responses((status = 200, body = String)))]
async fn slow() -> String {
    tokio::time::sleep(Duration::from_millis(300)).await;
    "done".to_owned()
}

#[utoipa::path(get, path = "/long", responses((status = 200, body = String), Fails<404>))]
async fn long(State(entered): State<Arc<Notify>>) -> Result<String, Problem> {
    entered.notify_one();
    Ok(slow().await)
}

#[utoipa::path(get, path = "/endless", responses((status = 200, body = String)))]
async fn endless(State(entered): State<Arc<Notify>>, stopping: Stopping) -> String {
    entered.notify_one();
    stopping.wait().await;
    "stopped".to_owned()
}

fn common(timeout: &'static str) -> Common {
    let lookup = move |name: &str| (name == "REQUEST_TIMEOUT").then(|| timeout.to_owned());
    let mut reader = Reader::new(&lookup);
    let common = Common::read(&mut reader);
    reader.finish(common).unwrap()
}

fn app_with(dependency: Result<(), String>) -> Router {
    app_that_tells(dependency, Arc::default())
}

/// `entered` learns when a request has reached `/long`.
fn app_that_tells(dependency: Result<(), String>, entered: Arc<Notify>) -> Router {
    let routes = OpenApiRouter::new()
        .routes(routes!(greet))
        .routes(routes!(maybe))
        .routes(routes!(double))
        .routes(routes!(address))
        .routes(routes!(panics))
        .routes(routes!(slow));
    let about = utoipa::openapi::OpenApiBuilder::new()
        .info(utoipa::openapi::InfoBuilder::new().title("greeter").version("1").build())
        .build();
    Service::new("greeter", "1.2.3", about)
        .routes(routes)
        .long_routes(OpenApiRouter::new().routes(routes!(long)).routes(routes!(endless)).with_state(entered))
        .depends_on(Dependency::new("the-sky", move || std::future::ready(dependency.clone())))
        .build(&common("100ms"))
        .0
}

async fn send(request: Request<Body>) -> Response<Body> {
    app_with(Ok(())).oneshot(request).await.unwrap()
}

async fn get(path: &str) -> Response<Body> {
    send(Request::get(path).body(Body::empty()).unwrap()).await
}

async fn post(path: &str, kind: &str, body: impl Into<Body>) -> Response<Body> {
    send(Request::post(path).header(header::CONTENT_TYPE, kind).body(body.into()).unwrap()).await
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// Checks the members that every problem has, and gives its code and its body.
async fn problem(response: Response<Body>) -> (u16, String, Value) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    let correlation = response.headers()[correlation::HEADER].to_str().unwrap().to_owned();
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(body["status"], status);
    assert_eq!(body["success"], false);
    assert_eq!(body["detail"], body["message"]);
    assert_eq!(body["correlationId"], correlation);
    assert!(body["retryable"].is_boolean() && body["title"].is_string() && body["instance"].is_string());
    let code = body["error"].as_str().unwrap().to_owned();
    assert_eq!(body["type"], format!("/api/docs/errors#{code}"));
    (status, code, body)
}

#[tokio::test]
async fn an_unknown_path_is_a_problem_that_names_it() {
    let (status, code, body) = problem(get("/nowhere").await).await;
    assert_eq!((status, code.as_str()), (404, "not_found"));
    assert_eq!(body["instance"], "/nowhere");
}

#[tokio::test]
async fn a_wrong_method_is_a_problem_and_keeps_its_allow_header() {
    let response = get("/greet").await;
    assert_eq!(response.headers()[header::ALLOW], "POST");
    let (status, code, _) = problem(response).await;
    assert_eq!((status, code.as_str()), (405, "method_not_allowed"));
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let (status, code, _) = problem(post("/greet", "application/json", vec![b' '; 1024 * 1024]).await).await;
    assert_eq!((status, code.as_str()), (413, "payload_too_large"));
}

#[tokio::test]
async fn another_media_type_is_415_and_so_is_none() {
    for kind in ["text/plain", "", "application/xml"] {
        let (status, code, _) = problem(post("/greet", kind, "{}").await).await;
        assert_eq!((status, code.as_str()), (415, "unsupported_media_type"), "{kind}");
    }
}

#[tokio::test]
async fn what_is_not_json_is_400() {
    let (status, code, _) = problem(post("/greet", "application/json", "{").await).await;
    assert_eq!((status, code.as_str()), (400, "malformed_json"));
}

#[tokio::test]
async fn all_faults_of_a_body_come_together() {
    let (status, code, body) =
        problem(post("/greet", "application/json; charset=utf-8", r#"{"name":1}"#).await).await;
    assert_eq!((status, code.as_str()), (422, "validation_failed"));
    assert_eq!(
        body["errors"],
        serde_json::json!([
            {"pointer": "/name", "message": "must be a string, not a number"},
            {"pointer": "/age", "message": "is required"},
        ])
    );
}

#[tokio::test]
async fn a_member_that_nobody_reads_is_a_fault() {
    for path in ["/greet", "/maybe"] {
        let body = r#"{"name":"Ada","age":36,"agge":37}"#;
        let (status, _, body) = problem(post(path, "application/json", body).await).await;
        assert_eq!((status, &body["errors"][0]["pointer"]), (422, &"/agge".into()), "{path}");
        assert_eq!(body["detail"], "/agge is not a member here; did you mean `age`?");
    }
}

#[tokio::test]
async fn an_optional_body_may_be_left_out_but_not_be_wrong() {
    assert_eq!(text(post("/maybe", "", "").await).await, "nobody");
    assert_eq!(text(post("/maybe", "application/json", r#"{"name":"Ada","age":36}"#).await).await, "Ada");
    assert_eq!(problem(post("/maybe", "application/json", "[]").await).await.0, 422);
}

#[tokio::test]
async fn a_rejection_of_axum_itself_is_a_problem_with_its_reason() {
    let (status, code, body) = problem(get("/double/many").await).await;
    assert_eq!((status, code.as_str()), (400, "bad_request"));
    assert!(body["detail"].as_str().unwrap().contains("many"), "{body}");
}

#[tokio::test]
async fn a_panic_is_a_500_that_tells_nothing() {
    let (status, code, body) = problem(get("/panic").await).await;
    assert_eq!((status, code.as_str()), (500, "internal"));
    assert!(!body.to_string().contains("as the test wants it"));
}

#[tokio::test]
async fn a_request_over_its_time_is_503_but_a_long_route_may_take_longer() {
    let (status, code, body) = problem(get("/slow").await).await;
    assert_eq!((status, code.as_str()), (503, "request_timeout"));
    assert_eq!(body["retryable"], true);
    assert_eq!(text(get("/long").await).await, "done");
}

#[tokio::test]
async fn a_good_correlation_id_is_kept_and_a_bad_one_replaced() {
    let body = r#"{"name":"Ada","age":36}"#;
    let ask = |id: &'static str| {
        let request = Request::post("/greet").header(correlation::HEADER, id);
        send(request.header(header::CONTENT_TYPE, "application/json").body(body.into()).unwrap())
    };
    let kept = ask("order-7").await;
    assert_eq!(kept.headers()[correlation::HEADER], "order-7");
    assert_eq!(text(kept).await, "Ada order-7");
    assert_ne!(ask("two words").await.headers()[correlation::HEADER], "two words");
}

#[tokio::test]
async fn health_names_the_service_and_ready_names_what_fails() {
    let health: Value = serde_json::from_str(&text(get("/health").await).await).unwrap();
    assert_eq!(
        (&health["status"], &health["service"], &health["version"]),
        (&"healthy".into(), &"greeter".into(), &"1.2.3".into())
    );
    assert!(health["uptimeSeconds"].is_u64() && health["timestamp"].as_str().unwrap().ends_with('Z'));

    assert_eq!(get("/health/live").await.status(), StatusCode::OK);
    assert_eq!(get("/health/ready").await.status(), StatusCode::OK);
    let request = Request::get("/health/ready").body(Body::empty()).unwrap();
    let (status, code, body) =
        problem(app_with(Err("it fell".to_owned())).oneshot(request).await.unwrap()).await;
    assert_eq!((status, code.as_str()), (503, "not_ready"));
    assert_eq!(body["detail"], "the-sky: it fell");
    assert_eq!(body["checks"]["the-sky"], "it fell");
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_status() {
    let app = app_with(Ok(()));
    for path in ["/double/1", "/double/2", "/nowhere/else"] {
        app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    }
    let metrics =
        text(app.oneshot(Request::get("/metrics").body(Body::empty()).unwrap()).await.unwrap()).await;
    assert!(
        metrics.contains(r#"http_requests_total{method="GET",route="/double/{number}",status="200"} 2"#),
        "{metrics}"
    );
    assert!(
        metrics.contains(r#"http_requests_total{method="GET",route="unmatched",status="404"} 1"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn the_openapi_document_is_3_1_and_every_operation_says_how_it_fails() {
    let document: Value = serde_json::from_str(&text(get("/api/docs/openapi.json").await).await).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let failures = |method: &str, path: &str| -> Vec<u16> {
        let responses = document["paths"][path][method]["responses"].as_object().unwrap();
        let failures = responses.iter().filter(|(status, _)| !status.starts_with('2'));
        failures
            .map(|(status, response)| {
                let content = &response["content"]["application/problem+json"];
                assert_eq!(content["schema"]["$ref"], "#/components/schemas/ProblemBody", "{method} {path}");
                status.parse().unwrap()
            })
            .collect()
    };
    assert_eq!(failures("post", "/greet"), [400, 413, 415, 422, 500, 503], "it takes a body");
    assert_eq!(failures("get", "/double/{number}"), [400, 500, 503], "it takes a parameter");
    assert_eq!(failures("get", "/slow"), [500, 503], "it takes nothing");
    assert_eq!(failures("get", "/long"), [404, 500], "it bounds its own time, and says more");
}

#[tokio::test]
async fn the_openapi_document_refuses_unknown_members_of_requests_and_bears_them_in_responses() {
    let document: Value = serde_json::from_str(&text(get("/api/docs/openapi.json").await).await).unwrap();
    let more = |schema: &str| &document["components"]["schemas"][schema]["additionalProperties"];
    assert_eq!((more("NameBody"), more("Friend")), (&Value::Bool(false), &Value::Bool(false)));
    assert_eq!((more("Address"), more("ProblemBody")), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn swagger_ui_and_the_catalogue_of_codes_come_from_the_binary() {
    let page = get("/api/docs/").await;
    assert_eq!(page.status(), StatusCode::OK);
    let page = text(page).await;
    assert!(
        page.contains("swagger-ui") && !page.contains("//cdn") && !page.contains("https://unpkg"),
        "{page}"
    );
    assert_eq!(get("/api/docs/swagger-ui-bundle.js").await.status(), StatusCode::OK);
    assert!(get("/api/docs").await.status().is_redirection() || get("/api/docs").await.status().is_success());
    assert!(text(get("/api/docs/errors").await).await.contains("<tr id=\"malformed_json\">"));
}

struct Running {
    stream: TcpStream,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

/// A service with one request in flight: `/long` takes 300 ms, `/endless` until the service stops.
async fn busy(path: &str, grace: Duration) -> Running {
    let listener = serve::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let entered = Arc::new(Notify::new());
    let app = app_that_tells(Ok(()), entered.clone());
    let server = tokio::spawn(async move {
        serve::run(listener, app, async { stopped.await.unwrap_or(()) }, grace).await.unwrap();
    });
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    entered.notified().await;
    Running { stream, stop, server }
}

#[tokio::test]
async fn a_stopping_service_finishes_what_is_in_flight() {
    let mut running = busy("/long", Duration::from_secs(5)).await;
    running.stop.send(()).unwrap();
    let mut answer = String::new();
    running.stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    running.server.await.unwrap();
}

#[tokio::test]
async fn a_stopping_service_does_not_outlive_its_grace() {
    let running = busy("/long", Duration::from_millis(20)).await;
    let started = Instant::now();
    running.stop.send(()).unwrap();
    running.server.await.unwrap();
    assert!(started.elapsed() < Duration::from_millis(200), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_request_without_an_end_ends_at_once_when_the_service_stops() {
    let mut running = busy("/endless", Duration::from_secs(30)).await;
    let started = Instant::now();
    running.stop.send(()).unwrap();
    let mut answer = String::new();
    running.stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("stopped"), "{answer}");
    running.server.await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_handler_without_a_server_never_stops() {
    let asked = get("/endless");
    assert!(tokio::time::timeout(Duration::from_millis(50), asked).await.is_err());
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = serve::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = serve::bind(address).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot listen on {address}: ")), "{error}");
}
