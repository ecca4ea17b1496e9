//! Every end that an order can have, reached for real; its history is the corpus that replay tests run
//! again. `cargo xtask record` writes those that the corpus doesn't have.

use serde_json::{Value, json};
use xtask::services::{API, PROVIDER, WORKER};

use crate::{
    mutant::{self, Mistake},
    support::{World, record},
};

/// The codes that the ends of these are named after.
const CODES: [(&str, &str); 3] = [
    ("payment-expired", "PAYMENT_EXPIRED"),
    ("ledger-mismatch", "LEDGER_MISMATCH"),
    ("internal", "INTERNAL"),
];

struct Script {
    name: &'static str,
    requires_approval: bool,
    plan: Value,
    /// The step or status, of the order or its first undo, at which something is told to the order.
    at: Option<&'static str>,
    told: Told,
    status: &'static str,
}

#[derive(Clone, Copy)]
enum Told {
    Nothing,
    ByApi(&'static str),
    CancelledByTemporal,
    ResolvedByHand,
}

const fn script(name: &'static str, plan: Value, status: &'static str) -> Script {
    Script { name, requires_approval: false, plan, at: None, told: Told::Nothing, status }
}

fn scripts() -> Vec<Script> {
    let errors = |count: usize| json!(vec!["internal_error"; count]);
    let none = || json!({});
    vec![
        script("shipped", none(), "shipped"),
        Script {
            requires_approval: true,
            at: Some("awaiting_approval"),
            told: Told::ByApi("approve"),
            ..script("shipped-after-approval", none(), "shipped")
        },
        script("shipped-without-notification", json!({"notification.send": errors(1)}), "shipped"),
        Script {
            requires_approval: true,
            at: Some("awaiting_approval"),
            told: Told::ByApi("reject"),
            ..script("rejected", none(), "rejected")
        },
        Script { requires_approval: true, ..script("approval-timeout", none(), "rejected") },
        Script {
            at: Some("creating_shipping_label"),
            told: Told::ByApi("cancel"),
            ..script("cancelled-while-labelled", none(), "cancelled")
        },
        Script {
            at: Some("creating_shipping_label"),
            told: Told::CancelledByTemporal,
            ..script("cancelled-by-temporal", none(), "cancelled")
        },
        script("declined", json!({"payment.authorize": ["insufficient_funds"]}), "failed"),
        script("out-of-stock", json!({"inventory.reserve": ["out_of_stock"]}), "failed"),
        script("undeliverable", json!({"shipping.create-label": ["address_error"]}), "failed"),
        script(
            "compensation-retried",
            json!({"shipping.create-label": ["address_error"], "payment.refund": errors(3)}),
            "failed",
        ),
        Script {
            at: Some("compensation_failed"),
            told: Told::ResolvedByHand,
            ..script(
                "compensation-resolved",
                json!({"inventory.reserve": ["out_of_stock"], "payment.release": errors(30)}),
                "failed",
            )
        },
        // Undos whose waits are the workflow's own.
        script("undone-in-reverse", json!({"shipping.create-label": ["address_error"]}), "failed"),
        script(
            "undo-waited",
            json!({"inventory.reserve": ["out_of_stock"], "payment.release": errors(1)}),
            "failed",
        ),
        script(
            "undo-failed-for-a-round",
            json!({"inventory.reserve": ["out_of_stock"], "payment.release": errors(3)}),
            "failed",
        ),
        Script {
            at: Some("waiting"),
            told: Told::ByApi("retry-compensation"),
            ..script("undo-restarted", json!({"inventory.reserve": ["out_of_stock"]}), "failed")
        },
        Script {
            at: Some("waiting"),
            told: Told::ResolvedByHand,
            ..script("undo-resolved-waiting", json!({"inventory.reserve": ["out_of_stock"]}), "failed")
        },
        Script {
            at: Some("running"),
            told: Told::ResolvedByHand,
            ..script("undo-resolved-running", json!({"inventory.reserve": ["out_of_stock"]}), "failed")
        },
        Script {
            at: Some("compensation_failed"),
            told: Told::ResolvedByHand,
            ..script("undo-refused", json!({"inventory.reserve": ["out_of_stock"]}), "failed")
        },
        script("provider-unavailable", json!({"payment.authorize": errors(3)}), "failed"),
        // What the provider answers to these is in `mutant`, by their names.
        script("payment-expired", none(), "failed"),
        script("ledger-mismatch", none(), "failed"),
        script("internal", none(), "failed"),
    ]
}

#[tokio::test]
async fn every_end_is_reached_and_can_be_recorded() {
    let (address, to) = mutant::start(Mistake::StrangeAnswers).await;
    let world = World::start_with("history", |options| {
        options.environment.push((&WORKER, "PROVIDER_URL", format!("http://{address}")));
        to.send(options.ports.url(&PROVIDER)).unwrap();
        options.environment.push((&API, "APPROVAL_TIMEOUT", "2s".to_owned()));
        options.environment.push((&API, "RETRY_AFTER_MAXIMUM", "10m".to_owned()));
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "1500ms".to_owned()));
    })
    .await;
    for script in scripts() {
        play(&world, &script).await;
    }
    world.stop().await;
}

async fn play(world: &World, script: &Script) {
    world.plan(script.name, &script.plan).await;
    let mut order = world.order(script.name);
    order["requiresApproval"] = json!(script.requires_approval);
    world.place(&order).await;
    if let Some(at) = script.at {
        let is_there = |state: &Value| {
            state["currentStep"] == at || state["status"] == at || state["compensations"][0]["status"] == at
        };
        world.until(script.name, at, is_there).await;
    }
    let workflow = format!("order-fulfillment-{}", world.id(script.name));
    match script.told {
        Told::Nothing => {}
        Told::ByApi(what) => assert_eq!(world.tell(script.name, what, None).await.0, 200),
        Told::CancelledByTemporal => {
            world.temporal(&["workflow", "cancel", "-w", &workflow]).await;
        }
        Told::ResolvedByHand => {
            let body =
                json!({"step": "release_payment", "note": "released in the dashboard", "actor": "ops"});
            assert_eq!(world.tell(script.name, "resolve-compensation", Some(&body)).await.0, 200);
        }
    }
    let end = world.end(script.name).await;
    assert_eq!(end["status"], script.status, "{}: {end}", script.name);
    if let Some((_, code)) = CODES.iter().find(|(name, _)| *name == script.name) {
        assert_eq!(end["error"]["code"], *code, "{}: {end}", script.name);
    }
    if !matches!(script.told, Told::ResolvedByHand) {
        world.must_agree(script.name, &end).await;
    }
    record(script.name, &workflow).await;
}
