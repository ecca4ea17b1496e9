//! A table of every case of an idempotency key, against a running server.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Provider, RunningServer, address, eventually};

/// The request of a step.
#[derive(Clone, Copy)]
enum RequestKind {
    Authorize,
    /// The same path with another body.
    AuthorizeLess,
    Capture,
    Reserve,
    Label,
    ReleaseByKey,
    CancelByKey,
    Invalid,
}

/// One line of a case.
enum Step {
    /// A request, its scenario, the expected status and code, and true for a replay.
    Answered(RequestKind, &'static str, u16, &'static str, bool),
    /// A request that is sent and not awaited.
    InFlight(RequestKind, &'static str),
    Advance(Duration),
    /// The expected effects so far.
    ExpectEffects(&'static [&'static str]),
}

use RequestKind::{Authorize, AuthorizeLess, CancelByKey, Capture, Invalid, Label, ReleaseByKey, Reserve};
use Step::{Advance, Answered, ExpectEffects, InFlight};

const DAY: Duration = Duration::from_hours(24);
const KEY: &str = "key";

fn request(kind: RequestKind) -> (&'static str, Value) {
    match kind {
        Authorize => ("/payment/authorize", json!({"amount": 5998, "currency": "usd"})),
        AuthorizeLess => ("/payment/authorize", json!({"amount": 1, "currency": "usd"})),
        Capture => ("/payment/capture", json!({"authId": "unknown"})),
        Reserve => ("/inventory/reserve", json!({"items": [{"sku": "A", "quantity": 1}]})),
        Label => ("/shipping/create-label", json!({"shippingAddress": address()})),
        ReleaseByKey => ("/payment/release", json!({"key": KEY})),
        CancelByKey => ("/shipping/cancel", json!({"key": KEY})),
        Invalid => ("/payment/authorize", json!({"amount": 0})),
    }
}

async fn send(server: &RunningServer, kind: RequestKind, scenario: &str) -> (u16, String, String) {
    let (path, body) = request(kind);
    let is_undo = matches!(kind, ReleaseByKey | CancelByKey);
    let mut headers = vec![("X-Order-Id", "order"), ("X-Chaos-Scenario", scenario)];
    if !is_undo {
        headers.push(("Idempotency-Key", KEY));
    }
    server.post(path, &headers, &body).await
}

async fn assert_steps(case: &str, variables: &[(&str, &str)], steps: &[Step]) {
    let provider = Provider::with(variables);
    let server = Arc::new(provider.serve().await);
    let mut in_flight = JoinSet::new();
    for (index, step) in steps.iter().enumerate() {
        let place = format!("{case}, step {index}");
        match step {
            Answered(kind, scenario, status, code, replayed) => {
                let (found, head, body) = send(&server, *kind, scenario).await;
                let body: Value = serde_json::from_str(&body).unwrap_or_default();
                let answer =
                    (found, body["error"].as_str().unwrap_or(""), head.contains("idempotent-replayed: true"));
                assert_eq!(answer, (*status, *code, *replayed), "{place}: {body}");
            }
            InFlight(kind, scenario) => {
                let (server, kind, scenario) = (Arc::clone(&server), *kind, *scenario);
                let before = provider.journal("").await.len();
                in_flight.spawn(async move { send(&server, kind, scenario).await });
                eventually(&place, async || (provider.journal("").await.len() > before).then_some(())).await;
            }
            Advance(time) => provider.clock.advance(*time),
            ExpectEffects(effects) => assert_eq!(provider.effects("order").await, *effects, "{place}"),
        }
    }
    in_flight.abort_all();
}

#[tokio::test]
async fn an_answered_key() {
    for (case, steps) in [
        (
            "success",
            vec![
                Answered(Authorize, "success", 201, "", false),
                Answered(Authorize, "timeout", 201, "", true),
            ],
        ),
        (
            "other body",
            vec![
                Answered(Authorize, "success", 201, "", false),
                Answered(AuthorizeLess, "success", 409, "idempotency_key_reused", false),
                Answered(Authorize, "success", 201, "", true),
            ],
        ),
        (
            "other path",
            vec![
                Answered(Authorize, "success", 201, "", false),
                Answered(Reserve, "success", 409, "idempotency_key_reused", false),
            ],
        ),
        (
            "declined",
            vec![
                Answered(Authorize, "insufficient_funds", 402, "insufficient_funds", false),
                Answered(Authorize, "success", 402, "insufficient_funds", true),
                ExpectEffects(&[]),
            ],
        ),
        (
            "out of stock",
            vec![
                Answered(Reserve, "out_of_stock", 409, "out_of_stock", false),
                Answered(Reserve, "success", 409, "out_of_stock", true),
                ExpectEffects(&[]),
            ],
        ),
        (
            "bad address",
            vec![
                Answered(Label, "address_error", 422, "address_error", false),
                Answered(Label, "success", 422, "address_error", true),
                ExpectEffects(&[]),
            ],
        ),
        (
            "the stored answer expired, its target remains",
            vec![
                Answered(Authorize, "success", 201, "", false),
                Advance(DAY),
                Answered(ReleaseByKey, "success", 200, "", false),
                Answered(Authorize, "success", 201, "", false),
                ExpectEffects(&["held", "released", "held"]),
            ],
        ),
    ] {
        assert_steps(case, &[], &steps).await;
    }
}

#[tokio::test]
async fn a_key_without_an_execution_is_free() {
    for (case, first) in [
        ("unknown id", Answered(Capture, "success", 404, "payment_not_found", false)),
        ("invalid", Answered(Invalid, "success", 422, "validation_failed", false)),
        ("rate limited", Answered(Authorize, "rate_limited", 429, "rate_limited", false)),
        ("failed", Answered(Authorize, "internal_error", 500, "internal_error", false)),
        ("timed out", Answered(Authorize, "timeout", 504, "timeout", false)),
        ("reset", Answered(Authorize, "connection_reset", 0, "", false)),
        ("truncated", Answered(Authorize, "truncated_body", 500, "", false)),
        ("garbled", Answered(Authorize, "malformed_json", 500, "", false)),
    ] {
        let steps = [first, Answered(AuthorizeLess, "success", 201, "", false), ExpectEffects(&["held"])];
        assert_steps(case, &[], &steps).await;
    }
}

#[tokio::test]
async fn a_key_with_a_lost_answer_replays_it() {
    for (scenario, status, code) in [
        ("timeout_after_commit", 504, "timeout"),
        ("connection_reset_after_commit", 0, ""),
        ("truncated_body_after_commit", 201, ""),
        ("malformed_json_after_commit", 201, ""),
    ] {
        let steps = [
            Answered(Authorize, scenario, status, code, false),
            ExpectEffects(&["held"]),
            Answered(Authorize, "success", 201, "", true),
            ExpectEffects(&["held"]),
        ];
        assert_steps(scenario, &[], &steps).await;
    }
}

#[tokio::test]
async fn a_key_in_flight() {
    let in_flight = [
        InFlight(Label, "success"),
        Answered(Label, "success", 409, "idempotency_key_in_use", false),
        Answered(Authorize, "success", 409, "idempotency_key_reused", false),
        ExpectEffects(&[]),
    ];
    assert_steps("in flight", &[("SHIPPING_LABEL_DURATION", "1h")], &in_flight).await;
    let delayed = [
        InFlight(Authorize, "timeout_after_commit"),
        ExpectEffects(&["held"]),
        Answered(Authorize, "success", 201, "", true),
    ];
    assert_steps("delayed after its commit", &[("CHAOS_TIMEOUT_DELAY", "1h")], &delayed).await;
}

#[tokio::test]
async fn an_undone_key() {
    let before = [
        Answered(ReleaseByKey, "success", 200, "", false),
        Answered(Authorize, "success", 409, "undone_before_execution", false),
        Answered(Authorize, "success", 409, "undone_before_execution", true),
        Advance(DAY),
        Answered(Authorize, "success", 409, "undone_before_execution", false),
        ExpectEffects(&["tombstoned"]),
    ];
    assert_steps("before it ran", &[], &before).await;
    let during = [
        InFlight(Label, "success"),
        Answered(CancelByKey, "success", 200, "", false),
        ExpectEffects(&["tombstoned"]),
        Answered(Label, "success", 409, "undone_before_execution", false),
    ];
    assert_steps("while it ran", &[("SHIPPING_LABEL_DURATION", "1h")], &during).await;
    let after = [
        Answered(Authorize, "success", 201, "", false),
        Answered(ReleaseByKey, "success", 200, "", false),
        Answered(Authorize, "success", 201, "", true),
        Answered(ReleaseByKey, "success", 200, "", false),
        ExpectEffects(&["held", "released"]),
    ];
    assert_steps("after it ran", &[], &after).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_connections_with_one_key_have_one_effect() {
    let provider = Provider::new();
    let server = Arc::new(provider.serve().await);
    let mut clients = JoinSet::new();
    for _ in 0..64 {
        let server = Arc::clone(&server);
        clients.spawn(async move { send(&server, Authorize, "success").await });
    }
    let answers = clients.join_all().await;
    assert!(answers.iter().all(|(status, _, body)| *status == 201 && *body == answers[0].2));
    assert_eq!(answers.iter().filter(|(_, head, _)| !head.contains("idempotent-replayed")).count(), 1);
    assert_eq!(provider.effects("order").await, ["held"]);
}
