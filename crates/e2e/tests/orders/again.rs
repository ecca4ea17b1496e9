//! Tests repeated orders: after a lost answer or from many clients at once, with or without an idempotency key.

use std::time::{Duration, Instant};

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use xtask::services::API;

use crate::support::TestStack;

/// Posts an order with a key. Returns the status, the body, and whether the answer is a replay.
async fn post(test: &TestStack, key: Option<&str>, body: &str) -> (u16, Value, bool) {
    let url = format!("{}/api/v1/order", test.stack.url(&API));
    let mut request = reqwest::Client::new().post(url).header(CONTENT_TYPE, "application/json");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let response = request.body(body.to_owned()).send().await.unwrap();
    let status = response.status().as_u16();
    let replayed = response.headers().get("idempotent-replayed").is_some_and(|value| value == "true");
    (status, response.json().await.unwrap(), replayed)
}

/// Returns the number of runs that Temporal lists for an order.
async fn runs(test: &TestStack, order: &str) -> usize {
    let query = format!("WorkflowId = 'order-fulfillment-{}'", test.order_id(order));
    let listed = test.temporal(&["workflow", "list", "--query", &query, "-o", "json"]).await;
    serde_json::from_str::<Value>(&listed).unwrap().as_array().unwrap().len()
}

#[tokio::test]
async fn a_repeated_order_with_the_same_key_gets_the_first_answer() {
    let test = TestStack::start("keyed").await;
    let mut asked = test.order("1");
    asked["requiresApproval"] = json!(true);
    let body = asked.to_string();
    let (status, first, replayed) = post(&test, Some("keyed-1"), &body).await;
    assert_eq!((status, replayed), (201, false), "{first}");
    let respelt = body.replace("59.98", "5998e-2");
    assert_eq!(post(&test, Some("keyed-1"), &respelt).await, (201, first.clone(), true));

    let other = body.replace("ada.lovelace", "grace.hopper");
    let (status, problem, _) = post(&test, Some("keyed-1"), &other).await;
    assert_eq!((status, &problem["error"]), (409, &json!("idempotency_key_reused")), "{problem}");

    // The same key never places an order again.
    test.signal_by_api("1", "reject", None).await;
    assert_eq!(test.wait_for_end("1").await["status"], "rejected");
    assert_eq!(post(&test, Some("keyed-1"), &body).await, (201, first.clone(), true));
    assert_eq!(runs(&test, "1").await, 1);

    // Another key places it again, and the first key still names the first run.
    let (status, second, replayed) = post(&test, Some("keyed-2"), &body).await;
    assert_eq!((status, replayed), (201, false), "{second}");
    assert_ne!(second["runId"], first["runId"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while post(&test, Some("keyed-1"), &body).await != (201, first.clone(), true) {
        assert!(Instant::now() < deadline, "the first key never returns its run");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(post(&test, Some("keyed-2"), &body).await, (201, second.clone(), true));
    test.signal_by_api("1", "approve", None).await;
    assert_eq!(test.wait_for_end("1").await["status"], "shipped");
    assert_eq!(post(&test, Some("keyed-2"), &body).await, (201, second, true));

    // The key of one order is refused for another order. The check needs both runs in Temporal's list.
    let listed = || async { runs(&test, "1").await == 2 };
    test.wait_until("both runs in the list", listed).await;
    let elsewhere = test.order("2").to_string();
    let (status, problem, _) = post(&test, Some("keyed-2"), &elsewhere).await;
    assert_eq!((status, &problem["error"]), (409, &json!("idempotency_key_reused")), "{problem}");
    test.stop().await;
}

#[tokio::test]
async fn twenty_concurrent_orders_with_one_key_are_one_order() {
    let test = TestStack::start("crowd").await;
    for (round, key) in [("1", Some("crowd-1")), ("2", None)] {
        let mut asked = test.order(round);
        asked["requiresApproval"] = json!(true);
        let body = asked.to_string();
        let posts = (0..20).map(|_| post(&test, key, &body));
        let answers = futures::future::join_all(posts).await;
        let run = answers[0].1["runId"].clone();
        assert!(run.is_string(), "{answers:?}");
        assert!(answers.iter().all(|(_, body, _)| body["runId"] == run), "{answers:?}");
        let first = answers.iter().filter(|(status, _, replayed)| *status == 201 && !replayed).count();
        assert_eq!(first, 1, "{answers:?}");
        let again = answers.iter().filter(|(status, body, replayed)| match key {
            Some(_) => *status == 201 && *replayed && *body == answers[0].1,
            None => *status == 200 && body["alreadyPlaced"] == true,
        });
        assert_eq!(again.count(), 19, "{answers:?}");
        test.signal_by_api(round, "approve", None).await;
        let end = test.wait_for_end(round).await;
        test.assert_verdict(round, &end).await;
    }
    test.stop().await;
}

#[tokio::test]
async fn without_a_key_a_repeated_order_is_reported_and_a_different_one_is_a_conflict() {
    let test = TestStack::start("unkeyed").await;
    let mut asked = test.order("1");
    asked["requiresApproval"] = json!(true);
    let body = asked.to_string();
    let (status, first, _) = post(&test, None, &body).await;
    assert_eq!((status, first.get("alreadyPlaced")), (201, None));
    let (status, again, replayed) = post(&test, None, &body).await;
    assert_eq!((status, &again["alreadyPlaced"], replayed), (200, &json!(true), false), "{again}");
    assert_eq!((&again["runId"], &again["workflowId"]), (&first["runId"], &first["workflowId"]));
    let (status, problem, _) = post(&test, None, &body.replace("\"W1\"", "\"W2\"")).await;
    assert_eq!((status, &problem["error"]), (409, &json!("order_already_exists")));
    test.signal_by_api("1", "approve", None).await;
    assert_eq!(test.wait_for_end("1").await["status"], "shipped");
    let (status, problem, _) = post(&test, None, &body).await;
    assert_eq!((status, &problem["error"]), (409, &json!("order_already_exists")));
    test.stop().await;
}
