//! A provider that asks for a day, and people who don't wait for it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xtask::services::{API, PROVIDER, WORKER};

use crate::{
    mutant::{self, Mistake},
    support::World,
};

/// The provider behind a proxy that gives strange answers; `Retry-After` counts up to `longest`, and a round of
/// compensation that failed is not tried again by itself.
async fn world(name: &'static str, longest: &'static str) -> World {
    let (address, to) = mutant::start(Mistake::StrangeAnswers).await;
    World::start_with(name, |options| {
        options.environment.push((&WORKER, "PROVIDER_URL", format!("http://{address}")));
        to.send(options.ports.url(&PROVIDER)).unwrap();
        options.environment.push((&API, "RETRY_AFTER_MAXIMUM", longest.to_owned()));
        options.environment.push((&API, "COMPENSATION_RETRY_INITIAL", "10m".to_owned()));
        options.environment.push((&API, "COMPENSATION_RETRY_MAXIMUM", "10m".to_owned()));
    })
    .await
}

/// Places an order that has its hold to release, and nothing else.
async fn out_of_stock(world: &World, order: &str) {
    world.plan(order, &json!({"inventory.reserve": ["out_of_stock"]})).await;
    world.place(&world.order(order)).await;
}

async fn until_the_release_is(world: &World, order: &str, status: &str) -> Value {
    let wanted = |state: &Value| {
        let release = &state["compensations"][0];
        release["name"] == "release_payment" && release["status"] == status
    };
    world.until(order, status, wanted).await
}

fn by_hand() -> Value {
    json!({"step": "release_payment", "note": "released in the dashboard", "actor": "ops"})
}

#[tokio::test]
async fn a_capture_that_is_asked_to_wait_for_a_day_ends_the_order_within_the_bound() {
    let world = world("day", "1s").await;
    let placed = Instant::now();
    let end = world.run("busy-capture").await;
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("failed"), &json!("PROVIDER_UNAVAILABLE")));
    // Three attempts, and between them a wait of a second, which a development server makes two.
    assert!(placed.elapsed() < Duration::from_secs(15), "{:?}", placed.elapsed());
    let effects = world.effects("busy-capture").await;
    assert!(effects.iter().any(|effect| effect == "released"), "{effects:?}");
    world.stop().await;
}

#[tokio::test]
async fn an_undo_that_waits_for_long_starts_at_once_when_asked() {
    let world = world("restarted", "10m").await;
    let order = "undo-restarted";
    out_of_stock(&world, order).await;
    let waiting = until_the_release_is(&world, order, "waiting").await;
    assert_eq!(
        (&waiting["status"], &waiting["compensations"][0]["attempts"]),
        (&json!("compensating"), &json!(1))
    );
    assert_eq!(waiting["compensations"][0]["error"]["message"], "come back tomorrow");
    let asked = Instant::now();
    assert_eq!(world.tell(order, "retry-compensation", None).await.0, 200);
    let end = world.end(order).await;
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    let release = &end["compensations"][0];
    assert_eq!((&release["status"], &release["attempts"]), (&json!("completed"), &json!(2)), "{end}");
    world.must_agree(order, &end).await;
    world.stop().await;
}

#[tokio::test]
async fn an_undo_is_resolved_by_hand_while_it_waits_and_while_it_runs() {
    let world = world("byhand", "10m").await;
    for (order, status, attempts) in
        [("undo-resolved-waiting", "waiting", 1), ("undo-resolved-running", "running", 1)]
    {
        out_of_stock(&world, order).await;
        until_the_release_is(&world, order, status).await;
        let told = Instant::now();
        assert_eq!(world.tell(order, "resolve-compensation", Some(&by_hand())).await.0, 200, "{order}");
        let end = world.end(order).await;
        assert!(told.elapsed() < Duration::from_secs(6), "{order}: {:?}", told.elapsed());
        let release = &end["compensations"][0];
        assert_eq!(
            (&release["status"], &release["attempts"]),
            (&json!("resolved"), &json!(attempts)),
            "{end}"
        );
        assert_eq!(release["note"], "ops: released in the dashboard");
        assert_eq!(end["error"]["code"], "OUT_OF_STOCK");
        let (status, body) = world.tell(order, "resolve-compensation", Some(&by_hand())).await;
        assert_eq!((status, &body["error"]), (409, &json!("nothing_to_compensate")), "{order}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_retry_that_is_asked_for_while_an_undo_runs_skips_no_later_wait() {
    let world = world("early", "10m").await;
    let order = "undo-asked-early";
    out_of_stock(&world, order).await;
    until_the_release_is(&world, order, "running").await;
    let (status, body) = world.tell(order, "retry-compensation", None).await;
    assert_eq!((status, &body["error"]), (409, &json!("nothing_to_compensate")));
    world.signal(order, "retryCompensation", None).await;
    until_the_release_is(&world, order, "failed").await;
    // A second round would have begun by now, and made attempts.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let state = world.status(order).await;
    assert_eq!(
        (&state["status"], &state["compensations"][0]["attempts"]),
        (&json!("compensation_failed"), &json!(3))
    );
    assert_eq!(world.tell(order, "resolve-compensation", Some(&by_hand())).await.0, 200);
    world.end(order).await;
    world.stop().await;
}

#[tokio::test]
async fn an_undo_that_is_refused_for_good_was_tried_once() {
    let world = world("refused", "1s").await;
    let order = "undo-refused";
    out_of_stock(&world, order).await;
    let failed = until_the_release_is(&world, order, "failed").await;
    let release = &failed["compensations"][0];
    assert_eq!((&release["attempts"], &release["error"]["code"]), (&json!(1), &json!("validation_failed")));
    assert_eq!(world.tell(order, "resolve-compensation", Some(&by_hand())).await.0, 200);
    world.end(order).await;
    world.stop().await;
}
