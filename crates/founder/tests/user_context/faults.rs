//! Tries each failure of each source with each strategy, and checks the nulls, errors and sources of the answer.

use std::time::Duration;

use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::json;
use user_context::stand_in::{Conduct, Source};

use crate::founder::{Answer, STRATEGIES, TestServer};

/// The sources, with their parts and the variables of their addresses.
const SOURCES: [(Source, &str, &str); 3] = [
    (Source::Ipapi, "location", "IPAPI_URL"),
    (Source::OpenMeteo, "weather", "OPEN_METEO_URL"),
    (Source::CatFact, "entertainment", "CATFACT_URL"),
];

/// A behaviour of one source, and the expected result.
struct Fault {
    name: &'static str,
    /// No server listens at the configured address.
    down: bool,
    conducts: Vec<Conduct>,
    /// The error after the name of the part; none if the part is present.
    error: Option<&'static str>,
    attempts: u64,
}

fn faults() -> Vec<Fault> {
    let fault = |name, conducts: &[Conduct], error, attempts| Fault {
        name,
        down: false,
        conducts: conducts.to_vec(),
        error,
        attempts,
    };
    let says = |text: &str| Conduct::Says(text.to_owned());
    let limited = |seconds| Conduct::RateLimited { retry_after: Some(seconds) };
    vec![
        fault("up", &[], None, 1),
        fault("slow", &[Conduct::Late(Duration::from_millis(150))], None, 1),
        fault("unresponsive", &[Conduct::Late(Duration::from_mins(1))], Some("failed: no answer in time"), 3),
        Fault {
            name: "down",
            down: true,
            conducts: vec![],
            error: Some("failed: cannot be reached"),
            attempts: 3,
        },
        fault("failing", &[Conduct::Fails(503)], Some("failed: answered 503"), 3),
        fault("failing once", &[Conduct::Fails(500), Conduct::Answers], None, 2),
        fault("refusing", &[Conduct::Fails(403)], Some("failed: answered 403"), 1),
        fault("busy for a second", &[limited(1), Conduct::Answers], None, 2),
        fault("busy beyond the deadline", &[limited(60)], Some("failed: rate limited"), 1),
        fault("of another shape", &[says(r#"{"cats": []}"#)], Some("failed: unexpected answer: "), 1),
        fault("of broken JSON", &[says(r#"{"ip": "203.0"#)], Some("failed: unexpected answer: EOF"), 1),
        fault(
            "huge",
            &[Conduct::Says(json!("x".repeat(300_000)).to_string())],
            Some("failed: answered more than 262144 bytes"),
            1,
        ),
        fault(
            "refusing with 200",
            &[says(r#"{"error": true, "reason": "Reserved IP Address"}"#)],
            Some("failed: unexpected answer: "),
            1,
        ),
    ]
}

/// Tries all faults of one source with one strategy, one after another.
async fn answers_to_faults(source: Source, url: &str, strategy: &str) -> Vec<(Fault, Answer)> {
    let timeout = ("SOURCE_TIMEOUT", "700ms");
    // No server listens on port 1.
    let unconnected = TestServer::start(&[timeout, (url, "http://127.0.0.1:1")]).await;
    let founder = TestServer::start(&[timeout]).await;
    let mut answers = Vec::new();
    for fault in faults() {
        founder.sources.queue_behaviours(source, fault.conducts.clone());
        let answer = if fault.down { unconnected.ask(strategy).await } else { founder.ask(strategy).await };
        answers.push((fault, answer));
    }
    answers
}

#[tokio::test]
async fn a_failing_source_is_reported_and_the_other_parts_are_returned() {
    let every = SOURCES.into_iter().flat_map(|source| STRATEGIES.map(|strategy| (source, strategy)));
    let answers = join_all(every.map(async |((source, part, url), strategy)| {
        answers_to_faults(source, url, strategy)
            .await
            .into_iter()
            .map(move |(fault, answer)| (part, fault, strategy, answer))
    }))
    .await;
    for (part, fault, strategy, answer) in answers.into_iter().flatten() {
        let case = format!("{part} {}, {strategy}: {answer:#?}", fault.name);
        assert_eq!(answer.status, StatusCode::OK, "{case}");
        assert!(answer.elapsed < Duration::from_secs(8), "{case}");
        let (mut present, mut errors, mut sources) = ([true; 3], Vec::new(), Vec::new());
        for (index, (_, name, _)) in SOURCES.into_iter().enumerate() {
            let no_location = part == "location" && fault.error.is_some() && name == "weather";
            let (error, attempts) = match fault.error {
                _ if no_location => (Some("skipped: location unavailable"), 0),
                error if name == part => (error, fault.attempts),
                _ => (None, 1),
            };
            present[index] = error.is_none();
            errors.extend(error.map(|error| format!("{name} {error}")));
            let status = error.map_or("ok", |error| error.split(':').next().unwrap());
            sources.push((name, status, attempts));
        }
        assert_eq!(answer.present_parts(), present, "{case}");
        assert_eq!(answer.sources(), sources, "{case}");
        assert_eq!(answer.errors().len(), errors.len(), "{case}");
        for (error, expected) in answer.errors().into_iter().zip(errors) {
            assert!(error.starts_with(&expected), "the error must start with {expected}: {case}");
        }
    }
}

#[tokio::test]
async fn a_source_is_not_called_before_its_retry_after() {
    let founder = TestServer::start(&[]).await;
    founder
        .sources
        .queue_behaviours(Source::CatFact, [Conduct::RateLimited { retry_after: Some(1) }, Conduct::Answers]);
    let answer = founder.ask("promise-allsettled").await;
    let requests = founder.sources.visits(Source::CatFact);
    let [first, second] = requests.as_slice() else { panic!("{requests:?}") };
    assert!(second.at - first.at >= Duration::from_secs(1), "the second request came too early");
    assert!(answer.latency("entertainment") >= Duration::from_secs(1), "{answer:?}");
}

#[tokio::test]
async fn an_answer_without_any_part_is_502_with_the_result_of_each_source() {
    for strategy in STRATEGIES {
        let founder = TestServer::start(&[]).await;
        founder.sources.set_behaviour(Source::Ipapi, Conduct::RateLimited { retry_after: Some(60) });
        founder.sources.set_behaviour(Source::CatFact, Conduct::Fails(404));
        let answer =
            founder.request(&format!("/api/v1/user-context?strategy={strategy}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "{strategy}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert_eq!(answer.headers()["retry-after"], "60", "{strategy}");
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(body["error"], "nothing_available");
        assert_eq!(body["retryable"], true);
        assert_eq!(
            body["detail"],
            "Every source failed: location failed: rate limited; weather skipped: location unavailable; \
             entertainment failed: answered 404."
        );
        let ended: Vec<_> = body["sources"].as_array().unwrap().iter().map(|end| &end["status"]).collect();
        assert_eq!(ended, ["failed", "skipped", "failed"]);
    }
}
