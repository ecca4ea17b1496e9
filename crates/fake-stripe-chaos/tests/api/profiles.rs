//! Profile overrides, and the audit of the draws.

use std::{
    future::IntoFuture,
    time::{Duration, Instant},
};

use axum::http::Method;
use fake_stripe_chaos::{
    app,
    shared::chaos::{AuditVerdict, ObservedDraws, Profile, ProfileName, chi_square_test, draw},
};
use serde_json::{Value, json};

use crate::support::{Provider, eventually};

async fn active(provider: &Provider) -> String {
    provider.get("/chaos/profile").await.expect(200).text("name")
}

async fn put(provider: &Provider, query: &str, profile: &Value) {
    provider.put(&format!("/chaos/profile{query}"), profile).await.expect(200);
}

#[tokio::test]
async fn the_named_profiles_are_listed() {
    let answer = Provider::new().get("/chaos/profiles").await.expect(200).json();
    let profiles = answer["profiles"].as_array().unwrap();
    let names: Vec<_> = profiles.iter().map(|profile| profile["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["off", "calm", "seed", "hostile", "outage"]);
    let outage = &profiles[4]["operations"];
    assert_eq!(outage["payment.capture"], json!({"success": 100}));
    assert_eq!(
        outage["shipping.cancel"],
        json!({"connection_reset": 50, "internal_error": 30, "timeout": 20})
    );
}

#[tokio::test]
async fn an_override_by_name_is_used_and_shown() {
    let provider = Provider::new();
    put(&provider, "", &json!({"name": "outage"})).await;
    let answer = provider.label().order("o").await;
    assert_ne!(answer.status, 201);
    assert!(answer.decision("profile").unwrap().starts_with("outage@"));
    let shown = provider.get("/shipping/chaos/distribution").await.expect(200).json();
    assert_eq!(shown["distributions"]["cancel"]["connection_reset"], "50%");
    let profile = provider.get("/chaos/profile").await.expect(200).json();
    assert_eq!((&profile["put"], &profile["until"]), (&json!(true), &json!(null)));
    assert_eq!(shown["profile"], profile["profile"]);
    let back = provider.ask(Method::DELETE, "/chaos/profile").await.expect(200).json();
    assert_eq!((&back["name"], &back["put"]), (&json!("off"), &json!(false)));
    provider.label().order("o").await.expect(201);
}

#[tokio::test]
async fn a_complete_override_applies_to_the_operations_that_it_names() {
    let provider = Provider::new();
    let complete = json!({"name": "mine", "operations": {"payment.*": {"rate_limited": 1}}});
    put(&provider, "", &complete).await;
    let limited = provider.authorize().order("o").await.problem(429, "rate_limited");
    assert_eq!((limited.header("retry-after"), &limited.json()["retryable"]), (Some("1"), &json!(true)));
    provider.reserve().order("o").await.expect(201);
    let toml =
        "name = \"tomlish\"\nbasedOn = \"off\"\n[operations.\"inventory.reserve\"]\nout_of_stock = 0.5\n";
    let ask =
        provider.ask(Method::PUT, "/chaos/profile").body(toml).header("content-type", "application/toml");
    assert_eq!(ask.await.expect(200).text("name"), "tomlish");
    provider.reserve().order("o").await.problem(409, "out_of_stock");
    provider.authorize().order("o").await.expect(201);
}

#[tokio::test]
async fn a_temporary_override_ends_and_the_previous_profile_returns() {
    let provider = Provider::new();
    put(&provider, "", &json!({"name": "calm"})).await;
    put(&provider, "?ttl=60s", &json!({"name": "outage"})).await;
    let profile = provider.get("/chaos/profile").await.expect(200).json();
    assert_eq!(profile["until"], "2025-11-24T16:01:00.000Z");
    provider.clock.advance(Duration::from_millis(59_999));
    assert_eq!(active(&provider).await, "outage");
    provider.clock.advance(Duration::from_millis(1));
    assert_eq!(active(&provider).await, "calm");
    let decided = provider.notify().order("o").await.decision("profile").unwrap();
    assert!(decided.starts_with("calm@"), "{decided}");
}

#[tokio::test]
async fn an_answer_is_delayed_by_the_profile_and_its_key_is_free_meanwhile() {
    let provider = Provider::new();
    let delay = Duration::from_millis(300);
    let slow = json!({"operations": {"payment.authorize": {"success": {"weight": 1, "delay": "300ms"}}}});
    put(&provider, "", &slow).await;
    let shown = provider.get("/chaos/profile").await.json()["operations"]["payment.authorize"].clone();
    assert_eq!(shown, json!({"success": {"weight": 1, "delay": "300ms"}}));

    let started = Instant::now();
    let first = tokio::spawn(provider.authorize().order("o").key("k").into_future());
    // The effect is committed, and a repeated request gets the answer before the first caller does.
    let effect =
        eventually("the effect", || async { (!provider.effects("o").await.is_empty()).then_some(()) });
    effect.await;
    let replayed = provider.authorize().order("o").key("k").await.expect(201);
    assert!(replayed.replayed() && started.elapsed() < delay, "a replay was delayed");
    first.await.unwrap().expect(201);
    assert!(started.elapsed() >= delay, "after {:?}", started.elapsed());

    // Neither a forced scenario nor another operation is delayed.
    let started = Instant::now();
    provider.authorize().order("p").scenario("success").await.expect(201);
    provider.reserve().order("p").await.expect(201);
    assert!(started.elapsed() < delay, "after {:?}", started.elapsed());
}

/// It covers complete and built-in profiles, and weights that have no exact binary float.
#[tokio::test]
async fn a_profile_override_survives_a_restart_over_the_same_store() {
    let provider = Provider::new();
    let complete = json!({"name": "mine", "basedOn": "seed", "operations": {"payment.capture": {"success": 0.1, "timeout": {"weight": 2, "delay": "40ms"}}}});
    put(&provider, "", &complete).await;
    put(&provider, "?ttl=60s", &json!({"name": "outage"})).await;
    let again = provider.restarted();
    assert_eq!(active(&again).await, "outage");
    again.clock.advance(Duration::from_mins(1));
    provider.clock.advance(Duration::from_mins(1));
    let (before, after) = (provider.get("/chaos/profile").await, again.get("/chaos/profile").await);
    assert_eq!(before.body, after.expect(200).body);
    assert_eq!(
        before.json()["operations"]["payment.capture"],
        json!({"success": 0.1, "timeout": {"weight": 2, "delay": "40ms"}})
    );
    assert!(before.text("profile").starts_with("mine@"));
}

#[tokio::test]
async fn an_invalid_profile_changes_nothing_and_every_error_has_its_place() {
    let provider = Provider::new();
    put(&provider, "", &json!({"name": "calm"})).await;
    let bad = json!({"operations": {"payment.steal": {"success": 1}, "payment.capture": {"success": -1, "out_of_stock": 2}}});
    let answer = provider.put("/chaos/profile", &bad).await.problem(422, "validation_failed").json();
    let errors = answer["errors"].as_array().unwrap();
    let pointers: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(
        pointers,
        [
            "/operations/payment.capture/out_of_stock",
            "/operations/payment.capture/success",
            "/operations/payment.steal",
        ]
    );
    provider.put("/chaos/profile", &json!({"name": "unknown"})).await.problem(422, "validation_failed");
    provider.put("/chaos/profile", &json!({})).await.problem(422, "validation_failed");
    for ttl in ["0s", "soon", "-1s"] {
        let answer = provider.put(&format!("/chaos/profile?ttl={ttl}"), &json!({"name": "off"})).await;
        answer.problem(400, "invalid_query");
    }
    let toml = provider
        .ask(Method::PUT, "/chaos/profile")
        .body("name = ")
        .header("content-type", "application/toml");
    toml.await.problem(422, "validation_failed");
    let text = provider.ask(Method::PUT, "/chaos/profile").body("off").header("content-type", "text/plain");
    text.await.problem(415, "unsupported_media_type");
    assert_eq!(active(&provider).await, "calm");
}

#[tokio::test]
async fn the_audit_compares_the_draws_with_the_profile() {
    let provider = Provider::with(&[("CHAOS_PROFILE", "seed")]);
    for order in 0..400 {
        provider.notify().order(&format!("order-{order}")).await;
    }
    provider.notify().order("forced").scenario("internal_error").await.expect(500);
    let audit = provider.get("/chaos/audit").await.expect(200).json();
    let send = &audit["operations"]["notification.send"];
    assert_eq!((&send["draws"], &send["verdict"]), (&json!(400), &json!("fits")));
    assert_eq!(send["degreesOfFreedom"], 2);
    assert_eq!(send["scenarios"]["success"]["expected"], "80%");
    assert_eq!(audit["operations"]["payment.capture"]["verdict"], "too_few_draws");
}

/// It uses the draws of real requests for each operation of each built-in profile.
#[test]
fn drawn_shares_fit_their_weights_and_the_audit_detects_a_shift_of_two_points() {
    const DRAWS: u64 = 100_000;
    const SEED: u64 = 42;
    let catalogue = app::catalogue();
    for name in ProfileName::ALL {
        let profile = Profile::built_in(name, &catalogue);
        for (operation, shares) in profile.tables() {
            if shares.len() < 2 {
                continue;
            }
            let mut observed: Vec<_> = shares
                .iter()
                .map(|share| ObservedDraws { drawn: 0, weight: share.weight.as_millionths() })
                .collect();
            for order in 0..DRAWS {
                let drawn = draw(SEED, profile.name(), operation, &format!("order-{order}"), 1);
                let scenario = profile.choose(operation, drawn);
                let place = shares.iter().position(|share| share.scenario == scenario).unwrap();
                observed[place].drawn += 1;
            }
            let fit = chi_square_test(&observed);
            assert_eq!(fit.verdict, AuditVerdict::Fits, "{} {operation}: {fit:?}", profile.name());
            let two_points = observed.iter().map(|scenario| scenario.weight).sum::<u64>() / 50;
            observed[0].weight -= two_points;
            observed[1].weight += two_points;
            let moved = chi_square_test(&observed);
            assert_eq!(moved.verdict, AuditVerdict::Deviates, "{} {operation}: {moved:?}", profile.name());
        }
    }
}
