//! The stack for calls to sources that may be slow, busy or broken, against a server that is told to be.

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

/// The shortest wait before a second try.
const WAIT: Duration = Duration::from_millis(40);
/// Of one try. Long for a machine that does other things too, and short to wait for.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes.
const LARGEST: usize = 1000;

#[derive(Clone)]
enum Reply {
    Says(Vec<u8>),
    Status(u16),
    /// With this `Retry-After`.
    Busy(u16, String),
    /// Never answers.
    Hangs,
    /// Begins an answer and never ends it.
    Stalls,
    /// Begins an answer and closes the connection.
    Breaks,
    /// Goes on for ever.
    Endless,
}

struct Visit {
    at: Instant,
    correlation_id: Option<String>,
    query: String,
}

#[derive(Default)]
struct Script {
    /// Those to come next; the last one stays.
    replies: VecDeque<Reply>,
    visits: Vec<Visit>,
}

struct Server {
    url: String,
    script: Arc<Mutex<Script>>,
    serving: JoinHandle<()>,
}

impl Server {
    async fn that(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/fact", listener.local_addr().unwrap());
        let script = Script { replies: replies.into_iter().collect(), ..Script::default() };
        let script = Arc::new(Mutex::new(script));
        let app = Router::new().fallback(reply).with_state(script.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, script, serving }
    }

    async fn get(&self, tries: Tries) -> Result<Answer, CallError> {
        caller(tries).get(&self.url, &[("latitude", "48.2")]).await
    }

    fn visits(&self) -> usize {
        self.script.lock().unwrap().visits.len()
    }

    /// How long after the visit before it each one came.
    fn waits(&self) -> Vec<Duration> {
        let script = self.script.lock().unwrap();
        script.visits.windows(2).map(|pair| pair[1].at - pair[0].at).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn reply(State(script): State<Arc<Mutex<Script>>>, request: Request) -> Response {
    let correlation_id = request.headers().get(correlation::HEADER);
    let correlation_id = correlation_id.map(|id| id.to_str().unwrap().to_owned());
    let query = request.uri().query().unwrap_or_default().to_owned();
    let reply = {
        let mut script = script.lock().unwrap();
        script.visits.push(Visit { at: Instant::now(), correlation_id, query });
        if script.replies.len() > 1 { script.replies.pop_front() } else { script.replies.front().cloned() }
    };
    let begun = || stream::once(future::ready(Ok::<_, std::io::Error>(Bytes::from_static(b"{"))));
    match reply.unwrap() {
        Reply::Says(body) => body.into_response(),
        Reply::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Reply::Busy(status, when) => {
            (StatusCode::from_u16(status).unwrap(), [("retry-after", when)]).into_response()
        }
        Reply::Hangs => future::pending().await,
        Reply::Stalls => Body::from_stream(begun().chain(stream::pending())).into_response(),
        Reply::Breaks => {
            let broken = stream::once(future::ready(Err(std::io::Error::other("as the test wants it"))));
            Body::from_stream(begun().chain(broken)).into_response()
        }
        Reply::Endless => {
            let chunk = Bytes::from(vec![b' '; 100]);
            Body::from_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone())))
                .into_response()
        }
    }
}

fn caller(tries: Tries) -> Caller {
    Caller::new(TIMEOUT, tries, LARGEST).unwrap()
}

const THRICE: Tries = Tries::new(3, WAIT);

fn good() -> Reply {
    Reply::Says(b"good".to_vec())
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let transient = [500, 502, 503, 504, 599, 429].map(Reply::Status);
    for reply in transient.into_iter().chain([Reply::Breaks]) {
        let server = Server::that([reply, good()]).await;
        let answer = server.get(THRICE).await.unwrap();
        assert_eq!((answer.body.as_slice(), answer.attempts), (b"good".as_slice(), 2));
        assert_eq!(server.visits(), 2);
    }
}

#[tokio::test]
async fn what_will_not_pass_is_asked_once() {
    for status in [304, 400, 401, 403, 404, 408, 422] {
        let server = Server::that([Reply::Status(status), good()]).await;
        let error = server.get(THRICE).await.unwrap_err();
        assert_eq!((error.failure, error.attempts), (Failure::Status(status), 1));
        assert_eq!(server.visits(), 1);
    }
}

#[tokio::test]
async fn tries_come_to_an_end_with_the_last_failure_and_wait_longer_each_time() {
    let server = Server::that([500, 502, 503].map(Reply::Status)).await;
    let error = server.get(THRICE).await.unwrap_err();
    assert_eq!((error.failure, error.attempts, server.visits()), (Failure::Status(503), 3, 3));
    let waits = server.waits();
    assert!(waits[0] >= WAIT && waits[1] >= WAIT * 2, "{waits:?}");
}

#[tokio::test]
async fn a_caller_that_retries_by_other_means_asks_once() {
    let server = Server::that([Reply::Busy(503, "7".to_owned())]).await;
    let error = server.get(Tries::ONCE).await.unwrap_err();
    assert_eq!((error.failure, error.attempts, server.visits()), (Failure::Status(503), 1, 1));
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn where_nobody_listens_it_is_tried_again_and_said() {
    // Bound and not listening: nobody else gets the port, and nobody answers.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let url = format!("http://{}/", socket.local_addr().unwrap());
    let error = caller(THRICE).get(&url, &[("appid", "secret")]).await.unwrap_err();
    assert_eq!((error.failure, error.attempts), (Failure::Unreachable, 3));
    assert_eq!(error.to_string(), "cannot be reached");
}

#[tokio::test]
async fn retry_after_is_waited_for_in_seconds_and_as_a_date() {
    let seconds = || "1".to_owned();
    let date = || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2));
    for (when, least) in [(seconds as fn() -> String, 1000), (date, 900)] {
        let server = Server::that([Reply::Busy(429, when()), good()]).await;
        assert_eq!(server.get(THRICE).await.unwrap().attempts, 2);
        assert!(server.waits()[0] >= Duration::from_millis(least), "{:?}", server.waits());
    }
}

#[tokio::test]
async fn a_date_that_has_passed_does_not_shorten_the_wait() {
    let past = "Sun, 06 Nov 1994 08:49:37 GMT".to_owned();
    let server = Server::that([Reply::Busy(503, past), good()]).await;
    server.get(THRICE).await.unwrap();
    assert!(server.waits()[0] >= WAIT, "{:?}", server.waits());
}

#[tokio::test]
async fn a_retry_after_beyond_the_deadline_fails_at_once() {
    let server = Server::that([Reply::Busy(429, "3".to_owned())]).await;
    let started = Instant::now();
    let error = Deadline::after(Duration::from_millis(2500)).scope(server.get(THRICE)).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!((error.failure, error.attempts), (Failure::Status(429), 1));
    assert_eq!(error.retry_after, Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn without_a_deadline_nobody_waits_for_ever_either() {
    let server = Server::that([Reply::Busy(429, "11".to_owned())]).await;
    let started = Instant::now();
    assert_eq!(server.get(THRICE).await.unwrap_err().attempts, 1);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn each_try_has_its_own_time_limit() {
    for slow in [Reply::Hangs, Reply::Stalls] {
        let server = Server::that([slow, good()]).await;
        assert_eq!(server.get(THRICE).await.unwrap().attempts, 2);
        assert!(server.waits()[0] >= TIMEOUT + WAIT, "{:?}", server.waits());
    }
}

#[tokio::test]
async fn a_deadline_ends_the_try_in_hand_and_all_further_ones() {
    let server = Server::that([Reply::Hangs]).await;
    let (limit, started) = (Duration::from_millis(200), Instant::now());
    let error = Deadline::after(limit).scope(server.get(THRICE)).await.unwrap_err();
    assert!(started.elapsed() >= limit && started.elapsed() < TIMEOUT, "{:?}", started.elapsed());
    assert_eq!((error.failure, error.attempts, server.visits()), (Failure::Timeout, 1, 1));
}

#[tokio::test]
async fn after_the_deadline_nobody_is_asked() {
    let server = Server::that([good()]).await;
    let error = Deadline::after(Duration::ZERO).scope(server.get(THRICE)).await.unwrap_err();
    assert_eq!((error.failure, error.attempts, server.visits()), (Failure::Timeout, 0, 0));
}

#[tokio::test]
async fn every_try_carries_the_correlation_id_and_the_query() {
    let server = Server::that([Reply::Status(503), good()]).await;
    let id = CorrelationId::parse("correlation-of-a-call").unwrap();
    id.scope(server.get(THRICE)).await.unwrap();
    for visit in &server.script.lock().unwrap().visits {
        assert_eq!(visit.correlation_id.as_deref(), Some("correlation-of-a-call"));
        assert_eq!(visit.query, "latitude=48.2");
    }
}

#[tokio::test]
async fn a_body_may_be_so_large_and_no_larger() {
    let server = Server::that([Reply::Says(vec![b' '; LARGEST])]).await;
    assert_eq!(server.get(THRICE).await.unwrap().body.len(), LARGEST);
    for huge in [Reply::Says(vec![b' '; LARGEST + 1]), Reply::Endless] {
        let server = Server::that([huge]).await;
        let error = server.get(THRICE).await.unwrap_err();
        assert_eq!((error.failure, server.visits()), (Failure::TooLarge(LARGEST), 1));
    }
}

/// A host that there isn't (RFC 2606), so that only a proxy can answer for it.
const NOWHERE: &str = "http://source.invalid/fact";
const ASKED: &str = "KIT_TEST_URL";

/// Runs in a process of its own, since the proxies are named by the environment.
#[tokio::test]
#[ignore = "part of another test"]
async fn asks_for_itself() {
    let Ok(url) = std::env::var(ASKED) else { return };
    let caller = Caller::new(TIMEOUT, Tries::ONCE, LARGEST).unwrap();
    let ours = service_kit::client::build(TIMEOUT).unwrap().get(&url).send().await;
    let source = caller.get(&url, &[]).await;
    println!("source: {}, ours: {}", source.is_ok(), ours.is_ok());
}

/// What a process with this environment gets from an address: as a source, and as one of our services.
async fn asked_with(url: &str, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "asks_for_itself", "--ignored", "--nocapture"]);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"] {
        command.env_remove(name);
    }
    command.env(ASKED, url).envs(environment.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let start = text.find("source: ").unwrap_or_else(|| panic!("{text}"));
    text[start..].lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn a_source_is_asked_through_the_proxy_of_the_environment_and_our_services_are_not() {
    let proxy = Server::that([Reply::Says(b"fact".to_vec())]).await;
    let through = [("HTTP_PROXY", proxy.url.as_str())];
    assert_eq!(asked_with(NOWHERE, &through).await, "source: true, ours: false");
    assert_eq!(proxy.visits(), 1);
    let around = [("HTTP_PROXY", proxy.url.as_str()), ("NO_PROXY", "source.invalid")];
    assert_eq!(asked_with(NOWHERE, &around).await, "source: false, ours: false");
    assert_eq!(asked_with(NOWHERE, &[]).await, "source: false, ours: false");
    assert_eq!(proxy.visits(), 1);
}

#[tokio::test]
async fn a_stand_in_on_this_machine_is_asked_without_a_proxy() {
    let stand_in = Server::that([Reply::Says(b"fact".to_vec())]).await;
    let proxy = Server::that([Reply::Status(502)]).await;
    let through = [("HTTP_PROXY", proxy.url.as_str())];
    assert_eq!(asked_with(&stand_in.url, &through).await, "source: true, ours: true");
    assert_eq!(proxy.visits(), 0);
}
