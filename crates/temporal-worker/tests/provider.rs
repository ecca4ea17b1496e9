//! Tests the worker's client with the real provider, because the two share no type.

#![allow(clippy::disallowed_methods, reason = "test code may wait and draw")]

use std::time::Duration;

use fake_stripe_chaos::{
    app::{self, Ports},
    config::Config,
};
use service_kit::{process::Configuration, serve};
use temporal_worker::provider::{CallError, LabelStatus, Provider};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use workflows::{
    activities::{
        CallContext, UndoInput, UndoResult,
        inventory::{Reserve, Restock, StockLine},
        notification::Notify,
        payment::{Authorize, Authorized, Capture, Charge, RefundPart},
        refusal::LEDGER_MISMATCH,
        shipping::{Address, CreateLabel},
    },
    ids::Call,
};

/// Starts a provider, and returns a client of it.
async fn provider() -> Provider {
    let lookup = |name: &str| match name {
        "CHAOS_PROFILE" => Some("off".to_owned()),
        "SHIPPING_LABEL_DURATION" => Some("300ms".to_owned()),
        _ => None,
    };
    let config = Config::from_lookup(&lookup).unwrap();
    let listener = serve::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (router, _) = app::build(&config, Ports::from_config(&config).await.unwrap());
    tokio::spawn(serve::run(listener, router, std::future::pending(), Duration::ZERO));
    Provider::new(&url).unwrap()
}

fn call(order: &str, step: &str) -> CallContext {
    CallContext {
        order_id: order.to_owned(),
        idempotency_key: format!("{order}/run/{step}"),
        correlation_id: "corr-1".to_owned(),
        retry_after_maximum_ms: 60_000,
    }
}

fn undo(order: &str, step: &str) -> UndoInput {
    UndoInput { call: call(order, &format!("undo_{step}")), forward_key: call(order, step).idempotency_key }
}

async fn authorize(provider: &Provider, order: &str) -> Result<Authorized, CallError> {
    let input = Authorize {
        call: call(order, "authorize"),
        customer_id: "c".to_owned(),
        amount: 5998,
        currency: "usd".to_owned(),
    };
    provider.authorize(&input).await
}

fn capture(order: &str, step: &str, auth_id: &str, amount: u64) -> Capture {
    Capture { call: call(order, step), auth_id: auth_id.to_owned(), amount, currency: "usd".to_owned() }
}

fn label(order: &str) -> CreateLabel {
    let part = || "x".to_owned();
    CreateLabel {
        call: call(order, "label"),
        address: Address {
            street: part(),
            city: part(),
            state: Some(part()),
            zip: Some(part()),
            country: part(),
        },
    }
}

#[tokio::test]
async fn a_payment_is_authorized_captured_and_refunded_by_its_keys() {
    let provider = provider().await;
    let payment = authorize(&provider, "1").await.unwrap();
    assert_eq!(authorize(&provider, "1").await.unwrap(), payment, "the same key gets the same payment");
    provider.capture(&capture("1", "capture", &payment.auth_id, 5998)).await.unwrap();
    assert_eq!(provider.refund(&undo("1", "capture")).await.unwrap(), UndoResult::Undone);
    assert_eq!(provider.refund(&undo("1", "capture")).await.unwrap(), UndoResult::Undone);
}

#[tokio::test]
async fn an_authorization_is_voided_by_its_key_if_nothing_was_captured() {
    let provider = provider().await;
    authorize(&provider, "1").await.unwrap();
    assert_eq!(provider.refund(&undo("1", "capture")).await.unwrap(), UndoResult::NothingToUndo);
    assert_eq!(provider.release_payment(&undo("1", "authorize")).await.unwrap(), UndoResult::Undone);
}

#[tokio::test]
async fn a_call_undone_before_it_ran_is_refused() {
    let provider = provider().await;
    assert_eq!(provider.release_payment(&undo("1", "authorize")).await.unwrap(), UndoResult::NothingToUndo);
    let error = authorize(&provider, "1").await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("undone_before_execution", false));
}

#[tokio::test]
async fn an_earlier_capture_counts_if_its_amount_is_this_orders() {
    let provider = provider().await;
    let payment = authorize(&provider, "1").await.unwrap();
    provider.capture(&capture("1", "capture", &payment.auth_id, 5998)).await.unwrap();
    // With another key, the provider answers `already_captured` and doesn't replay.
    provider.capture(&capture("1", "again", &payment.auth_id, 5998)).await.unwrap();
    let error = provider.capture(&capture("1", "wrong", &payment.auth_id, 5997)).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), (LEDGER_MISMATCH, false));
}

#[tokio::test]
async fn a_shipped_order_comes_back_in_parts_by_its_keys() {
    let provider = provider().await;
    let payment = authorize(&provider, "1").await.unwrap();
    let lines = |quantity| vec![StockLine { sku: "book".to_owned(), quantity }];
    provider.reserve(&Reserve { call: call("1", "reserve"), lines: lines(2) }).await.unwrap();
    provider.capture(&capture("1", "capture", &payment.auth_id, 5998)).await.unwrap();
    let back = CreateLabel { call: call("1", "back"), ..label("1") };
    provider.create_label(Call::CreateReturnLabel, &back).await.unwrap();

    let restock = |step: &str, quantity| Restock {
        call: call("1", step),
        reserve_key: call("1", "reserve").idempotency_key,
        lines: lines(quantity),
    };
    provider.restock(&restock("restock", 1)).await.unwrap();
    provider.restock(&restock("restock", 1)).await.expect("the same key takes nothing back again");
    let error = provider.restock(&restock("restock_again", 2)).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("restock_exceeds_shipment", false));

    let refund = |step: &str, amount| RefundPart {
        call: call("1", step),
        capture_key: call("1", "capture").idempotency_key,
        amount,
        currency: "usd".to_owned(),
    };
    let first = provider.refund_part(&refund("refund", 2999)).await.unwrap();
    assert_eq!(provider.refund_part(&refund("refund", 2999)).await.unwrap(), first);
    assert!(first.refund_id.is_some());
    let error = provider.refund_part(&refund("refund_again", 3000)).await.unwrap_err();
    assert!(!error.retryable, "{error}");
}

#[tokio::test]
async fn nothing_of_an_unknown_order_comes_back() {
    let provider = provider().await;
    let call_and_key = || (call("2", "back"), call("2", "none").idempotency_key);
    let (call, reserve_key) = call_and_key();
    let lines = vec![StockLine { sku: "book".to_owned(), quantity: 1 }];
    let error = provider.restock(&Restock { call, reserve_key, lines }).await.unwrap_err();
    assert_eq!(error.code, LEDGER_MISMATCH);
    let (call, capture_key) = call_and_key();
    let refund = RefundPart { call, capture_key, amount: 1, currency: "usd".to_owned() };
    assert!(!provider.refund_part(&refund).await.unwrap_err().retryable);
}

fn charge(order: &str) -> Charge {
    Charge {
        call: call(order, "charge"),
        amount: 5998,
        currency: "usd".to_owned(),
        source: "tok_visa".to_owned(),
        description: None,
    }
}

#[tokio::test]
async fn a_charge_happens_once_and_is_refunded_by_its_key() {
    let provider = provider().await;
    let charged = provider.charge(&charge("1")).await.unwrap();
    assert!(charged.id.starts_with("ch_") && charged.auth_id.starts_with("auth_"), "{charged:?}");
    assert_eq!(provider.charge(&charge("1")).await.unwrap(), charged, "the same key gets the same charge");
    assert_eq!(provider.refund(&undo("1", "charge")).await.unwrap(), UndoResult::Undone);
}

#[tokio::test]
async fn a_charge_undone_before_it_ran_is_refused() {
    let provider = provider().await;
    assert_eq!(provider.refund(&undo("1", "charge")).await.unwrap(), UndoResult::NothingToUndo);
    let error = provider.charge(&charge("1")).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("undone_before_execution", false));
}

#[tokio::test]
async fn stock_is_reserved_and_released() {
    let provider = provider().await;
    let lines = vec![StockLine { sku: "book".to_owned(), quantity: 2 }];
    let reserved = provider.reserve(&Reserve { call: call("1", "reserve"), lines }).await.unwrap();
    assert!(reserved.reservation_id.starts_with("res_"));
    assert_eq!(provider.release_inventory(&undo("1", "reserve")).await.unwrap(), UndoResult::Undone);
}

#[tokio::test]
async fn a_label_shows_its_progress_until_it_exists_and_can_be_cancelled() {
    let provider = provider().await;
    let unknown = provider.label_progress(&call("1", "label")).await.unwrap();
    assert_eq!(unknown.status, LabelStatus::Unknown);
    let making = tokio::spawn({
        let provider = provider.clone();
        async move { provider.create_label(Call::CreateShippingLabel, &label("1")).await }
    });
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while provider.label_progress(&call("1", "label")).await.unwrap().status != LabelStatus::Generating {
        assert!(tokio::time::Instant::now() < deadline, "the label never became generating");
        tokio::task::yield_now().await;
    }
    let error = provider.create_label(Call::CreateShippingLabel, &label("1")).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("idempotency_key_in_use", true));
    let label = making.await.unwrap().unwrap();
    assert!(label.label_id.starts_with("lbl_") && !label.tracking_number.is_empty());
    let done = provider.label_progress(&call("1", "label")).await.unwrap();
    assert_eq!((done.status, done.progress), (LabelStatus::Generated, 100));
    assert_eq!(provider.cancel_label(&undo("1", "label")).await.unwrap(), UndoResult::Undone);
}

#[tokio::test]
async fn a_notification_is_sent() {
    let provider = provider().await;
    let text = |text: &str| text.to_owned();
    let input = Notify {
        call: call("1", "notify"),
        recipient: text("ada@example.com"),
        subject: text("s"),
        message: text("m"),
    };
    assert!(provider.notify(&input).await.unwrap().notification_id.starts_with("ntf_"));
}

#[tokio::test]
async fn an_unreachable_provider_is_a_retryable_error() {
    let nobody = Provider::new("http://127.0.0.1:9").unwrap();
    let error = authorize(&nobody, "1").await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("provider_unreachable", true));
    assert!(nobody.ping().await.is_err());
}

/// Starts a server that answers every request with an endless body.
async fn endless() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                assert!(stream.read_u8().await.is_ok(), "a request has begun");
                let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\r\n";
                stream.write_all(head.as_bytes()).await.unwrap();
                while stream.write_all(&[b' '; 8_192]).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let provider = Provider::new(&endless().await).unwrap();
    let error =
        tokio::time::timeout(Duration::from_secs(5), authorize(&provider, "1")).await.unwrap().unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("unreadable_answer", true), "{error}");
    assert!(error.to_string().contains("1048576 bytes"), "{error}");
}
