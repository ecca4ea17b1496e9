//! Tests event streams and long polls of orders: reconnection, and their end when the API stops.

use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use serde_json::json;
use xtask::services::API;

use crate::support::TestStack;

/// Returns the ids of the events in a stream.
fn ids(body: &str) -> Vec<String> {
    body.lines().filter_map(|line| line.strip_prefix("id: ").map(str::to_owned)).collect()
}

async fn events(test: &TestStack, order: &str, last: Option<&str>) -> (u16, String) {
    let path = format!("/api/v1/order/order-fulfillment-{}/events", test.order_id(order));
    let mut headers = HeaderMap::new();
    if let Some(last) = last {
        headers.insert("last-event-id", last.parse().unwrap());
    }
    let request = reqwest::Client::new().get(format!("{}{path}", test.stack.url(&API))).headers(headers);
    let response = request.timeout(Duration::from_secs(30)).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn an_event_belongs_to_a_run_and_the_last_one_ends_the_stream() {
    let test = TestStack::start("replaced").await;
    test.plan("1", &json!({"inventory.reserve": ["out_of_stock", "success"]})).await;
    let first = test.place(&test.order("1")).await["runId"].as_str().unwrap().to_owned();
    assert_eq!(test.wait_for_end("1").await["status"], "failed");
    let (status, body) = events(&test, "1", None).await;
    let last = ids(&body).pop().unwrap();
    assert_eq!(status, 200);
    assert!(last.starts_with(&format!("{first}:")), "{body}");
    assert_eq!(events(&test, "1", Some(&last)).await, (204, String::new()));
    // An event id in the old format still returns the final state.
    let version = last.rsplit(':').next().unwrap();
    assert_eq!(events(&test, "1", Some(version)).await.0, 200);

    let second = test.place(&test.order("1")).await["runId"].as_str().unwrap().to_owned();
    let (status, body) = events(&test, "1", Some(&format!("{first}:999"))).await;
    assert_eq!(status, 200);
    assert!(body.contains(r#""status":"shipped""#), "{body}");
    assert!(ids(&body).iter().all(|id| id.starts_with(&format!("{second}:"))), "{body}");
    // The stream has the states before the final one, although their versions are lower than the one in the header.
    assert!(ids(&body).len() > 1, "{body}");
    test.stop().await;
}

#[tokio::test]
async fn streams_and_long_polls_end_when_the_api_stops() {
    let mut test = TestStack::start("stopping").await;
    let mut asked = test.order("1");
    asked["requiresApproval"] = json!(true);
    test.place(&asked).await;
    test.wait_for_step("1", "awaiting_approval").await;
    let base = format!("{}/api/v1", test.stack.url(&API));
    let open = |path: &str| {
        let url = format!("{base}/{path}");
        tokio::spawn(async move {
            let response = reqwest::get(url).await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        })
    };
    let id = "order-fulfillment-stopping-1";
    let stream = open(&format!("order/{id}/events"));
    let poll = open(&format!("order/{id}/result?timeout=60"));
    let any = open(&format!("workflows/{id}/result?timeout=60"));
    tokio::time::sleep(Duration::from_secs(1)).await;

    let asked = Instant::now();
    test.stack.stop_service(&API).await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    let (status, body) = stream.await.unwrap();
    assert_eq!(status, 200);
    assert!(body.contains("pending_approval"), "{body}");
    for answer in [poll, any] {
        let (status, body) = answer.await.unwrap();
        assert_eq!(status, 202, "{body}");
        assert!(body.contains("pending_approval"), "{body}");
    }
    test.stop().await;
}
