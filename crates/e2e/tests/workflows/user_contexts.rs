//! User contexts: what is asked at once, what waits, and what becomes of it when a source fails.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use user_context::stand_in::{Conduct, Source, StandIn};
use xtask::services::{Options, WORKER};

use crate::{
    support::TestStack,
    workflow_client::{WorkflowClient, start},
};

/// A test whose sources are the test's own.
async fn start_stack(name: &'static str, sources: &StandIn) -> TestStack {
    TestStack::start_with(name, |options| sources_at(options, sources.url())).await
}

pub fn sources_at(options: &mut Options, url: &str) {
    for variable in ["IPAPI_URL", "OPEN_METEO_URL", "CATFACT_URL"] {
        options.environment.push((&WORKER, variable, url.to_owned()));
    }
}

async fn ask<'a>(test: &'a TestStack, user: &str, strategy: &str) -> WorkflowClient<'a> {
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
    sources.tell(Source::Ipapi, Conduct::Late(late));
    sources.tell(Source::CatFact, Conduct::Late(late));
    let workflow = ask(&test, "ada", "parallel").await;
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
    assert!(location.max(fact) - location.min(fact) < late, "location and cat fact are asked at once");
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
    sources.tell(Source::Ipapi, Conduct::Late(Duration::from_millis(700)));
    let workflow = ask(&test, "ada", "sequential").await;
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
    // (what fails, how often the source is asked, what is missing, what the errors begin with)
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
            sources.tell(source, conduct.clone());
            let end = ask(&test, &format!("{strategy}-{round}"), strategy).await.wait_for_end().await;
            sources.tell(source, Conduct::Answers);
            assert_eq!((&end["success"], &end["status"]), (&json!(true), &json!("completed")), "{end}");
            for part in ["location", "weather", "catFact"] {
                assert_eq!(end[part].is_null(), missing.contains(&part), "{part}: {end}");
            }
            let told: Vec<&str> =
                end["errors"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            assert_eq!(told.len(), errors.len(), "{end}");
            assert!(told.iter().zip(errors).all(|(told, error)| told.starts_with(error)), "{end}");
            assert_eq!(sources.visits(source).len() - before, asked, "{strategy}, {source:?}");
        }
    }
    test.stop().await;
}

#[tokio::test]
async fn a_context_without_any_part_fails() {
    let sources = StandIn::start().await.unwrap();
    let test = start_stack("ctxnothing", &sources).await;
    sources.tell(Source::Ipapi, Conduct::Fails(503));
    sources.tell(Source::CatFact, Conduct::Fails(503));
    let end = ask(&test, "ada", "parallel").await.wait_for_end().await;
    assert_eq!((&end["success"], &end["status"]), (&json!(false), &json!("failed")));
    assert_eq!(end["error"]["code"], "USER_CONTEXT_UNAVAILABLE");
    test.stop().await;
}

#[tokio::test]
async fn a_cancelled_context_ends_with_the_parts_that_it_has() {
    let sources = StandIn::start().await.unwrap();
    let test = start_stack("ctxcancelled", &sources).await;
    // Shorter than the adapters' patience, longer than the test's.
    sources.tell(Source::OpenMeteo, Conduct::Late(Duration::from_millis(2900)));
    for by in ["api", "signal", "temporal"] {
        let workflow = ask(&test, by, "sequential").await;
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
    assert_eq!(sources.visits(Source::CatFact).len(), 0, "nothing is asked after a cancellation");
    test.stop().await;
}

#[tokio::test]
async fn a_cancellation_waits_for_no_source_call() {
    let sources = StandIn::start().await.unwrap();
    let test = start_stack("ctxboth", &sources).await;
    for source in [Source::OpenMeteo, Source::CatFact] {
        sources.tell(source, Conduct::Late(Duration::from_secs(20)));
    }
    let workflow = ask(&test, "ada", "parallel").await;
    let both_asked = || async {
        [Source::OpenMeteo, Source::CatFact].iter().all(|source| !sources.visits(*source).is_empty())
    };
    test.wait_until("both asked", both_asked).await;
    assert_eq!(workflow.cancel().await, (200, String::new()));
    let end = workflow.wait_for_end().await;
    assert_eq!(end["error"]["code"], "USER_CONTEXT_CANCELLED", "{end}");
    let there = ["location", "weather", "catFact"].map(|part| !end[part].is_null());
    assert_eq!(there, [true, false, false], "{end}");
    let asked =
        [Source::Ipapi, Source::OpenMeteo, Source::CatFact].map(|source| sources.visits(source).len());
    assert_eq!(asked, [1, 1, 1], "nothing is asked after a cancellation");
    test.stop().await;
}

#[tokio::test]
async fn an_offline_worker_calls_its_own_stand_in() {
    let test = TestStack::start_with("ctxoffline", |options| {
        options.environment.push((&WORKER, "FOUNDER_OFFLINE", "true".to_owned()));
    })
    .await;
    let workflow = ask(&test, "ada", "parallel").await;
    let end = workflow.wait_for_end().await;
    assert_eq!((&end["status"], &end["errors"]), (&json!("completed"), &json!([])), "{end}");
    // It may be asked for again, by its workflow's own id.
    let again = ask(&test, "ada", "parallel").await;
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
        let told = sources.visits(source)[0].correlation_id.clone();
        assert_eq!(told.as_deref(), Some("correlation-of-a-context"), "{source:?}");
    }
    test.stop().await;
}
