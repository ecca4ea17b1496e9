//! Everything that grows with requests is bounded, and `/metrics` shows its size.

use std::time::Duration;

use serde_json::json;

use crate::support::Provider;

const KEYS: (&str, &str) = ("CHAOS_MAX_KEYS", "50");

/// Returns one provider for each kind of ledger.
fn each(variables: &[(&str, &str)]) -> [Provider; 2] {
    [Provider::with(variables), Provider::with_file_ledger(variables)]
}

#[tokio::test]
async fn attempts_of_random_keys_are_bounded_and_those_of_orders_are_not() {
    for provider in each(&[KEYS]) {
        for number in 0..120 {
            let key = format!("random-{number}");
            provider.authorize().key(&key).scenario("timeout").await.expect(504);
            provider.capture(&format!("auth_{number}")).await.problem(404, "payment_not_found");
            provider.authorize().order(&format!("order-{number}")).scenario("timeout").await.expect(504);
        }
        assert_eq!(provider.metric("chaos_attempt_keys{of=\"request\"}").await, 50);
        assert_eq!(provider.metric("chaos_attempt_keys{of=\"order\"}").await, 120);
        assert_eq!(provider.metric("chaos_dropped_total{kind=\"attempts\"}").await, 240 - 50);
        let oldest = provider.authorize().key("random-0").scenario("timeout").await.expect(504);
        assert_eq!(oldest.decision("attempt").as_deref(), Some("1"), "its attempts are dropped");
        let newest = provider.authorize().key("random-119").scenario("timeout").await.expect(504);
        assert_eq!(newest.decision("attempt").as_deref(), Some("2"), "its attempts are kept");
        let order = provider.authorize().order("order-0").scenario("timeout").await.expect(504);
        assert_eq!(
            order.decision("attempt").as_deref(),
            Some("2"),
            "the attempts of an order are always kept"
        );
    }
}

#[tokio::test]
async fn a_request_without_a_key_leaves_no_attempts() {
    for provider in each(&[]) {
        for _ in 0..20 {
            assert_eq!(provider.authorize().await.expect(201).decision("attempt").as_deref(), Some("1"));
        }
        assert_eq!(provider.metric("chaos_attempt_keys{of=\"request\"}").await, 0);
    }
}

#[tokio::test]
async fn an_order_with_the_name_of_a_key_keeps_its_attempts() {
    for provider in each(&[KEYS]) {
        provider.authorize().key("both").scenario("timeout").await.expect(504);
        provider.authorize().order("both").scenario("timeout").await.expect(504);
        for number in 0..120 {
            provider.authorize().key(&format!("random-{number}")).scenario("timeout").await.expect(504);
        }
        let order = provider.authorize().order("both").scenario("timeout").await.expect(504);
        assert_eq!(order.decision("attempt").as_deref(), Some("3"));
    }
}

#[tokio::test]
async fn refusals_of_random_keys_are_bounded_and_effects_are_not() {
    for provider in each(&[KEYS]) {
        for number in 0..120 {
            let refused = provider.authorize().key(&format!("refused-{number}"));
            refused.scenario("insufficient_funds").await.expect(402);
            provider.authorize().key(&format!("done-{number}")).await.expect(201);
        }
        assert_eq!(provider.metric("chaos_idempotency_keys{led_to=\"refusal\"}").await, 50);
        assert_eq!(provider.metric("chaos_idempotency_keys{led_to=\"effect\"}").await, 120);
        assert_eq!(provider.metric("chaos_dropped_total{kind=\"refusal\"}").await, 70);
        assert!(provider.authorize().key("refused-119").await.expect(402).replayed());
        assert!(provider.authorize().key("done-0").await.expect(201).replayed());
        // The key of a dropped refusal gets a new decision, and its undo still has nothing to undo.
        let undone = provider.post("/payment/release", &json!({"key": "refused-1"})).await.expect(200);
        assert_eq!(undone.text("status"), "nothing_to_undo");
        assert!(!provider.authorize().key("refused-0").await.expect(201).replayed());
    }
}

#[tokio::test]
async fn a_refusal_is_dropped_after_its_last_replay() {
    for provider in each(&[]) {
        for number in 0..20 {
            let refused = provider.authorize().key(&format!("refused-{number}"));
            refused.scenario("insufficient_funds").await.expect(402);
        }
        provider.clock.advance(Duration::from_hours(24));
        provider.authorize().key("done").await.expect(201);
        assert_eq!(provider.metric("chaos_idempotency_keys{led_to=\"refusal\"}").await, 0);
        assert_eq!(provider.metric("chaos_idempotency_keys{led_to=\"effect\"}").await, 1);
    }
}

#[tokio::test]
async fn dropped_keys_stay_dropped_and_kept_keys_stay_bounded_after_a_restart() {
    let provider = Provider::with_file_ledger(&[KEYS]);
    for number in 0..120 {
        let refused = provider.authorize().key(&format!("refused-{number}"));
        refused.scenario("insufficient_funds").await.expect(402);
        provider.authorize().order("o").scenario("timeout").await.expect(504);
    }
    let again = provider.reopened();
    for (metric, size) in [
        ("chaos_attempt_keys{of=\"request\"}", 50),
        ("chaos_attempt_keys{of=\"order\"}", 1),
        ("chaos_idempotency_keys{led_to=\"refusal\"}", 50),
    ] {
        assert_eq!(again.metric(metric).await, size, "{metric}");
    }
    assert!(again.authorize().key("refused-119").await.expect(402).replayed());
    let refused = again.authorize().key("refused-0").scenario("insufficient_funds").await.expect(402);
    assert!(!refused.replayed());
    assert_eq!(again.metric("chaos_attempt_keys{of=\"request\"}").await, 50);
    assert_eq!(again.metric("chaos_idempotency_keys{led_to=\"refusal\"}").await, 50);
    let order = again.authorize().order("o").scenario("timeout").await.expect(504);
    assert_eq!(order.decision("attempt").as_deref(), Some("121"));
}

#[tokio::test]
async fn the_journal_is_bounded_by_its_bytes() {
    for provider in each(&[("CHAOS_JOURNAL_BYTES", "100000")]) {
        let items: Vec<_> =
            (0..20).map(|item| json!({"sku": format!("{item:0200}"), "quantity": 1})).collect();
        let body = json!({ "items": items });
        for number in 0..100 {
            provider.post("/inventory/reserve", &body).order(&format!("order-{number}")).await.expect(201);
        }
        let (bytes, lines) =
            (provider.metric("chaos_journal_bytes").await, provider.metric("chaos_journal_lines").await);
        assert!((50_000..=100_000).contains(&bytes), "{bytes}");
        assert_eq!(provider.metric("chaos_dropped_total{kind=\"journal_line\"}").await, 100 - lines);
        let journal = provider.journal("?limit=10000").await;
        assert_eq!(journal.len() as u64, lines);
        assert_eq!((&journal[0]["orderId"], &journal[0]["number"]), (&json!("order-99"), &json!(99)));
        // The ledger has all of them.
        assert_eq!(provider.metric("chaos_ledger_size{kind=\"entry\"}").await, 100);
        assert_eq!(provider.get("/verdict").await.expect(200).json()["open"], 100);
    }
}

#[tokio::test]
async fn a_line_larger_than_the_journal_is_its_only_line() {
    let provider = Provider::with(&[("CHAOS_JOURNAL_BYTES", "1")]);
    for order in ["one", "two"] {
        provider.authorize().order(order).await.expect(201);
    }
    let journal = provider.journal("").await;
    assert_eq!((journal.len(), &journal[0]["orderId"]), (1, &json!("two")));
}

#[tokio::test]
async fn a_label_in_flight_finds_its_own_line_or_none() {
    let variables = [("CHAOS_JOURNAL_BYTES", "2000"), ("SHIPPING_LABEL_DURATION", "200ms")];
    let provider = Provider::with(&variables);
    let label = tokio::spawn(std::future::IntoFuture::into_future(provider.label().order("label")));
    crate::support::eventually("the label's line", async || {
        (provider.metric("chaos_journal_lines").await > 0).then_some(())
    })
    .await;
    for order in ["a", "b", "c", "d", "e"] {
        provider.authorize().order(order).await.expect(201);
    }
    label.await.unwrap().expect(201);
    let journal = provider.journal("").await;
    assert!(journal.iter().all(|line| line["orderId"] != "label"), "{journal:?}");
}

#[tokio::test]
async fn a_plan_beyond_the_limit_of_unused_plans_is_refused() {
    for provider in each(&[KEYS]) {
        let plan = json!({"payment.authorize": ["timeout"]});
        for number in 0..50 {
            provider.put(&format!("/chaos/plans/order-{number}"), &plan).await.expect(200);
        }
        provider.put("/chaos/plans/one-more", &plan).await.problem(409, "too_many_plans");
        assert_eq!(provider.metric("chaos_plans").await, 50);
        provider.put("/chaos/plans/order-0", &plan).await.expect(200);
        // An exhausted plan makes room, and no other plan is lost.
        provider.authorize().order("order-7").await.expect(504);
        provider.put("/chaos/plans/one-more", &plan).await.expect(200);
        assert_eq!(provider.metric("chaos_plans").await, 50);
        provider.authorize().order("one-more").await.expect(504);
        provider.authorize().order("order-49").await.expect(504);
        provider.put("/chaos/plans/order-1", &json!({})).await.expect(200);
        provider.put("/chaos/plans/and-more", &plan).await.expect(200);
    }
}

#[tokio::test]
async fn every_run_counts_until_it_is_deleted() {
    for provider in each(&[]) {
        for run in ["one", "two"] {
            provider.authorize().order("o").header("x-chaos-run", run).await.expect(201);
        }
        provider.authorize().key("k").await.expect(201);
        provider.post("/payment/refund", &json!({"key": "never"})).await.expect(200);
        let sizes = async |provider: &Provider| {
            let mut sizes = Vec::new();
            for metric in [
                "chaos_runs",
                "chaos_ledger_size{kind=\"entry\"}",
                "chaos_ledger_size{kind=\"resource\"}",
                "chaos_ledger_size{kind=\"order\"}",
                "chaos_ledger_size{kind=\"tombstone\"}",
                "chaos_idempotency_keys{led_to=\"in_flight\"}",
                "chaos_journal_lines",
            ] {
                sizes.push(provider.metric(metric).await);
            }
            sizes
        };
        assert_eq!(sizes(&provider).await, [3, 4, 3, 2, 1, 0, 4]);
        provider.ask(axum::http::Method::DELETE, "/runs/one").await.expect(200);
        assert_eq!(sizes(&provider).await, [2, 3, 2, 1, 1, 0, 3]);
    }
}

#[tokio::test]
async fn no_text_of_a_caller_becomes_a_metric_label() {
    let provider = Provider::new();
    let secret = "invented-by-a-caller";
    provider.authorize().key(secret).order(secret).header("x-chaos-run", secret).await.expect(201);
    provider.get(&format!("/{secret}/{secret}")).await.problem(404, "not_found");
    provider.ask(axum::http::Method::from_bytes(b"INVENTED").unwrap(), &format!("/{secret}")).await;
    provider.put("/chaos/profile", &json!({"name": secret, "basedOn": "off"})).await.expect(200);
    provider.authorize().order(secret).await.expect(201);
    let metrics = provider.get("/metrics").await.expect(200).body;
    assert!(!metrics.to_lowercase().contains("invented"), "{metrics}");
}
