//! Tests a stack that is restarted: it keeps or removes orders and ledger together.

use reqwest::Method;
use serde_json::json;
use xtask::services::{API, Options, PROVIDER, State};

use crate::support::TestStack;

#[tokio::test]
async fn a_kept_stack_keeps_its_orders_and_a_fresh_stack_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let test = TestStack::start_in_folder(folder.path(), State::Kept, "kept").await;
    assert_eq!(test.run("1").await["status"], "shipped");
    let mut waiting = test.order("2");
    waiting["requiresApproval"] = json!(true);
    test.place(&waiting).await;
    test.wait_for_step("2", "awaiting_approval").await;
    let shipped = test.effects("1").await;
    test.stop().await;

    let test = TestStack::start_in_folder(folder.path(), State::Kept, "kept").await;
    assert_eq!(test.status("1").await["status"], "shipped");
    assert_eq!(test.effects("1").await, shipped);
    // An order in progress continues.
    assert_eq!(test.signal_by_api("2", "approve", None).await.0, 200);
    let end = test.wait_for_end("2").await;
    assert_eq!(end["status"], "shipped", "{end}");
    test.assert_verdict("2", &end).await;
    test.stop().await;

    let test = TestStack::start_in_folder(folder.path(), State::Fresh, "kept").await;
    let path = "/api/v1/order/order-fulfillment-kept-1/status";
    assert_eq!(test.call(&API, Method::GET, path, None).await.0, 404);
    let (_, verdict) = test.call(&PROVIDER, Method::GET, "/verdict", None).await;
    assert_eq!(verdict["orders"], 0, "{verdict}");
    // The id can be used again.
    assert_eq!(test.run("1").await["status"], "shipped");
    test.stop().await;
}

#[tokio::test]
async fn a_profile_override_survives_a_restart_until_a_stack_removes_it() {
    let folder = tempfile::tempdir().unwrap();
    let active_profile = async |test: &TestStack| {
        let (status, profile) = test.call(&PROVIDER, Method::GET, "/chaos/profile", None).await;
        assert_eq!(status, 200, "{profile}");
        profile["name"].clone()
    };
    let test = TestStack::start_in_folder(folder.path(), State::Kept, "profiled").await;
    let outage = json!({"name": "outage"});
    assert_eq!(test.call(&PROVIDER, Method::PUT, "/chaos/profile", Some(&outage)).await.0, 200);
    test.stop().await;

    let test = TestStack::start_in_folder(folder.path(), State::Kept, "profiled").await;
    assert_eq!(active_profile(&test).await, "outage");
    test.stop().await;

    let asked = |options: &mut Options| options.removes_profile_override = true;
    let test = TestStack::start_in_folder_with(folder.path(), State::Kept, "profiled", asked).await;
    assert_eq!(active_profile(&test).await, "off");
    assert_eq!(test.run("1").await["status"], "shipped");
    test.stop().await;
}
