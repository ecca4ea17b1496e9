//! Tests user contexts: the order of the source calls, and the results when a source fails.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use user_context::stand_in::{Conduct, Source, StandIn};
use xtask::services::{Options, WORKER};

use crate::{
    support::TestStack,
    workflow_client::{WorkflowClient, start},
};

/// Starts a stack that uses the sources of the test.
async fn start_stack(name: &'static str, sources: &StandIn) -> TestStack {
    TestStack::start_with(name, |options| sources_at(options, sources.url())).await
}

pub fn sources_at(options: &mut Options, url: &str) {
    for variable in ["IPAPI_URL", "OPEN_METEO_URL", "CATFACT_URL"] {
        options.environment.push((&WORKER, variable, url.to_owned()));
    }
}

async fn start_context<'a>(test: &'a TestStack, user: &str, strategy: &str) -> WorkflowClient<'a> {
    let body = json!({"userId": test.order_id(user), "strategy": strategy});
    let (status, started) = start(test, "user-context", &body).await;
    assert_eq!(status, 202, "{started}");
    WorkflowClient::of(test, &started)
}

fn only_visit(sources: &StandIn, source: Source) -> Instant {
    let visits = sources.visits(source);
    assert_eq!(visits.len(), 1, "{visits:?}");
    visits[0].at
}

#[tokio::test]
async fn the_parallel_strategy_calls_independent_sources_at_once() {
    let sources = StandIn::start().await.unwrap();
    let test = start_stack("ctxparallel", &sources).await;
    let late = Duration::from_secs(2);
    sources.set_behaviour(Source::Ipapi, Conduct::Late(late));
    sources.set_behaviour(Source::CatFact, Conduct::Late(late));
    let workflow = start_context(&test, "ada", "parallel").await;
    assert_eq!(workflow.id, "user-context-ctxparallel-ada");
    let end = workflow.wait_for_end().await;
    assert_eq!(
        (&end["success"], &end["status"], &end["errors"]),
        (&json!(true), &json!("completed"), &json!([]))
    );
    assert_eq!((&end["location"]["city"], &end["location"]["country"]), (&json!("Vienna"), &json!("AT")));
    assert_eq!((&end["weather"]["temperature"], &end["weather"]["windSpeed"]), (&json!(4.1), &json!(5.0)));
    assert_eq!(end["catFact"]["source"], "catfact.ninja", "{end}");
    let [location, fact, weather] =
        [Source::Ipapi, Source::CatFact, Source::OpenMeteo].map(|source| only_visit(&sources, source));
    assert!(location.max(fact) - location.min(fact) < late, "location and cat fact are called at once");
    assert!(weather >= location + late, "the weather waits for the location");
    assert_eq!(
        workflow.get("progress").await.1,
        json!({"success": true, "workflowId": workflow.id, "location": true, "weather": true, "catFact": true, "completed": true})
    );
    test.stop().await;
}

#[tokio::test]
async fn the_sequential_strategy_calls_one_source_after_another() {
    let sources = StandIn::start().await.unwrap();
    let test = start_stack("ctxsequential", &sources).await;
    sources.set_behaviour(Source::Ipapi, Conduct::Late(Duration::from_millis(700)));
    let workflow = start_context(&test, "ada", "sequential").await;
    let end = workflow.wait_for_end().await;
    assert_eq!((&end["status"], &end["strategy"]), (&json!("completed"), &json!("sequential")));
    let [location, weather, fact] =
        [Source::Ipapi, Source::OpenMeteo, Source::CatFact].map(|source| only_visit(&sources, source));
    assert!(location + Duration::from_millis(700) <= weather && weather <= fact);
    assert_eq!(
        workflow.activities().await,
        ["getCurrentLocationActivity", "getWeatherActivity", "getCatFactActivity"]
    );
    test.stop().await;
}

#[tokio::test]
async fn a_failed_part_is_null_and_named_and_the_other_parts_are_present() {
    let sources = StandIn::start().await.unwrap();
    let test = start_stack("ctxpartial", &sources).await;
    // (failing source, its conduct, its number of calls, missing parts, prefixes of the errors)
    let broken = Conduct::Says("{}".to_owned());
    let table = [
        (Source::OpenMeteo, Conduct::Fails(500), 3, &["weather"][..], &["weather failed: "][..]),
        (
            Source::CatFact,
            Conduct::RateLimited { retry_after: None },
            3,
            &["catFact"][..],
            &["catFact failed: "][..],
        ),
        (Source::CatFact, broken.clone(), 1, &["catFact"][..], &["catFact failed: "][..]),
        (
            Source::Ipapi,
            broken,
            1,
            &["location", "weather"][..],
            &["location failed: ", "weather skipped: location unavailable"][..],
        ),
    ];
    for (round, (source, conduct, asked, missing, errors)) in table.into_iter().enumerate() {
        for strategy in ["parallel", "sequential"] {
            let before = sources.visits(source).len();
            sources.set_behaviour(source, conduct.clone());
            let end =
                start_context(&test, &format!("{strategy}-{round}"), strategy).await.wait_for_end().await;
            sources.set_behaviour(source, Conduct::Answers);
            assert_eq!((&end["success"], &end["status"]), (&json!(true), &json!("completed")), "{end}");
            for part in ["location", "weather", "catFact"] {
                assert_eq!(end[part].is_null(), missing.contains(&part), "{part}: {end}");
            }
            let actual: Vec<&str> =
                end["errors"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            assert_eq!(actual.len(), errors.len(), "{end}");
            assert!(actual.iter().zip(errors).all(|(actual, error)| actual.starts_with(error)), "{end}");
            assert_eq!(sources.visits(source).len() - before, asked, "{strategy}, {source:?}");
        }
    }
    test.stop().await;
}

#[tokio::test]
async fn a_context_without_any_part_fails() {
    let sources = StandIn::start().await.unwrap();
    let test = start_stack("ctxnothing", &sources).await;
    sources.set_behaviour(Source::Ipapi, Conduct::Fails(503));
    sources.set_behaviour(Source::CatFact, Conduct::Fails(503));
    let end = start_context(&test, "ada", "parallel").await.wait_for_end().await;
    assert_eq!((&end["success"], &end["status"]), (&json!(false), &json!("failed")));
    assert_eq!(end["error"]["code"], "USER_CONTEXT_UNAVAILABLE");
    test.stop().await;
}

#[tokio::test]
async fn a_cancelled_context_ends_with_the_parts_that_it_has() {
    let sources = StandIn::start().await.unwrap();
    let test = start_stack("ctxcancelled", &sources).await;
    // This delay is shorter than the adapters' timeout, and long enough to cancel.
    sources.set_behaviour(Source::OpenMeteo, Conduct::Late(Duration::from_millis(2900)));
    for by in ["api", "signal", "temporal"] {
        let workflow = start_context(&test, by, "sequential").await;
        workflow.wait_for_state("located", |state| !state["location"].is_null()).await;
        match by {
            "api" => assert_eq!(workflow.cancel().await, (200, String::new())),
            "signal" => workflow.signal("cancel", Some("[]")).await,
            _ => {
                test.temporal(&["workflow", "cancel", "-w", &workflow.id]).await;
            }
        }
        let end = workflow.wait_for_end().await;
        assert_eq!((&end["success"], &end["status"]), (&json!(false), &json!("cancelled")), "{by}");
        assert_eq!(end["error"]["code"], "USER_CONTEXT_CANCELLED", "{by}");
        assert_eq!((end["location"].is_null(), end["catFact"].is_null()), (false, true), "{by}: {end}");
        assert_eq!(workflow.cancel().await, (409, "workflow_already_closed".to_owned()), "{by}");
    }
    assert_eq!(sources.visits(Source::CatFact).len(), 0, "no source is called after a cancellation");
    test.stop().await;
}

#[tokio::test]
async fn a_cancellation_waits_for_no_source_call() {
    let sources = StandIn::start().await.unwrap();
    let test = start_stack("ctxboth", &sources).await;
    for source in [Source::OpenMeteo, Source::CatFact] {
        sources.set_behaviour(source, Conduct::Late(Duration::from_secs(20)));
    }
    let workflow = start_context(&test, "ada", "parallel").await;
    let both_called = || async {
        [Source::OpenMeteo, Source::CatFact].iter().all(|source| !sources.visits(*source).is_empty())
    };
    test.wait_until("both calls", both_called).await;
    assert_eq!(workflow.cancel().await, (200, String::new()));
    let end = workflow.wait_for_end().await;
    assert_eq!(end["error"]["code"], "USER_CONTEXT_CANCELLED", "{end}");
    let there = ["location", "weather", "catFact"].map(|part| !end[part].is_null());
    assert_eq!(there, [true, false, false], "{end}");
    let asked =
        [Source::Ipapi, Source::OpenMeteo, Source::CatFact].map(|source| sources.visits(source).len());
    assert_eq!(asked, [1, 1, 1], "no source is called after a cancellation");
    test.stop().await;
}

#[tokio::test]
async fn an_offline_worker_calls_its_own_stand_in() {
    let test = TestStack::start_with("ctxoffline", |options| {
        options.environment.push((&WORKER, "FOUNDER_OFFLINE", "true".to_owned()));
    })
    .await;
    let workflow = start_context(&test, "ada", "parallel").await;
    let end = workflow.wait_for_end().await;
    assert_eq!((&end["status"], &end["errors"]), (&json!("completed"), &json!([])), "{end}");
    // The same workflow id can be started again.
    let again = start_context(&test, "ada", "parallel").await;
    assert_eq!((again.id.clone(), &again.wait_for_end().await["status"]), (workflow.id, &json!("completed")));
    test.stop().await;
}

#[tokio::test]
async fn the_sources_receive_the_correlation_id() {
    let sources = StandIn::start().await.unwrap();
    let test = start_stack("ctxtraced", &sources).await;
    let body = json!({"correlationId": "correlation-of-a-context"});
    let (_, started) = start(&test, "user-context", &body).await;
    assert_eq!(started["workflowId"], "user-context-correlation-of-a-context");
    WorkflowClient::of(&test, &started).wait_for_end().await;
    for source in [Source::Ipapi, Source::OpenMeteo, Source::CatFact] {
        let received = sources.visits(source)[0].correlation_id.clone();
        assert_eq!(received.as_deref(), Some("correlation-of-a-context"), "{source:?}");
    }
    test.stop().await;
}
