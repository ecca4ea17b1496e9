//! A small service that is built with the kit, called through its router and over real sockets.

#![allow(clippy::disallowed_methods, reason = "test code may wait and draw")]

use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
    sync::{Arc, Mutex},
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

/// The documented body of a greeting.
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

#[utoipa::path(post, path = "/optional-body", responses((status = 200, body = String)))]
async fn optional_body(body: OptionalJson<Name>) -> String {
    body.0.map_or("no name".to_owned(), |name| name.0)
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
    panic!("deliberate panic")
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

#[utoipa::path(get, path = "/large", responses((status = 200, body = String)))]
async fn large() -> String {
    "x".repeat(10_000)
}

#[utoipa::path(get, path = "/events", responses((status = 200, body = String)))]
async fn events() -> Response<Body> {
    let body = Body::from("data: x\n\n".repeat(1000));
    Response::builder().header(header::CONTENT_TYPE, "text/event-stream").body(body).unwrap()
}

fn common(variables: &[(&str, &str)]) -> Common {
    let lookup = |name: &str| {
        let known = variables.iter().find(|(known, _)| *known == name);
        known.map(|(_, value)| (*value).to_owned())
    };
    let mut reader = Reader::new(&lookup);
    let common = Common::read(&mut reader);
    reader.finish(common).unwrap()
}

fn test_app(dependency: Result<(), String>) -> Router {
    test_app_notifying(dependency, Arc::default())
}

/// Notifies `entered` when a request reaches `/long` or `/endless`.
fn test_app_notifying(dependency: Result<(), String>, entered: Arc<Notify>) -> Router {
    app(dependency, entered, &common(&[("REQUEST_TIMEOUT", "100ms")]))
}

fn app(dependency: Result<(), String>, entered: Arc<Notify>, common: &Common) -> Router {
    let routes = OpenApiRouter::new()
        .routes(routes!(greet))
        .routes(routes!(optional_body))
        .routes(routes!(double))
        .routes(routes!(address))
        .routes(routes!(panics))
        .routes(routes!(large))
        .routes(routes!(events))
        .routes(routes!(slow));
    let about = utoipa::openapi::OpenApiBuilder::new()
        .info(utoipa::openapi::InfoBuilder::new().title("greeter").version("1").build())
        .build();
    Service::new("greeter", "1.2.3", about)
        .routes(routes)
        .long_routes(OpenApiRouter::new().routes(routes!(long)).routes(routes!(endless)).with_state(entered))
        .depends_on(Dependency::new("database", move || std::future::ready(dependency.clone())))
        .build(common)
        .0
}

async fn send(request: Request<Body>) -> Response<Body> {
    test_app(Ok(())).oneshot(request).await.unwrap()
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

/// Checks the members that every problem has. Returns its status, its code and its body.
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
async fn an_unknown_path_is_404_with_the_path() {
    let (status, code, body) = problem(get("/nowhere").await).await;
    assert_eq!((status, code.as_str()), (404, "not_found"));
    assert_eq!(body["instance"], "/nowhere");
}

#[tokio::test]
async fn a_wrong_method_is_405_with_its_allow_header() {
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
async fn another_media_type_or_none_is_415() {
    for kind in ["text/plain", "", "application/xml"] {
        let (status, code, _) = problem(post("/greet", kind, "{}").await).await;
        assert_eq!((status, code.as_str()), (415, "unsupported_media_type"), "{kind}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_is_400() {
    let (status, code, _) = problem(post("/greet", "application/json", "{").await).await;
    assert_eq!((status, code.as_str()), (400, "malformed_json"));
}

#[tokio::test]
async fn all_errors_of_a_body_are_reported_together() {
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
async fn an_unknown_member_is_a_validation_error() {
    for path in ["/greet", "/optional-body"] {
        let body = r#"{"name":"Ada","age":36,"agge":37}"#;
        let (status, _, body) = problem(post(path, "application/json", body).await).await;
        assert_eq!((status, &body["errors"][0]["pointer"]), (422, &"/agge".into()), "{path}");
        assert_eq!(body["detail"], "/agge is not a member here; did you mean `age`?");
    }
}

#[tokio::test]
async fn an_optional_body_may_be_absent_but_not_invalid() {
    assert_eq!(text(post("/optional-body", "", "").await).await, "no name");
    assert_eq!(
        text(post("/optional-body", "application/json", r#"{"name":"Ada","age":36}"#).await).await,
        "Ada"
    );
    assert_eq!(problem(post("/optional-body", "application/json", "[]").await).await.0, 422);
}

#[tokio::test]
async fn a_rejection_of_axum_is_a_problem_with_its_reason() {
    let (status, code, body) = problem(get("/double/many").await).await;
    assert_eq!((status, code.as_str()), (400, "bad_request"));
    assert!(body["detail"].as_str().unwrap().contains("many"), "{body}");
}

#[tokio::test]
async fn a_panic_is_500_without_its_cause() {
    let (status, code, body) = problem(get("/panic").await).await;
    assert_eq!((status, code.as_str()), (500, "internal"));
    assert!(!body.to_string().contains("deliberate panic"));
}

#[tokio::test]
async fn a_request_over_the_timeout_is_503_except_on_a_long_route() {
    let (status, code, body) = problem(get("/slow").await).await;
    assert_eq!((status, code.as_str()), (503, "request_timeout"));
    assert_eq!(body["retryable"], true);
    assert_eq!(text(get("/long").await).await, "done");
}

#[tokio::test]
async fn a_valid_correlation_id_is_kept_and_an_invalid_one_replaced() {
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
async fn health_names_the_service_and_readiness_names_the_failing_dependencies() {
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
        problem(test_app(Err("connection refused".to_owned())).oneshot(request).await.unwrap()).await;
    assert_eq!((status, code.as_str()), (503, "not_ready"));
    assert_eq!(body["detail"], "database: connection refused");
    assert_eq!(body["checks"]["database"], "connection refused");
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_status() {
    let app = test_app(Ok(()));
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
async fn the_openapi_document_is_3_1_and_lists_the_failures_of_every_operation() {
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
    assert_eq!(failures("post", "/greet"), [400, 408, 413, 415, 422, 500, 503], "an operation with a body");
    assert_eq!(failures("get", "/double/{number}"), [400, 500, 503], "an operation with a parameter");
    assert_eq!(failures("get", "/slow"), [500, 503], "an operation without input");
    assert_eq!(
        failures("get", "/long"),
        [404, 500],
        "an operation without the timeout and with its own failure"
    );
}

#[tokio::test]
async fn the_openapi_document_forbids_unknown_members_in_requests_and_allows_them_in_responses() {
    let document: Value = serde_json::from_str(&text(get("/api/docs/openapi.json").await).await).unwrap();
    let more = |schema: &str| &document["components"]["schemas"][schema]["additionalProperties"];
    assert_eq!((more("NameBody"), more("Friend")), (&Value::Bool(false), &Value::Bool(false)));
    assert_eq!((more("Address"), more("ProblemBody")), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn swagger_ui_and_the_catalogue_of_codes_are_part_of_the_binary() {
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

/// Starts a server and one request to it. `/long` takes 300 ms; `/endless` runs until the service stops.
async fn server_with_request_in_flight(path: &str, grace: Duration) -> Running {
    let listener = serve::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let entered = Arc::new(Notify::new());
    let app = test_app_notifying(Ok(()), entered.clone());
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
async fn a_stopping_service_finishes_requests_in_flight() {
    let mut running = server_with_request_in_flight("/long", Duration::from_secs(5)).await;
    running.stop.send(()).unwrap();
    let mut answer = String::new();
    running.stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    running.server.await.unwrap();
}

#[tokio::test]
async fn a_stopping_service_ends_after_its_grace() {
    let running = server_with_request_in_flight("/long", Duration::from_millis(20)).await;
    let started = Instant::now();
    running.stop.send(()).unwrap();
    running.server.await.unwrap();
    assert!(started.elapsed() < Duration::from_millis(200), "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_endless_request_ends_at_once_when_the_service_stops() {
    let mut running = server_with_request_in_flight("/endless", Duration::from_secs(30)).await;
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

fn preflight(path: &str, origin: &str) -> Request<Body> {
    Request::options(path)
        .header(header::ORIGIN, origin)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type,idempotency-key")
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn a_page_of_a_development_origin_may_read_every_answer() {
    let allowed = send(preflight("/greet", "http://localhost:5173")).await;
    assert_eq!(allowed.status(), StatusCode::OK);
    let headers = allowed.headers();
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "http://localhost:5173");
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_HEADERS], "content-type,idempotency-key");
    assert!(headers[header::ACCESS_CONTROL_ALLOW_METHODS].to_str().unwrap().contains("POST"));

    for path in ["/health", "/nowhere", "/panic", "/slow"] {
        let request = Request::get(path).header(header::ORIGIN, "http://127.0.0.1:8080");
        let answer = send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "http://127.0.0.1:8080", "{path}");
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_EXPOSE_HEADERS], "*", "{path}");
    }
    let foreign = send(preflight("/greet", "https://elsewhere.example.com")).await;
    assert!(!foreign.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[tokio::test]
async fn options_is_405_when_cross_origin_requests_are_off() {
    let app = app(Ok(()), Arc::default(), &common(&[("CORS_ORIGINS", "off")]));
    let answer = app.oneshot(preflight("/greet", "http://localhost:5173")).await.unwrap();
    let (status, code, _) = problem(answer).await;
    assert_eq!((status, code.as_str()), (405, "method_not_allowed"));
}

async fn get_compressed(path: &str) -> Response<Body> {
    let request = Request::get(path).header(header::ACCEPT_ENCODING, "gzip");
    send(request.body(Body::empty()).unwrap()).await
}

fn unzipped(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

fn zipped(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_large_answer_is_compressed_on_request() {
    let answer = get_compressed("/large").await;
    assert_eq!(answer.headers()[header::CONTENT_ENCODING], "gzip");
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(bytes.len() < 1000, "{}", bytes.len());
    assert_eq!(unzipped(&bytes), "x".repeat(10_000));
    for plain in [get("/large").await, get_compressed("/health").await, get_compressed("/events").await] {
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING), "{plain:?}");
    }
}

async fn greet_encoded(encoding: &str, body: Vec<u8>) -> Response<Body> {
    let request = Request::post("/greet")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_ENCODING, encoding);
    send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn the_body_limit_counts_decompressed_bytes() {
    let body = br#"{"name":"Ada","age":36}"#;
    assert!(text(greet_encoded("gzip", zipped(body)).await).await.starts_with("Ada "));
    assert!(text(greet_encoded("identity", body.to_vec()).await).await.starts_with("Ada "));

    let bomb = zipped(&vec![b' '; 50 * 1024 * 1024]);
    assert!(bomb.len() < 200_000, "the compressed body must be within the limit");
    let (status, code, _) = problem(greet_encoded("gzip", bomb).await).await;
    assert_eq!((status, code.as_str()), (413, "payload_too_large"));

    for encoding in ["br", "gzip, br", "rot13"] {
        let (status, code, body) = problem(greet_encoded(encoding, body.to_vec()).await).await;
        assert_eq!((status, code.as_str()), (415, "unsupported_encoding"), "{encoding}");
        assert!(body["detail"].as_str().unwrap().contains("gzip"));
    }
    let (status, code, _) = problem(greet_encoded("gzip", body.to_vec()).await).await;
    assert_eq!((status, code.as_str()), (400, "bad_request"), "a body without its declared encoding");
}

#[tokio::test]
async fn two_different_correlation_ids_are_replaced_by_a_new_one() {
    let ask = |ids: [&'static str; 2]| {
        let [one, other] = ids;
        let request =
            Request::get("/health").header(correlation::HEADER, one).header(correlation::HEADER, other);
        send(request.body(Body::empty()).unwrap())
    };
    let of = |answer: Response<Body>| answer.headers()[correlation::HEADER].to_str().unwrap().to_owned();
    assert_eq!(of(ask(["a", "a"]).await), "a");
    let new = of(ask(["a", "b"]).await);
    assert!(new != "a" && new != "b", "{new}");
}

#[tokio::test]
async fn the_root_path_redirects_to_the_documentation() {
    let answer = get("/").await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()[header::LOCATION]),
        (307, &"/api/docs".parse().unwrap())
    );
}

/// Starts a service on a free port until the end of the test.
async fn served(variables: &[(&str, &str)]) -> (SocketAddr, Arc<Notify>) {
    let listener = serve::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (entered, common) = (Arc::new(Notify::new()), common(variables));
    let app = app(Ok(()), entered.clone(), &common);
    tokio::spawn(async move { serve::run(listener, app, std::future::pending(), &common).await });
    (address, entered)
}

/// Reads the connection to its end, which must come within 5 s.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    closed.expect("the connection must be closed").unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_connection_without_a_whole_head_is_closed() {
    let (address, _) = served(&[("HEADER_TIMEOUT", "200ms")]).await;
    for sent in ["", "GET /health HTTP/1.1\r\nhost: x\r\n"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        assert_eq!(rest(&mut stream).await, "", "{sent:?}");
    }
}

#[tokio::test]
async fn a_body_that_stops_arriving_is_408() {
    let (address, _) = served(&[("BODY_TIMEOUT", "200ms")]).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        "POST /greet HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 408 ") && answer.contains(r#""error":"request_body_timeout""#),
        "{answer}"
    );
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_until_another_one_ends() {
    let (address, _) = served(&[("MAX_CONNECTIONS", "1")]).await;
    let first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(300), second.read_exact(&mut byte)).await;
    assert!(early.is_err(), "the first connection uses up the limit");
    drop(first);
    assert!(rest(&mut second).await.contains("200 OK"));
}

/// Collects the log lines of a test.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    async fn with(&self, text: &str) -> String {
        for _ in 0..200 {
            let lines = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            if let Some(line) = lines.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no line with {text:?}");
    }
}

#[tokio::test]
async fn every_request_has_a_log_line_even_if_its_caller_disconnects() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone());
    // The subscriber is local to this thread, which runs all tasks of the test.
    let _logging = tracing::subscriber::set_default(subscriber.finish());
    let (address, entered) = served(&[]).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /double/2 HTTP/1.1\r\nhost: x\r\nx-correlation-id: one\r\n\r\n").await.unwrap();
    let line = lines.with("request completed").await;
    for part in
        [r#""correlation_id":"one""#, r#""route":"/double/{number}""#, r#""status":200"#, r#""method":"GET""#]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\nx-correlation-id: two\r\n\r\n").await.unwrap();
    entered.notified().await;
    drop(stream);
    let line = lines.with("dropped before it was answered").await;
    assert!(line.contains(r#""correlation_id":"two""#) && line.contains(r#""route":"/endless""#), "{line}");
}

#[tokio::test]
async fn the_error_names_a_port_in_use() {
    let occupied = serve::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = occupied.local_addr().unwrap();
    let error = serve::bind(address).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot listen on {address}: ")), "{error}");
}
