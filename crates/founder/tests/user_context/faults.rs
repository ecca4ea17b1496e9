//! Every way a source can fail, in every strategy: exactly the right nulls, errors and sources.

use std::time::Duration;

use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::json;
use user_context::stand_in::{Conduct, Source};

use crate::founder::{Answer, Founder, STRATEGIES};

/// The sources, with the parts they are asked for and the variables that say where they are.
const SOURCES: [(Source, &str, &str); 3] = [
    (Source::Ipapi, "location", "IPAPI_URL"),
    (Source::OpenMeteo, "weather", "OPEN_METEO_URL"),
    (Source::CatFact, "entertainment", "CATFACT_URL"),
];

/// What befalls a source, and what comes of it.
struct Fault {
    name: &'static str,
    /// Nobody listens where it is said to be.
    down: bool,
    conducts: Vec<Conduct>,
    /// How the error goes on after the part's name; none where the part is there.
    error: Option<&'static str>,
    attempts: u64,
}

fn faults() -> Vec<Fault> {
    let told = |name, conducts: &[Conduct], error, attempts| Fault {
        name,
        down: false,
        conducts: conducts.to_vec(),
        error,
        attempts,
    };
    let says = |text: &str| Conduct::Says(text.to_owned());
    let limited = |seconds| Conduct::RateLimited { retry_after: Some(seconds) };
    vec![
        told("up", &[], None, 1),
        told("slow", &[Conduct::Late(Duration::from_millis(150))], None, 1),
        told("asleep", &[Conduct::Late(Duration::from_mins(1))], Some("failed: no answer in time"), 3),
        Fault {
            name: "down",
            down: true,
            conducts: vec![],
            error: Some("failed: cannot be reached"),
            attempts: 3,
        },
        told("failing", &[Conduct::Fails(503)], Some("failed: answered 503"), 3),
        told("failing once", &[Conduct::Fails(500), Conduct::Answers], None, 2),
        told("refusing", &[Conduct::Fails(403)], Some("failed: answered 403"), 1),
        told("busy for a second", &[limited(1), Conduct::Answers], None, 2),
        told("busy beyond the deadline", &[limited(60)], Some("failed: rate limited"), 1),
        told("of another shape", &[says(r#"{"cats": []}"#)], Some("failed: unexpected answer: "), 1),
        told("of broken JSON", &[says(r#"{"ip": "203.0"#)], Some("failed: unexpected answer: EOF"), 1),
        told(
            "huge",
            &[Conduct::Says(json!("x".repeat(300_000)).to_string())],
            Some("failed: answered more than 262144 bytes"),
            1,
        ),
        told(
            "refusing with 200",
            &[says(r#"{"error": true, "reason": "Reserved IP Address"}"#)],
            Some("failed: unexpected answer: "),
            1,
        ),
    ]
}

/// Every fault of one source in one strategy, one after the other.
async fn meet(source: Source, url: &str, strategy: &str) -> Vec<(Fault, Answer)> {
    let patience = ("SOURCE_TIMEOUT", "700ms");
    // Port 1 is nobody's.
    let misled = Founder::start(&[patience, (url, "http://127.0.0.1:1")]).await;
    let founder = Founder::start(&[patience]).await;
    let mut met = Vec::new();
    for fault in faults() {
        founder.sources.queue_behaviours(source, fault.conducts.clone());
        let answer = if fault.down { misled.ask(strategy).await } else { founder.ask(strategy).await };
        met.push((fault, answer));
    }
    met
}

#[tokio::test]
async fn whatever_one_source_does_the_others_parts_are_there_and_its_own_is_told_of() {
    let every = SOURCES.into_iter().flat_map(|source| STRATEGIES.map(|strategy| (source, strategy)));
    let met = join_all(every.map(async |((source, part, url), strategy)| {
        meet(source, url, strategy)
            .await
            .into_iter()
            .map(move |(fault, answer)| (part, fault, strategy, answer))
    }))
    .await;
    for (part, fault, strategy, answer) in met.into_iter().flatten() {
        let case = format!("{part} {}, {strategy}: {answer:#?}", fault.name);
        assert_eq!(answer.status, StatusCode::OK, "{case}");
        assert!(answer.took < Duration::from_secs(8), "{case}");
        let (mut has, mut errors, mut sources) = ([true; 3], Vec::new(), Vec::new());
        for (index, (_, name, _)) in SOURCES.into_iter().enumerate() {
            let no_place = part == "location" && fault.error.is_some() && name == "weather";
            let (error, attempts) = match fault.error {
                _ if no_place => (Some("skipped: location unavailable"), 0),
                error if name == part => (error, fault.attempts),
                _ => (None, 1),
            };
            has[index] = error.is_none();
            errors.extend(error.map(|error| format!("{name} {error}")));
            let status = error.map_or("ok", |error| error.split(':').next().unwrap());
            sources.push((name, status, attempts));
        }
        assert_eq!(answer.has(), has, "{case}");
        assert_eq!(answer.sources(), sources, "{case}");
        assert_eq!(answer.errors().len(), errors.len(), "{case}");
        for (error, expected) in answer.errors().into_iter().zip(errors) {
            assert!(error.starts_with(&expected), "{expected} is not what it says: {case}");
        }
    }
}

#[tokio::test]
async fn a_source_that_says_when_to_come_again_is_left_alone_until_then() {
    let founder = Founder::start(&[]).await;
    founder
        .sources
        .queue_behaviours(Source::CatFact, [Conduct::RateLimited { retry_after: Some(1) }, Conduct::Answers]);
    let answer = founder.ask("promise-allsettled").await;
    let visits = founder.sources.visits(Source::CatFact);
    let [first, second] = visits.as_slice() else { panic!("{visits:?}") };
    assert!(second.at - first.at >= Duration::from_secs(1), "it came again too soon");
    assert!(answer.latency("entertainment") >= Duration::from_secs(1), "{answer:?}");
}

#[tokio::test]
async fn where_no_source_gives_anything_it_is_502_which_says_how_each_ended() {
    for strategy in STRATEGIES {
        let founder = Founder::start(&[]).await;
        founder.sources.tell(Source::Ipapi, Conduct::RateLimited { retry_after: Some(60) });
        founder.sources.tell(Source::CatFact, Conduct::Fails(404));
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
            "No source gave anything: location failed: rate limited; weather skipped: location unavailable; \
             entertainment failed: answered 404."
        );
        let ended: Vec<_> = body["sources"].as_array().unwrap().iter().map(|end| &end["status"]).collect();
        assert_eq!(ended, ["failed", "skipped", "failed"]);
    }
}
