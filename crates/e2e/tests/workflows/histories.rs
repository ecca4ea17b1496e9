//! Every end that a payment and a user context can have, reached for real; its history is the corpus that
//! replay tests run again. `cargo xtask record` writes those that the corpus doesn't have.

use serde_json::{Value, json};
use xtask::services::API;

use crate::{
    flow::{must_stay, pay},
    support::{World, record},
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
