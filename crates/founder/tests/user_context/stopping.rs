//! Stops the real process while a client reads the stream.

use std::{process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};
use user_context::stand_in::{Conduct, Source, StandIn};

/// Longer than every time limit of the test.
const LONG: &str = "1m";
/// Allows for a busy machine.
const SOON: Duration = Duration::from_secs(10);

struct Process {
    child: Child,
    log: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Process {
    async fn start(sources: &StandIn) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_founder"));
        for name in ["IPAPI_URL", "OPEN_METEO_URL", "CATFACT_URL"] {
            command.env(name, sources.url());
        }
        for name in ["SHUTDOWN_GRACE", "SOURCE_TIMEOUT", "USER_CONTEXT_DEADLINE"] {
            command.env(name, LONG);
        }
        command.env("LISTEN_ADDR", "127.0.0.1:0").env("LOG_FORMAT", "json").env("RUST_LOG", "info");
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut process =
            Self { log: BufReader::new(child.stdout.take().unwrap()).lines(), child, url: String::new() };
        let line = process.logged("listening").await;
        process.url = format!("http://{}", line["address"].as_str().unwrap());
        process
    }

    /// Returns the first log line from here on that has this message.
    async fn logged(&mut self, message: &str) -> Value {
        let line = async {
            loop {
                let line = self.log.next_line().await.unwrap().expect("the process ended");
                let line: Value = serde_json::from_str(&line).unwrap();
                if line["message"] == message {
                    break line;
                }
            }
        };
        timeout(SOON, line).await.unwrap_or_else(|_| panic!("no log line has {message:?}"))
    }

    fn stop(&self) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    }
}

#[tokio::test]
async fn a_stream_ends_at_once_when_the_process_stops() {
    let sources = StandIn::start().await.unwrap();
    sources.set_behaviour(Source::Ipapi, Conduct::Late(Duration::from_mins(1)));
    let mut founder = Process::start(&sources).await;
    let http = service_kit::client::build(Duration::from_mins(2)).unwrap();
    let url = format!("{}/api/v1/user-context/stream", founder.url);
    let mut stream = http.get(url).send().await.unwrap();
    let first = stream.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"event: entertainment"), "{first:?}");

    founder.stop();
    let rest = timeout(SOON, async {
        let mut rest = Vec::new();
        while let Some(chunk) = stream.chunk().await.unwrap() {
            rest.extend_from_slice(&chunk);
        }
        String::from_utf8(rest).unwrap()
    });
    let rest = rest.await.expect("the stream must end");
    assert!(!rest.contains("event: done"), "an incomplete stream must not send done: {rest}");
    let ended =
        timeout(SOON, founder.child.wait()).await.expect("the process must end before its grace").unwrap();
    assert!(ended.success(), "{ended}");
}
