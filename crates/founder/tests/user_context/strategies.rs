//! Tests the three strategies: the order of the calls, and the answers.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use user_context::stand_in::{Conduct, Source};

use crate::founder::{STRATEGIES, TestServer};

const DELAY: Duration = Duration::from_millis(300);

/// Starts a founder whose sources answer after 300 ms each.
async fn with_delayed_sources() -> TestServer {
    let founder = TestServer::start(&[]).await;
    for source in [Source::Ipapi, Source::OpenMeteo, Source::CatFact] {
        founder.sources.set_behaviour(source, Conduct::Late(DELAY));
    }
    founder
}

#[tokio::test]
async fn calls_for_location_and_cat_fact_overlap_except_in_the_sequential_strategy() {
    for strategy in ["promise-allsettled", "rxjs"] {
        let founder = with_delayed_sources().await;
        let answer = founder.ask(strategy).await;
        assert_eq!(answer.present_parts(), [true; 3], "{strategy}: {answer:?}");
        let [location, weather, fact] =
            [Source::Ipapi, Source::OpenMeteo, Source::CatFact].map(|source| founder.only_request(source).at);
        let apart = fact.max(location) - fact.min(location);
        assert!(apart < DELAY, "{strategy}: location and cat fact were requested {apart:?} apart");
        assert!(
            weather - location >= DELAY,
            "{strategy}: the weather was fetched before the location was known"
        );
        assert!(answer.elapsed < DELAY.mul_f64(2.6), "{strategy}: took {:?}", answer.elapsed);
    }
}

#[tokio::test]
async fn no_calls_overlap_in_the_sequential_strategy() {
    let founder = with_delayed_sources().await;
    let answer = founder.ask("async-sequential").await;
    assert_eq!(answer.present_parts(), [true; 3], "{answer:?}");
    let [location, weather, fact] =
        [Source::Ipapi, Source::OpenMeteo, Source::CatFact].map(|source| founder.only_request(source).at);
    assert!(weather - location >= DELAY && fact - weather >= DELAY, "the calls overlap");
    assert!(answer.elapsed >= 3 * DELAY, "took {:?}", answer.elapsed);
}

#[tokio::test]
async fn every_strategy_returns_the_same_parts_and_its_name() {
    let founder = TestServer::start(&[]).await;
    for strategy in STRATEGIES {
        let answer = founder.ask(strategy).await;
        assert_eq!(answer.status, StatusCode::OK);
        let mut body = answer.body.clone();
        let members = body.as_object_mut().unwrap();
        assert!(members.remove("aggregatedAt").unwrap().as_str().unwrap().ends_with('Z'));
        assert!(members.remove("processingTimeMs").unwrap().is_u64());
        for source in members["sources"].as_array_mut().unwrap() {
            assert!(source.as_object_mut().unwrap().remove("latencyMs").unwrap().is_u64());
        }
        let ok = |name: &str| json!({ "name": name, "status": "ok", "attempts": 1 });
        assert_eq!(
            body,
            json!({
                "location": {
                    "ip": "203.0.113.7", "city": "Vienna", "region": "Vienna", "country": "AT",
                    "latitude": 48.2085, "longitude": 16.3721, "timezone": "Europe/Vienna"
                },
                "weather": {
                    "description": "slight rain", "temperature": 4.1, "feelsLike": -0.3, "humidity": 81,
                    "windSpeed": 5.0
                },
                "entertainment": {
                    "catFact": "A cat can turn each of its ears by itself, and half around.",
                    "source": "catfact.ninja"
                },
                "catFact": {
                    "fact": "A cat can turn each of its ears by itself, and half around.",
                    "source": "catfact.ninja"
                },
                "strategyUsed": strategy,
                "errors": [],
                "sources": [ok("location"), ok("weather"), ok("entertainment")]
            })
        );
    }
}

#[tokio::test]
async fn without_a_strategy_the_configured_one_is_used() {
    let founder = TestServer::start(&[("AGGREGATION_STRATEGY", "stream")]).await;
    assert_eq!(founder.get("/api/v1/user-context").await.body["strategyUsed"], "rxjs");
    assert_eq!(founder.ask("").await.body["strategyUsed"], "rxjs");
    assert_eq!(founder.ask("sequential").await.body["strategyUsed"], "async-sequential");
}

#[tokio::test]
async fn a_request_may_use_either_name_of_a_strategy_in_any_case() {
    let founder = TestServer::start(&[("AGGREGATION_STRATEGY", "Async-Sequential")]).await;
    assert_eq!(founder.get("/api/v1/user-context").await.body["strategyUsed"], "async-sequential");
    for (name, used) in [
        ("parallel", "promise-allsettled"),
        ("Promise-AllSettled", "promise-allsettled"),
        ("SEQUENTIAL", "async-sequential"),
        ("RxJS", "rxjs"),
        ("Stream", "rxjs"),
    ] {
        let answer = founder.ask(name).await;
        assert_eq!((answer.status, &answer.body["strategyUsed"]), (StatusCode::OK, &json!(used)), "{name}");
    }
}

#[tokio::test]
async fn an_unknown_strategy_is_refused_with_the_valid_names_and_without_a_call() {
    let founder = TestServer::start(&[]).await;
    let answer = founder.ask("zip").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.body["error"], "unknown_strategy");
    assert_eq!(answer.body["strategies"], json!(STRATEGIES));
    let detail = answer.body["detail"].as_str().unwrap();
    let names = STRATEGIES.into_iter().chain(["parallel", "sequential", "stream"]);
    assert_eq!(
        names.filter(|name| !detail.contains(name)).collect::<Vec<_>>(),
        Vec::<&str>::new(),
        "{detail}"
    );
    assert_eq!(founder.sources.visits(Source::Ipapi), []);
    let twice = founder.get("/api/v1/user-context?strategy=rxjs&strategy=stream").await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST, "{twice:?}");
}

#[tokio::test]
async fn a_misspelt_parameter_is_refused_without_a_call() {
    let founder = TestServer::start(&[]).await;
    let answer = founder.get("/api/v1/user-context?strategi=rxjs").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("strategi") && detail.contains("strategy"), "{detail}");
    assert_eq!(founder.sources.visits(Source::Ipapi), []);
}

#[tokio::test]
async fn every_source_receives_the_correlation_id_of_the_caller() {
    for strategy in STRATEGIES {
        let founder = TestServer::start(&[]).await;
        let path = format!("/api/v1/user-context?strategy={strategy}");
        founder.request(&path).header("x-correlation-id", "ada-7").send().await.unwrap();
        for source in [Source::Ipapi, Source::OpenMeteo, Source::CatFact] {
            assert_eq!(founder.only_request(source).correlation_id.as_deref(), Some("ada-7"), "{strategy}");
        }
    }
}

#[tokio::test]
async fn with_a_key_the_weather_comes_from_openweathermap_in_the_same_units() {
    let founder = TestServer::start(&[("OPENWEATHER_API_KEY", "k3y")]).await;
    let answer = founder.ask("rxjs").await;
    assert_eq!(answer.body["weather"]["description"], "light rain");
    assert_eq!(answer.body["weather"]["temperature"], 4.1);
    assert_eq!(answer.body["weather"]["windSpeed"], 5.0);
    assert_eq!(founder.sources.visits(Source::OpenMeteo), []);
}

#[tokio::test]
async fn the_parts_are_counted() {
    let founder = TestServer::start(&[]).await;
    founder.sources.set_behaviour(Source::Ipapi, Conduct::Fails(404));
    founder.ask("rxjs").await;
    let text = founder.request("/metrics").send().await.unwrap().text().await.unwrap();
    for (part, status) in [("location", "failed"), ("weather", "skipped"), ("entertainment", "ok")] {
        let line = format!("user_context_parts_total{{part=\"{part}\",status=\"{status}\"}} 1");
        assert!(text.contains(&line), "{line} is not in {text}");
    }
}
