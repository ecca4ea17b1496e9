//! Tests the deadline: no answer is later, and parts that miss it are reported.

use std::time::Duration;

use reqwest::StatusCode;
use user_context::stand_in::{Conduct, Source};

use crate::founder::{STRATEGIES, TestServer};

const DEADLINE: Duration = Duration::from_millis(500);
/// Allows for a busy machine.
const SLACK: Duration = Duration::from_millis(700);

/// Starts a founder whose deadline is shorter than one attempt.
async fn with_short_deadline() -> TestServer {
    TestServer::start(&[("USER_CONTEXT_DEADLINE", "500ms"), ("SOURCE_TIMEOUT", "1m")]).await
}

#[tokio::test]
async fn every_strategy_answers_within_the_deadline() {
    for strategy in STRATEGIES {
        for unresponsive in [Source::Ipapi, Source::OpenMeteo, Source::CatFact] {
            let founder = with_short_deadline().await;
            founder.sources.set_behaviour(unresponsive, Conduct::Late(Duration::from_mins(1)));
            let answer = founder.ask(strategy).await;
            assert!(
                answer.elapsed < DEADLINE + SLACK,
                "{strategy}, {unresponsive:?} unresponsive: {:?}",
                answer.elapsed
            );
        }
    }
}

#[tokio::test]
async fn no_answer_from_any_source_is_502_within_the_deadline() {
    for strategy in STRATEGIES {
        let founder = with_short_deadline().await;
        for unresponsive in [Source::Ipapi, Source::CatFact] {
            founder.sources.set_behaviour(unresponsive, Conduct::Late(Duration::from_mins(1)));
        }
        let answer = founder.ask(strategy).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        assert!(answer.elapsed < DEADLINE + SLACK, "{strategy}: {:?}", answer.elapsed);
    }
}

#[tokio::test]
async fn no_source_is_called_after_the_deadline() {
    let founder = with_short_deadline().await;
    founder.sources.set_behaviour(Source::OpenMeteo, Conduct::Late(Duration::from_mins(1)));
    let answer = founder.ask("async-sequential").await;
    assert_eq!(answer.present_parts(), [true, false, false]);
    assert_eq!(answer.errors(), ["weather failed: no answer in time", "entertainment skipped: no time left"]);
    assert_eq!(answer.sources()[2], ("entertainment", "skipped", 0));
    assert_eq!(founder.sources.visits(Source::CatFact), []);
}

#[tokio::test]
async fn no_retry_is_delayed_beyond_the_deadline() {
    let founder = TestServer::start(&[("USER_CONTEXT_DEADLINE", "500ms"), ("SOURCE_RETRY_WAIT", "1m")]).await;
    founder.sources.set_behaviour(Source::CatFact, Conduct::Fails(503));
    let answer = founder.ask("rxjs").await;
    assert_eq!(answer.errors(), ["entertainment failed: answered 503"]);
    assert!(answer.elapsed < DEADLINE, "the retry was delayed: {:?}", answer.elapsed);
}
