//! Every case of an idempotency key, as a table, against a running server.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::help::{Provider, Served, address, eventually};

/// What is sent.
#[derive(Clone, Copy)]
enum Ask {
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
    /// Under a scenario; what is answered (a status, and a code or nothing), and whether it is a replay.
    Answered(Ask, &'static str, u16, &'static str, bool),
    /// Sent, and not waited for.
    Parked(Ask, &'static str),
    Wait(Duration),
    /// All effects so far.
    Effects(&'static [&'static str]),
}

use Ask::{Authorize, AuthorizeLess, CancelByKey, Capture, Invalid, Label, ReleaseByKey, Reserve};
use Step::{Answered, Effects, Parked, Wait};

const DAY: Duration = Duration::from_hours(24);
const KEY: &str = "key";

fn request(send: Ask) -> (&'static str, Value) {
    match send {
        Authorize => ("/payment/authorize", json!({"amount": 5998, "currency": "usd"})),
        AuthorizeLess => ("/payment/authorize", json!({"amount": 1, "currency": "usd"})),
        Capture => ("/payment/capture", json!({"authId": "nobody"})),
        Reserve => ("/inventory/reserve", json!({"items": [{"sku": "A", "quantity": 1}]})),
        Label => ("/shipping/create-label", json!({"shippingAddress": address()})),
        ReleaseByKey => ("/payment/release", json!({"key": KEY})),
        CancelByKey => ("/shipping/cancel", json!({"key": KEY})),
        Invalid => ("/payment/authorize", json!({"amount": 0})),
    }
}

async fn send(served: &Served, send: Ask, scenario: &str) -> (u16, String, String) {
    let (path, body) = request(send);
    let is_undo = matches!(send, ReleaseByKey | CancelByKey);
    let mut headers = vec![("X-Order-Id", "order"), ("X-Chaos-Scenario", scenario)];
    if !is_undo {
        headers.push(("Idempotency-Key", KEY));
    }
    served.post(path, &headers, &body).await
}

async fn holds(case: &str, variables: &[(&str, &str)], steps: &[Step]) {
    let provider = Provider::with(variables);
    let served = Arc::new(provider.serve().await);
    let mut parked = JoinSet::new();
    for (index, step) in steps.iter().enumerate() {
        let place = format!("{case}, step {index}");
        match step {
            Answered(what, scenario, status, code, replayed) => {
                let (found, head, body) = send(&served, *what, scenario).await;
                let body: Value = serde_json::from_str(&body).unwrap_or_default();
                let answer =
                    (found, body["error"].as_str().unwrap_or(""), head.contains("idempotent-replayed: true"));
                assert_eq!(answer, (*status, *code, *replayed), "{place}: {body}");
            }
            Parked(what, scenario) => {
                let (served, what, scenario) = (Arc::clone(&served), *what, *scenario);
                let before = provider.journal("").await.len();
                parked.spawn(async move { send(&served, what, scenario).await });
                eventually(&place, async || (provider.journal("").await.len() > before).then_some(())).await;
            }
            Wait(time) => provider.clock.advance(*time),
            Effects(effects) => assert_eq!(provider.effects("order").await, *effects, "{place}"),
        }
    }
    parked.abort_all();
}

#[tokio::test]
async fn a_key_that_was_answered() {
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
                Effects(&[]),
            ],
        ),
        (
            "out of stock",
            vec![
                Answered(Reserve, "out_of_stock", 409, "out_of_stock", false),
                Answered(Reserve, "success", 409, "out_of_stock", true),
                Effects(&[]),
            ],
        ),
        (
            "bad address",
            vec![
                Answered(Label, "address_error", 422, "address_error", false),
                Answered(Label, "success", 422, "address_error", true),
                Effects(&[]),
            ],
        ),
        (
            "the answer is over, what it led to is not",
            vec![
                Answered(Authorize, "success", 201, "", false),
                Wait(DAY),
                Answered(ReleaseByKey, "success", 200, "", false),
                Answered(Authorize, "success", 201, "", false),
                Effects(&["held", "released", "held"]),
            ],
        ),
    ] {
        holds(case, &[], &steps).await;
    }
}

#[tokio::test]
async fn a_key_whose_request_was_never_executed_is_free() {
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
        let steps = [first, Answered(AuthorizeLess, "success", 201, "", false), Effects(&["held"])];
        holds(case, &[], &steps).await;
    }
}

#[tokio::test]
async fn a_key_whose_answer_was_lost_has_the_real_one() {
    for (scenario, status, code) in [
        ("timeout_after_commit", 504, "timeout"),
        ("connection_reset_after_commit", 0, ""),
        ("truncated_body_after_commit", 201, ""),
        ("malformed_json_after_commit", 201, ""),
    ] {
        let steps = [
            Answered(Authorize, scenario, status, code, false),
            Effects(&["held"]),
            Answered(Authorize, "success", 201, "", true),
            Effects(&["held"]),
        ];
        holds(scenario, &[], &steps).await;
    }
}

#[tokio::test]
async fn a_key_whose_request_is_under_way() {
    let in_flight = [
        Parked(Label, "success"),
        Answered(Label, "success", 409, "idempotency_key_in_use", false),
        Answered(Authorize, "success", 409, "idempotency_key_reused", false),
        Effects(&[]),
    ];
    holds("in flight", &[("SHIPPING_LABEL_DURATION", "1h")], &in_flight).await;
    let parked = [
        Parked(Authorize, "timeout_after_commit"),
        Effects(&["held"]),
        Answered(Authorize, "success", 201, "", true),
    ];
    holds("parked after its commit", &[("CHAOS_TIMEOUT_DELAY", "1h")], &parked).await;
}

#[tokio::test]
async fn a_key_that_is_undone() {
    let before = [
        Answered(ReleaseByKey, "success", 200, "", false),
        Answered(Authorize, "success", 409, "undone_before_execution", false),
        Answered(Authorize, "success", 409, "undone_before_execution", true),
        Wait(DAY),
        Answered(Authorize, "success", 409, "undone_before_execution", false),
        Effects(&["tombstoned"]),
    ];
    holds("before it ran", &[], &before).await;
    let during = [
        Parked(Label, "success"),
        Answered(CancelByKey, "success", 200, "", false),
        Effects(&["tombstoned"]),
        Answered(Label, "success", 409, "undone_before_execution", false),
    ];
    holds("while it ran", &[("SHIPPING_LABEL_DURATION", "1h")], &during).await;
    let after = [
        Answered(Authorize, "success", 201, "", false),
        Answered(ReleaseByKey, "success", 200, "", false),
        Answered(Authorize, "success", 201, "", true),
        Answered(ReleaseByKey, "success", 200, "", false),
        Effects(&["held", "released"]),
    ];
    holds("after it ran", &[], &after).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_connections_with_one_key_have_one_effect() {
    let provider = Provider::new();
    let served = Arc::new(provider.serve().await);
    let mut clients = JoinSet::new();
    for _ in 0..64 {
        let served = Arc::clone(&served);
        clients.spawn(async move { send(&served, Authorize, "success").await });
    }
    let answers = clients.join_all().await;
    assert!(answers.iter().all(|(status, _, body)| *status == 201 && *body == answers[0].2));
    assert_eq!(answers.iter().filter(|(_, head, _)| !head.contains("idempotent-replayed")).count(), 1);
    assert_eq!(provider.effects("order").await, ["held"]);
}
