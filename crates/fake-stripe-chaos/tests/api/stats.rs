//! Statistics of payments: the requests, their results, and the drawn shares next to the configured ones.

use std::time::Duration;

use serde_json::json;

use crate::support::Provider;

#[tokio::test]
async fn every_request_is_counted_with_its_decision() {
    let provider = Provider::new();
    let auth_id = provider.authorize().key("k").order("o").await.expect(201).text("authId");
    provider.authorize().key("k").order("o").await.expect(201);
    provider.authorize().order("o").scenario("timeout").await.expect(504);
    provider.capture(&auth_id).scenario("malformed_json_after_commit").await.expect(200);
    provider.reserve().await.expect(201);
    let stats = provider.get("/payment/stats").await.expect(200).json();
    assert_eq!(
        (&stats["totalRequests"], &stats["successful"], &stats["failed"], &stats["successRate"]),
        (&json!(4), &json!(2), &json!(2), &json!("50%"))
    );
    assert_eq!(
        stats["operations"]["authorize"],
        json!({
            "totalRequests": 3, "successful": 2, "failed": 1, "replayed": 1,
            "scenarios": {
                "success": {"count": 1, "share": "50%", "drawn": 1, "configured": "100%"},
                "timeout": {"count": 1, "share": "50%", "drawn": 0, "configured": "0%"},
            },
        })
    );
    assert_eq!(stats["operations"]["capture"]["failed"], 1, "the response counts, not the effect");
    assert!(stats["operations"]["reserve"].is_null());
}

#[tokio::test]
async fn the_recent_requests_are_those_of_payments_the_newest_first() {
    let provider = Provider::new();
    for order in 0..12 {
        provider.authorize().order(&format!("order-{order}")).await.expect(201);
        provider.reserve().await.expect(201);
    }
    let recent = async |query: &str| {
        let answer = provider.get(&format!("/payment/stats/recent{query}")).await.expect(200).json();
        answer["requests"].as_array().unwrap().clone()
    };
    assert_eq!(recent("").await.len(), 10);
    let two = recent("?limit=2").await;
    let orders: Vec<_> = two.iter().map(|line| line["orderId"].as_str().unwrap()).collect();
    assert_eq!(orders, ["order-11", "order-10"]);
    for bad in ["0", "many", "10001"] {
        provider.get(&format!("/payment/stats/recent?limit={bad}")).await.problem(400, "invalid_query");
    }
}

#[tokio::test]
async fn a_reset_restarts_the_counts_and_keeps_everything_else() {
    let provider = Provider::with(&[("CHAOS_PROFILE", "calm")]);
    provider.authorize().order("o").await;
    provider.clock.advance(Duration::from_secs(1));
    let reset = provider.post("/payment/stats/reset", &json!({})).await.expect(200).json();
    assert_eq!(reset, json!({"success": true, "since": "2025-11-24T16:00:01.000Z"}));
    let stats = provider.get("/payment/stats").await.expect(200).json();
    assert_eq!((&stats["totalRequests"], &stats["since"]), (&json!(0), &reset["since"]));
    assert_eq!(provider.journal("").await.len(), 1);
    let audit = provider.get("/chaos/audit").await.expect(200).json();
    assert_eq!(audit["operations"]["payment.authorize"]["draws"], 1);
}
