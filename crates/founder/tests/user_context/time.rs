//! The deadline: nothing is later than it, and what it cuts off is told.

use std::time::Duration;

use reqwest::StatusCode;
use user_context::stand_in::{Conduct, Source};

use crate::founder::{Founder, STRATEGIES};

const DEADLINE: Duration = Duration::from_millis(500);
/// For a machine with other work to do.
const SLACK: Duration = Duration::from_millis(700);

/// One whose deadline is earlier than the end of a single try.
async fn hurried() -> Founder {
    Founder::start(&[("USER_CONTEXT_DEADLINE", "500ms"), ("SOURCE_TIMEOUT", "1m")]).await
}

#[tokio::test]
async fn no_strategy_is_later_than_the_deadline_whoever_sleeps() {
    for strategy in STRATEGIES {
        for asleep in [Source::Ipapi, Source::OpenMeteo, Source::CatFact] {
            let founder = hurried().await;
            founder.sources.tell(asleep, Conduct::Late(Duration::from_mins(1)));
            let answer = founder.ask(strategy).await;
            assert!(answer.took < DEADLINE + SLACK, "{strategy}, {asleep:?} asleep: {:?}", answer.took);
        }
    }
}

#[tokio::test]
async fn all_asleep_is_502_in_time() {
    for strategy in STRATEGIES {
        let founder = hurried().await;
        for asleep in [Source::Ipapi, Source::CatFact] {
            founder.sources.tell(asleep, Conduct::Late(Duration::from_mins(1)));
        }
        let answer = founder.ask(strategy).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        assert!(answer.took < DEADLINE + SLACK, "{strategy}: {:?}", answer.took);
    }
}

#[tokio::test]
async fn a_source_whose_turn_comes_after_the_deadline_is_not_asked() {
    let founder = hurried().await;
    founder.sources.tell(Source::OpenMeteo, Conduct::Late(Duration::from_mins(1)));
    let answer = founder.ask("async-sequential").await;
    assert_eq!(answer.has(), [true, false, false]);
    assert_eq!(answer.errors(), ["weather failed: no answer in time", "entertainment skipped: no time left"]);
    assert_eq!(answer.sources()[2], ("entertainment", "skipped", 0));
    assert_eq!(founder.sources.visits(Source::CatFact), []);
}

#[tokio::test]
async fn no_retry_waits_beyond_the_deadline() {
    let founder = Founder::start(&[("USER_CONTEXT_DEADLINE", "500ms"), ("SOURCE_RETRY_WAIT", "1m")]).await;
    founder.sources.tell(Source::CatFact, Conduct::Fails(503));
    let answer = founder.ask("rxjs").await;
    assert_eq!(answer.errors(), ["entertainment failed: answered 503"]);
    assert!(answer.took < DEADLINE, "it waited: {:?}", answer.took);
}
