//! The retrying client, against a local server with scripted replies.

#![allow(clippy::disallowed_methods, reason = "test code may wait, draw and read the environment")]

use std::{
    collections::VecDeque,
    future,
    net::Ipv4Addr,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use service_kit::{
    client::{Answer, CallError, Caller, Deadline, Failure, Tries},
    correlation::{self, CorrelationId},
};
use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinHandle,
};

/// The shortest delay before the second attempt.
const INITIAL_DELAY: Duration = Duration::from_millis(40);
/// The time limit of one attempt: long enough for a busy machine, and short enough for a test.
const TIMEOUT: Duration = Duration::from_secs(1);
const MAX_BODY_BYTES: usize = 1000;

#[derive(Clone)]
enum Reply {
    Body(Vec<u8>),
    Status(u16),
    /// Answers with this status and this `Retry-After`.
    RetryLater(u16, String),
    /// Never answers.
    NeverAnswers,
    /// Starts an answer and never ends it.
    StopsMidBody,
    /// Starts an answer and closes the connection.
    Resets,
    /// Sends a body without an end.
    UnboundedBody,
}

struct RecordedRequest {
    at: Instant,
    correlation_id: Option<String>,
    query: String,
}

#[derive(Default)]
struct ScriptedReplies {
    /// The next replies; the last one repeats.
    replies: VecDeque<Reply>,
    requests: Vec<RecordedRequest>,
}

struct Server {
    url: String,
    script: Arc<Mutex<ScriptedReplies>>,
    serving: JoinHandle<()>,
}

impl Server {
    async fn with_replies(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/fact", listener.local_addr().unwrap());
        let script = ScriptedReplies { replies: replies.into_iter().collect(), ..ScriptedReplies::default() };
        let script = Arc::new(Mutex::new(script));
        let app = Router::new().fallback(reply).with_state(script.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, script, serving }
    }

    async fn get(&self, tries: Tries) -> Result<Answer, CallError> {
        caller(tries).get(&self.url, &[("latitude", "48.2")]).await
    }

    fn requests(&self) -> usize {
        self.script.lock().unwrap().requests.len()
    }

    /// Returns the pause before each request except the first.
    fn delays(&self) -> Vec<Duration> {
        let script = self.script.lock().unwrap();
        script.requests.windows(2).map(|pair| pair[1].at - pair[0].at).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn reply(State(script): State<Arc<Mutex<ScriptedReplies>>>, request: Request) -> Response {
    let correlation_id = request.headers().get(correlation::HEADER);
    let correlation_id = correlation_id.map(|id| id.to_str().unwrap().to_owned());
    let query = request.uri().query().unwrap_or_default().to_owned();
    let reply = {
        let mut script = script.lock().unwrap();
        script.requests.push(RecordedRequest { at: Instant::now(), correlation_id, query });
        if script.replies.len() > 1 { script.replies.pop_front() } else { script.replies.front().cloned() }
    };
    let body_start = || stream::once(future::ready(Ok::<_, std::io::Error>(Bytes::from_static(b"{"))));
    match reply.unwrap() {
        Reply::Body(body) => body.into_response(),
        Reply::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Reply::RetryLater(status, when) => {
            (StatusCode::from_u16(status).unwrap(), [("retry-after", when)]).into_response()
        }
        Reply::NeverAnswers => future::pending().await,
        Reply::StopsMidBody => Body::from_stream(body_start().chain(stream::pending())).into_response(),
        Reply::Resets => {
            let broken = stream::once(future::ready(Err(std::io::Error::other("deliberate error"))));
            Body::from_stream(body_start().chain(broken)).into_response()
        }
        Reply::UnboundedBody => {
            let chunk = Bytes::from(vec![b' '; 100]);
            Body::from_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone())))
                .into_response()
        }
    }
}

fn caller(tries: Tries) -> Caller {
    Caller::new(TIMEOUT, tries, MAX_BODY_BYTES).unwrap()
}

const THREE_ATTEMPTS: Tries = Tries::new(3, INITIAL_DELAY);

fn good() -> Reply {
    Reply::Body(b"good".to_vec())
}

#[tokio::test]
async fn a_transient_failure_is_retried() {
    let transient = [500, 502, 503, 504, 599, 429].map(Reply::Status);
    for reply in transient.into_iter().chain([Reply::Resets]) {
        let server = Server::with_replies([reply, good()]).await;
        let answer = server.get(THREE_ATTEMPTS).await.unwrap();
        assert_eq!((answer.body.as_slice(), answer.attempts), (b"good".as_slice(), 2));
        assert_eq!(server.requests(), 2);
    }
}

#[tokio::test]
async fn a_permanent_failure_is_not_retried() {
    for status in [304, 400, 401, 403, 404, 408, 422] {
        let server = Server::with_replies([Reply::Status(status), good()]).await;
        let error = server.get(THREE_ATTEMPTS).await.unwrap_err();
        assert_eq!((error.failure, error.attempts), (Failure::Status(status), 1));
        assert_eq!(server.requests(), 1);
    }
}

#[tokio::test]
async fn the_last_failure_is_returned_and_delays_grow() {
    let server = Server::with_replies([500, 502, 503].map(Reply::Status)).await;
    let error = server.get(THREE_ATTEMPTS).await.unwrap_err();
    assert_eq!((error.failure, error.attempts, server.requests()), (Failure::Status(503), 3, 3));
    let delays = server.delays();
    assert!(delays[0] >= INITIAL_DELAY && delays[1] >= INITIAL_DELAY * 2, "{delays:?}");
}

#[tokio::test]
async fn a_call_without_retries_has_one_attempt() {
    let server = Server::with_replies([Reply::RetryLater(503, "7".to_owned())]).await;
    let error = server.get(Tries::ONCE).await.unwrap_err();
    assert_eq!((error.failure, error.attempts, server.requests()), (Failure::Status(503), 1, 1));
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_refused_connection_is_retried_and_reported() {
    // The port is bound but doesn't listen, so no other process can answer there.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let url = format!("http://{}/", socket.local_addr().unwrap());
    let error = caller(THREE_ATTEMPTS).get(&url, &[("appid", "secret")]).await.unwrap_err();
    assert_eq!((error.failure, error.attempts), (Failure::Unreachable, 3));
    assert_eq!(error.to_string(), "cannot be reached");
}

#[tokio::test]
async fn retry_after_in_seconds_or_as_a_date_delays_the_retry() {
    let seconds = || "1".to_owned();
    let date = || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2));
    for (when, least) in [(seconds as fn() -> String, 1000), (date, 900)] {
        let server = Server::with_replies([Reply::RetryLater(429, when()), good()]).await;
        assert_eq!(server.get(THREE_ATTEMPTS).await.unwrap().attempts, 2);
        assert!(server.delays()[0] >= Duration::from_millis(least), "{:?}", server.delays());
    }
}

#[tokio::test]
async fn a_date_in_the_past_does_not_shorten_the_delay() {
    let past = "Sun, 06 Nov 1994 08:49:37 GMT".to_owned();
    let server = Server::with_replies([Reply::RetryLater(503, past), good()]).await;
    server.get(THREE_ATTEMPTS).await.unwrap();
    assert!(server.delays()[0] >= INITIAL_DELAY, "{:?}", server.delays());
}

#[tokio::test]
async fn a_retry_after_beyond_the_deadline_fails_at_once() {
    let server = Server::with_replies([Reply::RetryLater(429, "3".to_owned())]).await;
    let started = Instant::now();
    let error =
        Deadline::after(Duration::from_millis(2500)).scope(server.get(THREE_ATTEMPTS)).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!((error.failure, error.attempts), (Failure::Status(429), 1));
    assert_eq!(error.retry_after, Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn a_retry_after_beyond_the_maximum_delay_fails_at_once() {
    let server = Server::with_replies([Reply::RetryLater(429, "11".to_owned())]).await;
    let started = Instant::now();
    assert_eq!(server.get(THREE_ATTEMPTS).await.unwrap_err().attempts, 1);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn each_attempt_has_its_own_time_limit() {
    for slow in [Reply::NeverAnswers, Reply::StopsMidBody] {
        let server = Server::with_replies([slow, good()]).await;
        assert_eq!(server.get(THREE_ATTEMPTS).await.unwrap().attempts, 2);
        assert!(server.delays()[0] >= TIMEOUT + INITIAL_DELAY, "{:?}", server.delays());
    }
}

#[tokio::test]
async fn a_deadline_ends_the_current_attempt_and_all_retries() {
    let server = Server::with_replies([Reply::NeverAnswers]).await;
    let (limit, started) = (Duration::from_millis(200), Instant::now());
    let error = Deadline::after(limit).scope(server.get(THREE_ATTEMPTS)).await.unwrap_err();
    assert!(started.elapsed() >= limit && started.elapsed() < TIMEOUT, "{:?}", started.elapsed());
    assert_eq!((error.failure, error.attempts, server.requests()), (Failure::Timeout, 1, 1));
}

#[tokio::test]
async fn no_request_is_sent_after_the_deadline() {
    let server = Server::with_replies([good()]).await;
    let error = Deadline::after(Duration::ZERO).scope(server.get(THREE_ATTEMPTS)).await.unwrap_err();
    assert_eq!((error.failure, error.attempts, server.requests()), (Failure::Timeout, 0, 0));
}

#[tokio::test]
async fn every_attempt_sends_the_correlation_id_and_the_query() {
    let server = Server::with_replies([Reply::Status(503), good()]).await;
    let id = CorrelationId::parse("correlation-of-a-call").unwrap();
    id.scope(server.get(THREE_ATTEMPTS)).await.unwrap();
    for request in &server.script.lock().unwrap().requests {
        assert_eq!(request.correlation_id.as_deref(), Some("correlation-of-a-call"));
        assert_eq!(request.query, "latitude=48.2");
    }
}

#[tokio::test]
async fn a_body_may_reach_the_limit_but_not_exceed_it() {
    let server = Server::with_replies([Reply::Body(vec![b' '; MAX_BODY_BYTES])]).await;
    assert_eq!(server.get(THREE_ATTEMPTS).await.unwrap().body.len(), MAX_BODY_BYTES);
    for huge in [Reply::Body(vec![b' '; MAX_BODY_BYTES + 1]), Reply::UnboundedBody] {
        let server = Server::with_replies([huge]).await;
        let error = server.get(THREE_ATTEMPTS).await.unwrap_err();
        assert_eq!((error.failure, server.requests()), (Failure::TooLarge(MAX_BODY_BYTES), 1));
    }
}

/// A host that never exists (RFC 2606), so that only a proxy can answer for it.
const UNKNOWN_HOST_URL: &str = "http://source.invalid/fact";
const URL_VARIABLE: &str = "KIT_TEST_URL";

/// Runs in its own process, since the environment configures the proxies.
#[tokio::test]
#[ignore = "runs as a child process of other tests"]
async fn a_child_process_sends_both_calls() {
    let Ok(url) = std::env::var(URL_VARIABLE) else { return };
    let caller = Caller::new(TIMEOUT, Tries::ONCE, MAX_BODY_BYTES).unwrap();
    let ours = service_kit::client::build(TIMEOUT).unwrap().get(&url).send().await;
    let source = caller.get(&url, &[]).await;
    println!("source: {}, ours: {}", source.is_ok(), ours.is_ok());
}

/// Calls an address from a process with this environment: once as a source, and once as one of our services.
async fn call_from_child(url: &str, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "a_child_process_sends_both_calls", "--ignored", "--nocapture"]);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"] {
        command.env_remove(name);
    }
    command.env(URL_VARIABLE, url).envs(environment.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let start = text.find("source: ").unwrap_or_else(|| panic!("{text}"));
    text[start..].lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn calls_to_sources_use_the_proxy_of_the_environment_and_calls_to_our_services_do_not() {
    let proxy = Server::with_replies([Reply::Body(b"fact".to_vec())]).await;
    let through = [("HTTP_PROXY", proxy.url.as_str())];
    assert_eq!(call_from_child(UNKNOWN_HOST_URL, &through).await, "source: true, ours: false");
    assert_eq!(proxy.requests(), 1);
    let around = [("HTTP_PROXY", proxy.url.as_str()), ("NO_PROXY", "source.invalid")];
    assert_eq!(call_from_child(UNKNOWN_HOST_URL, &around).await, "source: false, ours: false");
    assert_eq!(call_from_child(UNKNOWN_HOST_URL, &[]).await, "source: false, ours: false");
    assert_eq!(proxy.requests(), 1);
}

#[tokio::test]
async fn calls_to_a_local_server_use_no_proxy() {
    let local = Server::with_replies([Reply::Body(b"fact".to_vec())]).await;
    let proxy = Server::with_replies([Reply::Status(502)]).await;
    let through = [("HTTP_PROXY", proxy.url.as_str())];
    assert_eq!(call_from_child(&local.url, &through).await, "source: true, ours: true");
    assert_eq!(proxy.requests(), 0);
}
