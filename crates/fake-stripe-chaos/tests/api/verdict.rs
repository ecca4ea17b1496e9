//! The ledger, the outcomes, the verdict and the journal.

use std::time::Duration;

use fake_stripe_chaos::shared::{
    ledger::{NewEntry, Posting},
    money::{Amount, Currency, Money},
    operation::Operation,
};
use serde_json::{Value, json};

use crate::support::{Provider, START};

/// Leaves an order as a correct saga does.
async fn ship(provider: &Provider, order: &str) {
    provider.captured(order).await;
    provider.reserve().order(order).await.expect(201);
    provider.label().order(order).await.expect(201);
    provider.notify().order(order).await.expect(201);
}

#[tokio::test]
async fn the_ledger_sums_all_entries_by_currency_and_state() {
    let provider = Provider::new();
    ship(&provider, "order-1").await;
    let auth_id = provider.captured("order-2").await;
    let part = json!({"authId": auth_id, "amount": 98});
    provider.post("/payment/refund", &part).await.expect(200);
    provider.authorized("order-3").await;
    let auth_id = provider.authorized("order-4").await;
    provider.release(&auth_id).await.expect(200);
    let euros = json!({"amount": 7, "currency": "eur"});
    provider.post("/payment/authorize", &euros).await.expect(201);
    let label = provider.label().await.expect(201).text("labelId");
    provider.post("/shipping/cancel", &json!({ "labelId": label })).await.expect(200);
    provider.record_outcome("order-1", "shipped").await.expect(200);
    assert_eq!(
        provider.get("/ledger").await.expect(200).json(),
        json!({
            "success": true,
            "totals": {
                "usd": {"held": 5998, "expired": 0, "captured": 11996, "refunded": 98, "released": 5998},
                "eur": {"held": 7, "expired": 0, "captured": 0, "refunded": 0, "released": 0},
            },
            "reservations": {"reserved": 0, "expired": 0, "fulfilled": 1, "released": 0, "restocked": 0},
            "labels": {"generated": 1, "cancelled": 1, "returns": 0, "returnsCancelled": 0},
            "notifications": {"sent": 1},
        })
    );
}

#[tokio::test]
async fn the_history_of_an_order_has_every_effect_in_order() {
    let provider = Provider::new();
    let auth_id = provider.authorize().order("order-1").key("a").await.expect(201).text("authId");
    provider.authorized("order-2").await;
    provider.clock.advance(Duration::from_millis(7));
    provider.capture(&auth_id).await.expect(200);
    let history = provider.get("/ledger/orders/order-1").await.expect(200).json();
    assert_eq!(
        history,
        json!({
            "success": true, "orderId": "order-1", "outcome": null,
            "entries": [
                {
                    "sequence": 1, "at": "2025-11-24T16:00:00.000Z", "effect": "held",
                    "operation": "payment.authorize", "resource": auth_id, "amount": 5998, "currency": "usd",
                    "expiresAt": "2025-12-01T16:00:00.000Z", "key": "a",
                },
                {
                    "sequence": 3, "at": "2025-11-24T16:00:00.007Z", "effect": "captured",
                    "operation": "payment.capture", "resource": auth_id, "amount": 5998, "currency": "usd",
                },
            ],
        })
    );
    provider.get("/ledger/orders/order-9").await.problem(404, "order_not_found");
}

#[tokio::test]
async fn a_charge_is_paid_and_may_ship_or_be_refunded_later() {
    let provider = Provider::new();
    let charge = json!({"amount": 5998, "currency": "usd", "source": "tok_visa"});
    let charged = provider.post("/payment/charge", &charge).order("order-1").await.expect(200);
    assert_eq!(provider.record_outcome("order-1", "paid").await.expect(200).json()["outcome"], "paid");
    let verdict = provider.get("/verdict?final=true").await.expect(200).json();
    let expected = json!({
        "success": true, "orders": 1, "shipped": 0, "returned": 0, "paid": 1, "notShipped": 0, "open": 0, "contradictions": [],
    });
    assert_eq!(verdict, expected);

    provider.refund(&charged.text("authId")).order("order-1").await.expect(200);
    let broken = provider.broken_rules().await;
    assert_eq!(broken, [(Some("order-1".to_owned()), "paid_is_captured_once_in_full".to_owned())]);
    provider.record_outcome("order-1", "not_shipped").await.expect(200);
    assert_eq!(provider.broken_rules().await, []);
}

#[tokio::test]
async fn an_outcome_is_recorded_once_and_a_shipped_order_stays_shipped() {
    let provider = Provider::new();
    let recorded = provider.record_outcome("order-1", "not_shipped").await.expect(200).json();
    assert_eq!(
        recorded,
        json!({
            "success": true, "orderId": "order-1", "outcome": "not_shipped",
            "toldAt": "2025-11-24T16:00:00.000Z",
        })
    );
    provider.clock.advance(Duration::from_secs(1));
    assert_eq!(provider.record_outcome("order-1", "not_shipped").await.expect(200).json(), recorded);
    provider.record_outcome("order-1", "shipped").await.expect(200);
    provider.record_outcome("order-1", "not_shipped").await.problem(409, "order_already_shipped");
    provider.record_outcome("order-1", "lost").await.problem(422, "validation_failed");
    provider.record_outcome("two%20words", "shipped").await.problem(400, "invalid_path");
}

#[tokio::test]
async fn the_verdict_counts_orders_by_outcome() {
    let provider = Provider::new();
    ship(&provider, "order-1").await;
    provider.record_outcome("order-1", "shipped").await.expect(200);
    provider.record_outcome("order-2", "not_shipped").await.expect(200);
    provider.authorize().order("order-3").scenario("insufficient_funds").await.expect(402);
    let verdict = provider.get("/verdict").await.expect(200).json();
    assert_eq!(
        verdict,
        json!({"success": true, "orders": 3, "shipped": 1, "returned": 0, "paid": 0, "notShipped": 1, "open": 1, "contradictions": []})
    );
    let verdict = provider.get("/verdict?final=true").await.expect(200).json();
    assert_eq!(
        verdict["contradictions"],
        json!([{"orderId": "order-3", "rule": "outcome_is_told", "detail": "no outcome is recorded for the order"}])
    );
    let one = provider.get("/verdict?orderId=order-1&final=true").await.expect(200).json();
    assert_eq!((&one["orders"], &one["contradictions"]), (&json!(1), &json!([])));
    provider.get("/verdict?orderId=never-seen").await.problem(404, "order_not_found");
    provider.record_outcome("only-outcome", "not_shipped").await.expect(200);
    let verdict = provider.get("/verdict?orderId=only-outcome").await.expect(200).json();
    assert_eq!((&verdict["notShipped"], &verdict["contradictions"]), (&json!(1), &json!([])));
    provider.get("/verdict?final=maybe").await.problem(400, "invalid_query");
    provider.get("/verdict?orderId=").await.problem(400, "invalid_query");
}

#[tokio::test]
async fn the_verdict_detects_a_naive_saga() {
    let provider = Provider::new();
    // Without an idempotency key, a lost answer is a second payment.
    ship(&provider, "twice").await;
    provider.captured("twice").await;
    provider.record_outcome("twice", "shipped").await.expect(200);
    // A saga that takes a timeout for a failure leaves the effect behind.
    provider.authorize().order("timed-out").scenario("timeout_after_commit").await.expect(504);
    provider.record_outcome("timed-out", "not_shipped").await.expect(200);
    // A shipment without its payment.
    provider.reserve().order("unpaid").await.expect(201);
    provider.label().order("unpaid").await.expect(201);
    provider.record_outcome("unpaid", "shipped").await.expect(200);
    // A compensation that stops halfway.
    provider.captured("half").await;
    provider.reserve().order("half").await.expect(201);
    provider.label().order("half").await.expect(201);
    provider.record_outcome("half", "not_shipped").await.expect(200);
    let found: Vec<_> =
        provider.broken_rules().await.into_iter().map(|(order, rule)| (order.unwrap(), rule)).collect();
    let found: Vec<_> = found.iter().map(|(order, rule)| (order.as_str(), rule.as_str())).collect();
    assert_eq!(
        found,
        [
            ("half", "not_shipped_leaves_no_money_captured"),
            ("half", "not_shipped_leaves_no_reservation"),
            ("half", "not_shipped_leaves_no_label"),
            ("timed-out", "not_shipped_leaves_no_hold"),
            ("twice", "shipped_is_paid_once_in_full"),
            ("unpaid", "shipped_is_paid_once_in_full"),
        ]
    );
}

/// No operation writes this entry, so the test writes it to the store.
#[tokio::test]
async fn the_verdict_detects_an_effect_that_no_domain_allows() {
    let provider = Provider::new();
    let auth_id = provider.captured("order-1").await;
    provider.post("/payment/release", &json!({"key": "tombstoned"})).order("order-1").await.expect(200);
    let refund = {
        let ledger = provider.get("/ledger/orders/order-1").await.expect(200).json();
        assert_eq!(ledger["entries"][2]["effect"], "tombstoned");
        NewEntry {
            at: START,
            operation: Some(Operation::new("payment.refund")),
            order: "order-1".parse().ok(),
            key: "tombstoned".parse().ok(),
            resource: Some(auth_id),
            posting: Posting::Refunded(Money { amount: Amount::new(6000), currency: Currency::Usd }),
        }
    };
    provider.store.transact(move |tx| tx.append(refund)).await.unwrap();
    let order = Some("order-1".to_owned());
    assert_eq!(
        provider.broken_rules().await,
        [
            (order.clone(), "refunds_stay_within_captures".to_owned()),
            (order, "no_effect_after_a_tombstone".to_owned()),
        ]
    );
}

#[tokio::test]
async fn an_effect_belongs_to_the_order_of_its_body_despite_the_header() {
    let provider = Provider::new();
    let body = json!({"amount": 1, "currency": "usd", "orderId": "in-body"});
    provider.post("/payment/authorize", &body).order("in-header").await.expect(201);
    let verdict = provider.get("/verdict").await.expect(200).json();
    assert_eq!(verdict["open"], 2);
    assert_eq!(provider.effects("in-body").await, ["held"]);
}

#[tokio::test]
async fn entries_without_an_order_are_judged() {
    let provider = Provider::new();
    provider.post("/payment/release", &json!({"key": "tombstoned"})).await.expect(200);
    let late = NewEntry {
        at: START,
        operation: None,
        order: None,
        key: "tombstoned".parse().ok(),
        resource: Some("lbl".to_owned()),
        posting: Posting::Labelled,
    };
    provider.store.transact(move |tx| tx.append(late)).await.unwrap();
    assert_eq!(provider.broken_rules().await, [(None, "no_effect_after_a_tombstone".to_owned())]);
    assert_eq!(provider.get("/verdict").await.json()["orders"], 0);
}

/// Expiry counts in the totals, the verdict and the views.
#[tokio::test]
async fn totals_verdict_and_views_agree_on_expiry() {
    let provider = Provider::new();
    let auth_id = provider.authorized("lost").await;
    let lost = provider.reserve().order("lost").await.expect(201).text("reservationId");
    provider.captured("shipped").await;
    let used = provider.reserve().order("shipped").await.expect(201).text("reservationId");
    provider.label().order("shipped").await.expect(201);
    provider.record_outcome("shipped", "shipped").await.expect(200);
    provider.record_outcome("lost", "not_shipped").await.expect(200);
    let snapshot = async || {
        let ledger = provider.get("/ledger").await.expect(200).json();
        let (money, stock) = (&ledger["totals"]["usd"], &ledger["reservations"]);
        let both = |name: &str| [&money[name], &stock[name]].map(Value::as_i64);
        let totals = json!([money["held"], both("expired"), stock["reserved"], stock["fulfilled"]]);
        let status = async |path: String| provider.get(&path).await.expect(200).text("status");
        let views = [
            status(format!("/payment/{auth_id}")).await,
            status(format!("/inventory/{lost}")).await,
            status(format!("/inventory/{used}")).await,
        ];
        (totals, views.join(" "), provider.broken_rules().await.len())
    };
    assert_eq!(
        snapshot().await,
        (json!([5998, [0, 0], 1, 1]), "authorized reserved fulfilled".to_owned(), 2)
    );
    provider.clock.advance(Duration::from_mins(30));
    assert_eq!(snapshot().await, (json!([5998, [0, 1], 0, 1]), "authorized expired fulfilled".to_owned(), 1));
    provider.clock.advance(Duration::from_hours(7 * 24));
    assert_eq!(snapshot().await, (json!([0, [5998, 1], 0, 1]), "expired expired fulfilled".to_owned(), 0));
    provider.capture(&auth_id).await.problem(409, "payment_expired");
    assert_eq!(snapshot().await.2, 0);
}

#[tokio::test]
async fn an_expired_authorization_is_no_contradiction() {
    let provider = Provider::new();
    provider.authorized("order-1").await;
    provider.record_outcome("order-1", "not_shipped").await.expect(200);
    assert_eq!(provider.broken_rules().await.len(), 1);
    provider.clock.advance(Duration::from_hours(7 * 24));
    assert_eq!(provider.broken_rules().await, []);
}

#[tokio::test]
async fn the_journal_lists_decisions_and_answers_newest_first() {
    let provider = Provider::new();
    provider.authorize().order("order-1").key("k").header("x-correlation-id", "corr-1").await.expect(201);
    provider.authorize().order("order-1").key("k").await.expect(201);
    let lines = provider.journal("").await;
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["replayed"], &lines[1]["replayed"]), (&json!(true), &json!(false)));
    assert_eq!(
        lines[1],
        json!({
            "number": 0, "at": "2025-11-24T16:00:00.000Z", "operation": "payment.authorize",
            "orderId": "order-1", "idempotencyKey": "k", "correlationId": "corr-1",
            "decision": {
                "scenario": "success", "effect": "apply", "source": "draw", "chaosKey": "order-1",
                "attempt": 1, "overruled": false,
            },
            "replayed": false, "response": "success", "durationMs": 0,
            "body": {"amount": 5998, "currency": "usd", "customerId": null, "orderId": null},
        })
    );
}

#[tokio::test]
async fn the_journal_is_filtered_by_operation_order_scenario_and_limit() {
    let provider = Provider::new();
    for order in ["order-1", "order-2"] {
        provider.authorize().order(order).scenario("timeout_after_commit").await.expect(504);
        provider.reserve().order(order).await.expect(201);
    }
    assert_eq!(provider.journal("?operation=payment.authorize").await.len(), 2);
    assert_eq!(provider.journal("?orderId=order-1").await.len(), 2);
    assert_eq!(provider.journal("?scenario=timeout_after_commit&orderId=order-2").await.len(), 1);
    assert_eq!(provider.journal("?limit=3").await.len(), 3);
    assert_eq!(provider.journal("?operation=nonsense").await.len(), 0);
    for bad in ["0", "10001", "many", "-1"] {
        provider.get(&format!("/journal?limit={bad}")).await.problem(400, "invalid_query");
    }
}

#[tokio::test]
async fn the_journal_can_be_cleared_and_the_ledger_stays() {
    let provider = Provider::new();
    provider.authorized("order-1").await;
    let cleared = provider.ask(axum::http::Method::DELETE, "/journal").await.expect(200).json();
    assert_eq!(cleared, json!({"success": true, "forgotten": 1}));
    assert_eq!(provider.journal("").await.len(), 0);
    assert_eq!(provider.effects("order-1").await, ["held"]);
}

#[tokio::test]
async fn a_misspelled_query_is_refused() {
    let provider = Provider::new();
    for query in [
        "/verdict?finale=true",
        "/verdict?orderID=o",
        "/verdict?final=yes",
        "/verdict?final=true&final=false",
        "/journal?operations=payment.capture",
        "/journal?order=o",
        "/payment/stats/recent?limits=3",
    ] {
        provider.get(query).await.problem(400, "invalid_query");
    }
    provider.put("/chaos/profile?tll=1s", &json!({"name": "outage"})).await.problem(400, "invalid_query");
    assert_eq!(provider.get("/chaos/profile").await.expect(200).text("name"), "off");
    let good = "/journal?operation=payment.capture&scenario=already_captured&orderId=unknown&limit=1";
    assert_eq!(provider.get(good).await.expect(200).json()["entries"], json!([]));
    provider.get("/verdict?orderId=unknown").await.problem(404, "order_not_found");
    provider.get("/ledger/orders/unknown").await.problem(404, "order_not_found");
    assert_eq!(
        provider.get("/verdict?final=true").await.expect(200).json()["orders"],
        0,
        "no order was created"
    );
}
