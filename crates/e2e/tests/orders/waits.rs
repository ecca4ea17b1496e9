//! Tests long `Retry-After` values, and the requests that end such a wait.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xtask::services::{API, PROVIDER, WORKER};

use crate::{
    faulty_proxy::{self, Mutation},
    support::TestStack,
};

/// Starts a stack with a proxy that sends unexpected answers. `Retry-After` is limited to `maximum`. A failed round of
/// compensation is not repeated automatically.
async fn start_stack(name: &'static str, maximum: &'static str) -> TestStack {
    let (address, to) = faulty_proxy::start(Mutation::UnexpectedAnswers).await;
    TestStack::start_with(name, |options| {
        options.environment.push((&WORKER, "PROVIDER_URL", format!("http://{address}")));
        to.send(options.ports.url(&PROVIDER)).unwrap();
        options.environment.push((&API, "RETRY_AFTER_MAXIMUM", maximum.to_owned()));
        options.environment.push((&API, "COMPENSATION_RETRY_INITIAL", "10m".to_owned()));
        options.environment.push((&API, "COMPENSATION_RETRY_MAXIMUM", "10m".to_owned()));
    })
    .await
}

/// Places an order whose only compensation is the void of its authorization.
async fn out_of_stock(test: &TestStack, order: &str) {
    test.plan(order, &json!({"inventory.reserve": ["out_of_stock"]})).await;
    test.place(&test.order(order)).await;
}

async fn wait_for_void(test: &TestStack, order: &str, status: &str) -> Value {
    let condition = |state: &Value| {
        let release = &state["compensations"][0];
        release["name"] == "release_payment" && release["status"] == status
    };
    test.wait_for_state(order, status, condition).await
}

fn resolution() -> Value {
    json!({"step": "release_payment", "note": "released in the dashboard", "actor": "ops"})
}

#[tokio::test]
async fn a_capture_with_a_retry_after_of_a_day_ends_the_order_within_the_bound() {
    let test = start_stack("day", "1s").await;
    let placed = Instant::now();
    let end = test.run("busy-capture").await;
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("failed"), &json!("PROVIDER_UNAVAILABLE")));
    // There are three attempts, with pauses of 1 s that a development server extends to 2 s.
    assert!(placed.elapsed() < Duration::from_secs(15), "{:?}", placed.elapsed());
    let effects = test.effects("busy-capture").await;
    assert!(effects.iter().any(|effect| effect == "released"), "{effects:?}");
    test.stop().await;
}

#[tokio::test]
async fn a_waiting_undo_starts_at_once_on_request() {
    let test = start_stack("restarted", "10m").await;
    let order = "undo-restarted";
    out_of_stock(&test, order).await;
    let waiting = wait_for_void(&test, order, "waiting").await;
    assert_eq!(
        (&waiting["status"], &waiting["compensations"][0]["attempts"]),
        (&json!("compensating"), &json!(1))
    );
    assert_eq!(waiting["compensations"][0]["error"]["message"], "come back tomorrow");
    let asked = Instant::now();
    assert_eq!(test.signal_by_api(order, "retry-compensation", None).await.0, 200);
    let end = test.wait_for_end(order).await;
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    let release = &end["compensations"][0];
    assert_eq!((&release["status"], &release["attempts"]), (&json!("completed"), &json!(2)), "{end}");
    test.assert_verdict(order, &end).await;
    test.stop().await;
}

#[tokio::test]
async fn an_undo_is_resolved_by_hand_while_it_waits_and_while_it_runs() {
    let test = start_stack("byhand", "10m").await;
    for (order, status, attempts) in
        [("undo-resolved-waiting", "waiting", 1), ("undo-resolved-running", "running", 1)]
    {
        out_of_stock(&test, order).await;
        wait_for_void(&test, order, status).await;
        let sent_at = Instant::now();
        assert_eq!(
            test.signal_by_api(order, "resolve-compensation", Some(&resolution())).await.0,
            200,
            "{order}"
        );
        let end = test.wait_for_end(order).await;
        assert!(sent_at.elapsed() < Duration::from_secs(6), "{order}: {:?}", sent_at.elapsed());
        let release = &end["compensations"][0];
        assert_eq!(
            (&release["status"], &release["attempts"]),
            (&json!("resolved"), &json!(attempts)),
            "{end}"
        );
        assert_eq!(release["note"], "ops: released in the dashboard");
        assert_eq!(end["error"]["code"], "OUT_OF_STOCK");
        let (status, body) = test.signal_by_api(order, "resolve-compensation", Some(&resolution())).await;
        assert_eq!((status, &body["error"]), (409, &json!("nothing_to_compensate")), "{order}");
    }
    test.stop().await;
}

#[tokio::test]
async fn a_retry_requested_while_an_undo_runs_skips_no_later_wait() {
    let test = start_stack("undo-early", "10m").await;
    let order = "undo-asked-early";
    out_of_stock(&test, order).await;
    wait_for_void(&test, order, "running").await;
    let (status, body) = test.signal_by_api(order, "retry-compensation", None).await;
    assert_eq!((status, &body["error"]), (409, &json!("nothing_to_compensate")));
    test.signal(order, "retryCompensation", None).await;
    wait_for_void(&test, order, "failed").await;
    // A second round would have made attempts by now.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let state = test.status(order).await;
    assert_eq!(
        (&state["status"], &state["compensations"][0]["attempts"]),
        (&json!("compensation_failed"), &json!(3))
    );
    assert_eq!(test.signal_by_api(order, "resolve-compensation", Some(&resolution())).await.0, 200);
    test.wait_for_end(order).await;
    test.stop().await;
}

#[tokio::test]
async fn an_undo_with_a_definitive_refusal_runs_once() {
    let test = start_stack("refused", "1s").await;
    let order = "undo-refused";
    out_of_stock(&test, order).await;
    let failed = wait_for_void(&test, order, "failed").await;
    let release = &failed["compensations"][0];
    assert_eq!((&release["attempts"], &release["error"]["code"]), (&json!(1), &json!("validation_failed")));
    assert_eq!(test.signal_by_api(order, "resolve-compensation", Some(&resolution())).await.0, 200);
    test.wait_for_end(order).await;
    test.stop().await;
}
