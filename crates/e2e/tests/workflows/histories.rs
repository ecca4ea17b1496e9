//! Every end that a payment and a user context can have, reached for real; its history is the corpus that
//! replay tests run again. `cargo xtask record` writes those that the corpus doesn't have.

use std::time::Duration;

use serde_json::{Value, json};
use user_context::stand_in::{Conduct, Source, StandIn};
use xtask::services::API;

use crate::{
    flow::{Flow, must_stay, pay, start},
    support::{World, record},
    user_contexts::sources_at,
};

/// What is told to a payment once it has come to a status.
enum Told {
    Nothing,
    Cancelled,
    CancelledByTemporal,
    /// And its refund, which fails, is resolved by hand.
    CancelledAndResolved,
}

#[tokio::test]
async fn every_end_of_a_payment_is_reached_and_can_be_recorded() {
    let world = World::start_with("payhistory", |options| {
        options.environment.push((&API, "PAYMENT_CANCEL_WINDOW", "3s".to_owned()));
    })
    .await;
    let errors = |count: usize| json!(vec!["internal_error"; count]);
    let scripts = [
        ("payment-succeeded", json!({}), Told::Nothing, "succeeded"),
        ("payment-declined", json!({"payment.charge": ["insufficient_funds"]}), Told::Nothing, "failed"),
        ("payment-unavailable", json!({"payment.charge": errors(3)}), Told::Nothing, "failed"),
        ("payment-cancelled", json!({}), Told::Cancelled, "compensated"),
        ("payment-cancelled-by-temporal", json!({}), Told::CancelledByTemporal, "compensated"),
        ("payment-refund-waited", json!({"payment.refund": errors(1)}), Told::Cancelled, "compensated"),
        ("payment-refund-retried", json!({"payment.refund": errors(3)}), Told::Cancelled, "compensated"),
        (
            "payment-refund-resolved",
            json!({"payment.refund": errors(30)}),
            Told::CancelledAndResolved,
            "compensated",
        ),
    ];
    for (name, plan, told, status) in scripts {
        play(&world, name, &plan, told, status).await;
    }
    world.stop().await;
}

async fn play(world: &World, name: &str, plan: &Value, told: Told, status: &str) {
    world.plan(name, plan).await;
    let flow = pay(world, name).await;
    if !matches!(told, Told::Nothing) {
        flow.until_status("succeeded").await;
    }
    match told {
        Told::Nothing => {}
        Told::Cancelled => assert_eq!(flow.cancel().await.0, 200, "{name}"),
        Told::CancelledByTemporal => {
            world.temporal(&["workflow", "cancel", "-w", &flow.id]).await;
        }
        Told::CancelledAndResolved => {
            assert_eq!(flow.cancel().await.0, 200, "{name}");
            flow.until_status("compensation_failed").await;
            let by_hand = r#"{"step":"refund_charge","note":"refunded in the dashboard","actor":"ops"}"#;
            flow.signal("resolveCompensation", Some(by_hand)).await;
        }
    }
    let end = flow.end().await;
    assert_eq!(end["status"], status, "{name}: {end}");
    match (status, told) {
        ("succeeded", _) => must_stay(world, name).await,
        // Nobody gave the money back in truth.
        (_, Told::CancelledAndResolved) => {
            assert_eq!(end["compensations"][0]["status"], "resolved", "{end}");
        }
        _ => world.must_agree(name, &end).await,
    }
    record(name, &flow.id).await;
}

#[tokio::test]
async fn every_end_of_a_user_context_is_reached_and_can_be_recorded() {
    let sources = StandIn::start().await.unwrap();
    let world = World::start_with("ctxhistory", |options| sources_at(options, sources.url())).await;
    let scripts = [
        ("user-context-parallel", "parallel", None, "completed"),
        ("user-context-sequential", "sequential", None, "completed"),
        ("user-context-partial", "parallel", Some((Source::Ipapi, Conduct::Fails(404))), "completed"),
        ("user-context-unavailable", "sequential", Some((Source::CatFact, Conduct::Fails(404))), "failed"),
        (
            "user-context-cancelled",
            "parallel",
            Some((Source::OpenMeteo, Conduct::Late(Duration::from_millis(2900)))),
            "cancelled",
        ),
    ];
    for (name, strategy, conduct, status) in scripts {
        for source in [Source::Ipapi, Source::OpenMeteo, Source::CatFact] {
            sources.tell(source, Conduct::Answers);
        }
        if let Some((source, conduct)) = conduct {
            sources.tell(source, conduct);
        }
        if status == "failed" {
            sources.tell(Source::Ipapi, Conduct::Fails(404));
        }
        let body = json!({"userId": name, "strategy": strategy});
        let (_, started) = start(&world, "user-context", &body).await;
        let flow = Flow::of(&world, &started);
        if status == "cancelled" {
            flow.until("located", |state| !state["location"].is_null()).await;
            assert_eq!(flow.cancel().await.0, 200, "{name}");
        }
        let end = flow.end().await;
        assert_eq!(end["status"], status, "{name}: {end}");
        record(name, &flow.id).await;
    }
    world.stop().await;
}
