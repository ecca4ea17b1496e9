//! A stack that is ended and started again: orders and ledger are kept together, or forgotten together.

use reqwest::Method;
use serde_json::json;
use xtask::services::{API, Options, PROVIDER, State};

use crate::support::World;

#[tokio::test]
async fn a_stack_that_is_started_again_knows_its_orders_and_one_that_begins_empty_knows_none() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::start_kept(folder.path(), State::Kept, "kept").await;
    assert_eq!(world.run("1").await["status"], "shipped");
    let mut waiting = world.order("2");
    waiting["requiresApproval"] = json!(true);
    world.place(&waiting).await;
    world.until_step("2", "awaiting_approval").await;
    let shipped = world.effects("1").await;
    world.stop().await;

    let world = World::start_kept(folder.path(), State::Kept, "kept").await;
    assert_eq!(world.status("1").await["status"], "shipped");
    assert_eq!(world.effects("1").await, shipped);
    // What was in the middle of something goes on.
    assert_eq!(world.tell("2", "approve", None).await.0, 200);
    let end = world.end("2").await;
    assert_eq!(end["status"], "shipped", "{end}");
    world.must_agree("2", &end).await;
    world.stop().await;

    let world = World::start_kept(folder.path(), State::Fresh, "kept").await;
    let path = "/api/v1/order/order-fulfillment-kept-1/status";
    assert_eq!(world.call(&API, Method::GET, path, None).await.0, 404);
    let (_, verdict) = world.call(&PROVIDER, Method::GET, "/verdict", None).await;
    assert_eq!(verdict["orders"], 0, "{verdict}");
    // Its id is free for another one.
    assert_eq!(world.run("1").await["status"], "shipped");
    world.stop().await;
}

#[tokio::test]
async fn a_profile_put_at_run_time_outlives_its_stack_until_a_stack_is_asked_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let in_force = async |world: &World| {
        let (status, profile) = world.call(&PROVIDER, Method::GET, "/chaos/profile", None).await;
        assert_eq!(status, 200, "{profile}");
        profile["name"].clone()
    };
    let world = World::start_kept(folder.path(), State::Kept, "profiled").await;
    let outage = json!({"name": "outage"});
    assert_eq!(world.call(&PROVIDER, Method::PUT, "/chaos/profile", Some(&outage)).await.0, 200);
    world.stop().await;

    let world = World::start_kept(folder.path(), State::Kept, "profiled").await;
    assert_eq!(in_force(&world).await, "outage");
    world.stop().await;

    let asked = |options: &mut Options| options.takes_profile_back = true;
    let world = World::start_kept_with(folder.path(), State::Kept, "profiled", asked).await;
    assert_eq!(in_force(&world).await, "off");
    assert_eq!(world.run("1").await["status"], "shipped");
    world.stop().await;
}
