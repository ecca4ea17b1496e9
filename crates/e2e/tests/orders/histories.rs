//! Reaches every end of an order on a real stack. `cargo xtask record` adds the missing histories to the corpus of the
//! replay tests.

use reqwest::Method;
use serde_json::{Value, json};
use xtask::services::{API, PROVIDER, WORKER};

use crate::{
    faulty_proxy::{self, Mutation},
    support::{TestStack, record},
};

/// The failure codes of the scripts that are named after them.
const CODES: [(&str, &str); 3] = [
    ("payment-expired", "PAYMENT_EXPIRED"),
    ("ledger-mismatch", "LEDGER_MISMATCH"),
    ("internal", "INTERNAL"),
];

struct HistoryScript {
    name: &'static str,
    requires_approval: bool,
    plan: Value,
    /// The step or status, of the order or its first undo, at which something is signal to the order.
    at: Option<&'static str>,
    signal: Signal,
    status: &'static str,
}

#[derive(Clone, Copy)]
enum Signal {
    None,
    Api(&'static str),
    /// A new address, and then an approval.
    AddressAndApproval,
    TemporalCancellation,
    Resolution,
}

const fn script(name: &'static str, plan: Value, status: &'static str) -> HistoryScript {
    HistoryScript { name, requires_approval: false, plan, at: None, signal: Signal::None, status }
}

fn scripts() -> Vec<HistoryScript> {
    let errors = |count: usize| json!(vec!["internal_error"; count]);
    let none = || json!({});
    vec![
        script("shipped", none(), "shipped"),
        HistoryScript {
            requires_approval: true,
            at: Some("awaiting_approval"),
            signal: Signal::Api("approve"),
            ..script("shipped-after-approval", none(), "shipped")
        },
        script("shipped-without-notification", json!({"notification.send": errors(1)}), "shipped"),
        HistoryScript {
            requires_approval: true,
            at: Some("awaiting_approval"),
            signal: Signal::Api("reject"),
            ..script("rejected", none(), "rejected")
        },
        HistoryScript { requires_approval: true, ..script("approval-timeout", none(), "rejected") },
        HistoryScript {
            at: Some("creating_shipping_label"),
            signal: Signal::Api("cancel"),
            ..script("cancelled-while-labelled", none(), "cancelled")
        },
        HistoryScript {
            at: Some("creating_shipping_label"),
            signal: Signal::TemporalCancellation,
            ..script("cancelled-by-temporal", none(), "cancelled")
        },
        HistoryScript {
            requires_approval: true,
            at: Some("awaiting_approval"),
            signal: Signal::Api("approve"),
            ..script("decided-by-update", none(), "shipped")
        },
        HistoryScript {
            requires_approval: true,
            at: Some("awaiting_approval"),
            signal: Signal::AddressAndApproval,
            ..script("address-changed", none(), "shipped")
        },
        script("declined", json!({"payment.authorize": ["insufficient_funds"]}), "failed"),
        script("out-of-stock", json!({"inventory.reserve": ["out_of_stock"]}), "failed"),
        script("undeliverable", json!({"shipping.create-label": ["address_error"]}), "failed"),
        script(
            "compensation-retried",
            json!({"shipping.create-label": ["address_error"], "payment.refund": errors(3)}),
            "failed",
        ),
        HistoryScript {
            at: Some("compensation_failed"),
            signal: Signal::Resolution,
            ..script(
                "compensation-resolved",
                json!({"inventory.reserve": ["out_of_stock"], "payment.release": errors(30)}),
                "failed",
            )
        },
        // These compensations wait in the workflow, not in the activity's retry policy.
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
        HistoryScript {
            at: Some("waiting"),
            signal: Signal::Api("retry-compensation"),
            ..script("undo-restarted", json!({"inventory.reserve": ["out_of_stock"]}), "failed")
        },
        HistoryScript {
            at: Some("waiting"),
            signal: Signal::Resolution,
            ..script("undo-resolved-waiting", json!({"inventory.reserve": ["out_of_stock"]}), "failed")
        },
        HistoryScript {
            at: Some("running"),
            signal: Signal::Resolution,
            ..script("undo-resolved-running", json!({"inventory.reserve": ["out_of_stock"]}), "failed")
        },
        HistoryScript {
            at: Some("compensation_failed"),
            signal: Signal::Resolution,
            ..script("undo-refused", json!({"inventory.reserve": ["out_of_stock"]}), "failed")
        },
        script("provider-unavailable", json!({"payment.authorize": errors(3)}), "failed"),
        // The answers to these are in `faulty_proxy`, by the same names.
        script("payment-expired", none(), "failed"),
        script("ledger-mismatch", none(), "failed"),
        script("internal", none(), "failed"),
    ]
}

#[tokio::test]
async fn every_end_is_reached_and_can_be_recorded() {
    let (address, to) = faulty_proxy::start(Mutation::UnexpectedAnswers).await;
    let test = TestStack::start_with("history", |options| {
        options.environment.push((&WORKER, "PROVIDER_URL", format!("http://{address}")));
        to.send(options.ports.url(&PROVIDER)).unwrap();
        options.environment.push((&API, "APPROVAL_TIMEOUT", "2s".to_owned()));
        options.environment.push((&API, "RETRY_AFTER_MAXIMUM", "10m".to_owned()));
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "1500ms".to_owned()));
    })
    .await;
    for script in scripts() {
        run_script(&test, &script).await;
    }
    test.stop().await;
}

async fn run_script(test: &TestStack, script: &HistoryScript) {
    test.plan(script.name, &script.plan).await;
    let mut order = test.order(script.name);
    order["requiresApproval"] = json!(script.requires_approval);
    test.place(&order).await;
    if let Some(at) = script.at {
        let is_there = |state: &Value| {
            state["currentStep"] == at || state["status"] == at || state["compensations"][0]["status"] == at
        };
        test.wait_for_state(script.name, at, is_there).await;
    }
    let workflow = format!("order-fulfillment-{}", test.order_id(script.name));
    match script.signal {
        Signal::None => {}
        Signal::Api(action) => assert_eq!(test.signal_by_api(script.name, action, None).await.0, 200),
        Signal::AddressAndApproval => {
            let path = format!("/api/v1/order/{workflow}/shipping-address");
            let address = json!({"street": "1 New Row", "city": "Wien", "zip": "1010", "country": "AT"});
            assert_eq!(test.call(&API, Method::PUT, &path, Some(&address)).await.0, 200);
            assert_eq!(test.signal_by_api(script.name, "approve", None).await.0, 200);
        }
        Signal::TemporalCancellation => {
            test.temporal(&["workflow", "cancel", "-w", &workflow]).await;
        }
        Signal::Resolution => {
            let body =
                json!({"step": "release_payment", "note": "released in the dashboard", "actor": "ops"});
            assert_eq!(test.signal_by_api(script.name, "resolve-compensation", Some(&body)).await.0, 200);
        }
    }
    let end = test.wait_for_end(script.name).await;
    assert_eq!(end["status"], script.status, "{}: {end}", script.name);
    if let Some((_, code)) = CODES.iter().find(|(name, _)| *name == script.name) {
        assert_eq!(end["error"]["code"], *code, "{}: {end}", script.name);
    }
    if !matches!(script.signal, Signal::Resolution) {
        test.assert_verdict(script.name, &end).await;
    }
    record(script.name, &workflow).await;
}
