//! The three strategies: what is asked when, and what the answer looks like.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use user_context::stand_in::{Conduct, Source};

use crate::founder::{Founder, STRATEGIES};

const LATE: Duration = Duration::from_millis(300);

/// One whose sources answer after 300 ms each.
async fn late() -> Founder {
    let founder = Founder::start(&[]).await;
    for source in [Source::Ipapi, Source::OpenMeteo, Source::CatFact] {
        founder.sources.tell(source, Conduct::Late(LATE));
    }
    founder
}

#[tokio::test]
async fn location_and_cat_fact_overlap_where_all_that_can_be_asked_at_once_is() {
    for strategy in ["promise-allsettled", "rxjs"] {
        let founder = late().await;
        let answer = founder.ask(strategy).await;
        assert_eq!(answer.has(), [true; 3], "{strategy}: {answer:?}");
        let [location, weather, fact] =
            [Source::Ipapi, Source::OpenMeteo, Source::CatFact].map(|source| founder.visit(source).at);
        let apart = fact.max(location) - fact.min(location);
        assert!(apart < LATE, "{strategy}: location and cat fact came {apart:?} apart");
        assert!(weather - location >= LATE, "{strategy}: the weather was asked of an unknown place");
        assert!(answer.took < LATE.mul_f64(2.6), "{strategy}: took {:?}", answer.took);
    }
}

#[tokio::test]
async fn nothing_overlaps_where_one_is_asked_after_another() {
    let founder = late().await;
    let answer = founder.ask("async-sequential").await;
    assert_eq!(answer.has(), [true; 3], "{answer:?}");
    let [location, weather, fact] =
        [Source::Ipapi, Source::OpenMeteo, Source::CatFact].map(|source| founder.visit(source).at);
    assert!(weather - location >= LATE && fact - weather >= LATE, "they overlap");
    assert!(answer.took >= 3 * LATE, "took {:?}", answer.took);
}

#[tokio::test]
async fn every_strategy_gives_the_same_parts_and_says_its_name() {
    let founder = Founder::start(&[]).await;
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
async fn who_names_no_strategy_gets_the_configured_one() {
    let founder = Founder::start(&[("AGGREGATION_STRATEGY", "stream")]).await;
    assert_eq!(founder.get("/api/v1/user-context").await.body["strategyUsed"], "rxjs");
    assert_eq!(founder.ask("").await.body["strategyUsed"], "rxjs");
    assert_eq!(founder.ask("sequential").await.body["strategyUsed"], "async-sequential");
}

#[tokio::test]
async fn a_strategy_may_be_asked_for_by_any_of_its_names_in_any_case() {
    let founder = Founder::start(&[("AGGREGATION_STRATEGY", "Async-Sequential")]).await;
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
async fn an_unknown_strategy_is_refused_with_the_names_of_the_valid_ones_and_asks_nobody() {
    let founder = Founder::start(&[]).await;
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
async fn a_misspelt_parameter_is_refused_and_asks_no_source() {
    let founder = Founder::start(&[]).await;
    let answer = founder.get("/api/v1/user-context?strategi=rxjs").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("strategi") && detail.contains("strategy"), "{detail}");
    assert_eq!(founder.sources.visits(Source::Ipapi), []);
}

#[tokio::test]
async fn the_callers_correlation_id_reaches_every_source() {
    for strategy in STRATEGIES {
        let founder = Founder::start(&[]).await;
        let path = format!("/api/v1/user-context?strategy={strategy}");
        founder.request(&path).header("x-correlation-id", "ada-7").send().await.unwrap();
        for source in [Source::Ipapi, Source::OpenMeteo, Source::CatFact] {
            assert_eq!(founder.visit(source).correlation_id.as_deref(), Some("ada-7"), "{strategy}");
        }
    }
}

#[tokio::test]
async fn with_a_key_the_weather_comes_from_openweathermap_in_the_same_units() {
    let founder = Founder::start(&[("OPENWEATHER_API_KEY", "k3y")]).await;
    let answer = founder.ask("rxjs").await;
    assert_eq!(answer.body["weather"]["description"], "light rain");
    assert_eq!(answer.body["weather"]["temperature"], 4.1);
    assert_eq!(answer.body["weather"]["windSpeed"], 5.0);
    assert_eq!(founder.sources.visits(Source::OpenMeteo), []);
}

#[tokio::test]
async fn the_parts_are_counted() {
    let founder = Founder::start(&[]).await;
    founder.sources.tell(Source::Ipapi, Conduct::Fails(404));
    founder.ask("rxjs").await;
    let text = founder.request("/metrics").send().await.unwrap().text().await.unwrap();
    for (part, status) in [("location", "failed"), ("weather", "skipped"), ("entertainment", "ok")] {
        let line = format!("user_context_parts_total{{part=\"{part}\",status=\"{status}\"}} 1");
        assert!(text.contains(&line), "{line} is not in {text}");
    }
}
