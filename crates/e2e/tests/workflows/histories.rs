//! Reaches every end of a payment and of a user context on a real stack. `cargo xtask record` adds the missing
//! histories to the corpus of the replay tests.

use std::time::Duration;

use serde_json::{Value, json};
use user_context::stand_in::{Conduct, Source, StandIn};
use xtask::services::API;

use crate::{
    support::{TestStack, record},
    user_contexts::sources_at,
    workflow_client::{WorkflowClient, assert_settled, pay, start},
};

/// The signal that a payment gets after its charge.
enum Signal {
    None,
    Cancel,
    TemporalCancellation,
    /// The refund fails, and is resolved by hand.
    CancelAndResolve,
}

#[tokio::test]
async fn every_end_of_a_payment_is_reached_and_can_be_recorded() {
    let test = TestStack::start_with("payhistory", |options| {
        options.environment.push((&API, "PAYMENT_CANCEL_WINDOW", "3s".to_owned()));
    })
    .await;
    let errors = |count: usize| json!(vec!["internal_error"; count]);
    let scripts = [
        ("payment-succeeded", json!({}), Signal::None, "succeeded"),
        ("payment-declined", json!({"payment.charge": ["insufficient_funds"]}), Signal::None, "failed"),
        ("payment-unavailable", json!({"payment.charge": errors(3)}), Signal::None, "failed"),
        ("payment-cancelled", json!({}), Signal::Cancel, "compensated"),
        ("payment-cancelled-by-temporal", json!({}), Signal::TemporalCancellation, "compensated"),
        ("payment-refund-waited", json!({"payment.refund": errors(1)}), Signal::Cancel, "compensated"),
        ("payment-refund-retried", json!({"payment.refund": errors(3)}), Signal::Cancel, "compensated"),
        (
            "payment-refund-resolved",
            json!({"payment.refund": errors(30)}),
            Signal::CancelAndResolve,
            "compensated",
        ),
    ];
    for (name, plan, signal, status) in scripts {
        run_script(&test, name, &plan, signal, status).await;
    }
    test.stop().await;
}

async fn run_script(test: &TestStack, name: &str, plan: &Value, signal: Signal, status: &str) {
    test.plan(name, plan).await;
    let workflow = pay(test, name).await;
    if !matches!(signal, Signal::None) {
        workflow.wait_for_status("succeeded").await;
    }
    match signal {
        Signal::None => {}
        Signal::Cancel => assert_eq!(workflow.cancel().await.0, 200, "{name}"),
        Signal::TemporalCancellation => {
            test.temporal(&["workflow", "cancel", "-w", &workflow.id]).await;
        }
        Signal::CancelAndResolve => {
            assert_eq!(workflow.cancel().await.0, 200, "{name}");
            workflow.wait_for_status("compensation_failed").await;
            let resolution = r#"{"step":"refund_charge","note":"refunded in the dashboard","actor":"ops"}"#;
            workflow.signal("resolveCompensation", Some(resolution)).await;
        }
    }
    let end = workflow.wait_for_end().await;
    assert_eq!(end["status"], status, "{name}: {end}");
    match (status, signal) {
        ("succeeded", _) => assert_settled(test, name).await,
        // The ledger has no refund, since the resolution only claims one.
        (_, Signal::CancelAndResolve) => {
            assert_eq!(end["compensations"][0]["status"], "resolved", "{end}");
        }
        _ => test.assert_verdict(name, &end).await,
    }
    record(name, &workflow.id).await;
}

#[tokio::test]
async fn every_end_of_a_user_context_is_reached_and_can_be_recorded() {
    let sources = StandIn::start().await.unwrap();
    let test = TestStack::start_with("ctxhistory", |options| sources_at(options, sources.url())).await;
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
            sources.set_behaviour(source, Conduct::Answers);
        }
        if let Some((source, conduct)) = conduct {
            sources.set_behaviour(source, conduct);
        }
        if status == "failed" {
            sources.set_behaviour(Source::Ipapi, Conduct::Fails(404));
        }
        let body = json!({"userId": name, "strategy": strategy});
        let (_, started) = start(&test, "user-context", &body).await;
        let workflow = WorkflowClient::of(&test, &started);
        if status == "cancelled" {
            workflow.wait_for_state("located", |state| !state["location"].is_null()).await;
            assert_eq!(workflow.cancel().await.0, 200, "{name}");
        }
        let end = workflow.wait_for_end().await;
        assert_eq!(end["status"], status, "{name}: {end}");
        record(name, &workflow.id).await;
    }
    test.stop().await;
}
