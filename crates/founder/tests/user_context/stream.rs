//! Tests the stream of parts.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use user_context::stand_in::{Conduct, Source};

use crate::founder::TestServer;

/// Reads server-sent events as they arrive.
struct Events {
    answer: Response,
    text: String,
    last_id: Option<String>,
}

impl Events {
    /// Returns the id of the last event read so far, as an `EventSource` would keep it.
    fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    async fn open(founder: &TestServer) -> Self {
        let request = founder.request("/api/v1/user-context/stream").header("x-correlation-id", "ada-8");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { answer, text: String::new(), last_id: None }
    }

    /// Returns name and data of the next event, or none at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                let read = field("event: ")
                    .map(|name| (name.to_owned(), serde_json::from_str(field("data: ").unwrap()).unwrap()));
                if let Some(id) = field("id: ") {
                    self.last_id = Some(id.to_owned());
                }
                self.text = rest.to_string();
                if read.is_some() {
                    return read;
                }
            } else {
                let chunk = self.answer.chunk().await.unwrap()?;
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        }
    }

    async fn rest(&mut self) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

#[tokio::test]
async fn each_part_is_sent_when_it_arrives_and_done_has_them_all() {
    let founder = TestServer::start(&[]).await;
    founder.sources.set_behaviour(Source::Ipapi, Conduct::Late(Duration::from_millis(400)));
    let mut events = Events::open(&founder).await;
    let (name, fact) = events.next().await.unwrap();
    assert_eq!(founder.sources.visits(Source::OpenMeteo), [], "the first part waited for the location");
    assert_eq!(name, "entertainment");
    assert_eq!(
        (&fact["name"], &fact["status"], &fact["error"]),
        (&json!("entertainment"), &json!("ok"), &Value::Null)
    );
    let rest = events.rest().await;
    let names: Vec<_> = rest.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["location", "weather", "done"]);
    let done = &rest[2].1;
    assert_eq!(done["entertainment"], fact["value"]);
    assert_eq!(done["location"], rest[0].1["value"]);
    assert_eq!(done["weather"], rest[1].1["value"]);
    assert_eq!((&done["strategyUsed"], &done["errors"]), (&json!("rxjs"), &json!([])));
}

#[tokio::test]
async fn a_missing_part_is_sent_with_its_reason_and_the_stream_ends_without_any_part() {
    let founder = TestServer::start(&[]).await;
    founder.sources.set_behaviour(Source::Ipapi, Conduct::Says("[]".to_owned()));
    founder.sources.set_behaviour(Source::CatFact, Conduct::Fails(404));
    let events = Events::open(&founder).await.rest().await;
    let of = |wanted: &str| &events.iter().find(|(name, _)| name == wanted).unwrap().1;
    assert_eq!(events.len(), 4, "{events:?}");
    assert_eq!(of("weather")["status"], "skipped");
    assert_eq!(of("weather")["error"], "weather skipped: location unavailable");
    assert_eq!(of("entertainment")["error"], "entertainment failed: answered 404");
    assert_eq!(of("done")["location"], Value::Null);
    assert_eq!(of("done")["errors"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn the_stream_keeps_the_deadline_and_the_correlation_id() {
    let founder = TestServer::start(&[("USER_CONTEXT_DEADLINE", "300ms"), ("SOURCE_TIMEOUT", "1m")]).await;
    founder.sources.set_behaviour(Source::OpenMeteo, Conduct::Late(Duration::from_mins(1)));
    let events = Events::open(&founder).await.rest().await;
    let (name, done) = events.last().unwrap();
    assert_eq!(name, "done");
    assert_eq!(done["errors"], json!(["weather failed: no answer in time"]));
    assert!(done["processingTimeMs"].as_u64().unwrap() < 1000, "{done}");
    for source in [Source::Ipapi, Source::OpenMeteo, Source::CatFact] {
        assert_eq!(founder.only_request(source).correlation_id.as_deref(), Some("ada-8"));
    }
}

#[tokio::test]
async fn a_reconnect_after_done_is_204_without_a_call() {
    let founder = TestServer::start(&[]).await;
    let mut events = Events::open(&founder).await;
    events.rest().await;
    let last = events.last_id().expect("done has an id").to_owned();
    let again =
        founder.request("/api/v1/user-context/stream").header("last-event-id", last).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NO_CONTENT);
    assert_eq!(again.bytes().await.unwrap(), "");
    founder.only_request(Source::CatFact);
}

#[tokio::test]
async fn a_reconnect_before_done_receives_every_part_again() {
    let founder = TestServer::start(&[]).await;
    let mut events = Events::open(&founder).await;
    events.next().await.unwrap();
    let last = events.last_id().expect("a part has an id").to_owned();
    for last in [last.as_str(), "", "unknown id"] {
        let again = founder.request("/api/v1/user-context/stream").header("last-event-id", last);
        let text = again.send().await.unwrap().text().await.unwrap();
        let named = |name: &str| text.contains(&format!("event: {name}\n"));
        assert!(["location", "weather", "entertainment", "done"].into_iter().all(named), "{last:?}: {text}");
    }
}
