//! Chaos: the decision for each request, its source, and its header.

use fake_stripe_chaos::shared::{chaos::draw, operation::Operation};
use serde_json::json;

use crate::support::{Provider, SEED};

const SEED_PROFILE: (&str, &str) = ("CHAOS_PROFILE", "seed");

#[tokio::test]
async fn the_seed_profile_is_the_table_of_the_documentation() {
    let provider = Provider::with(&[SEED_PROFILE]);
    let distribution = async |context: &str| {
        let answer = provider.get(&format!("/{context}/chaos/distribution")).await.expect(200).json();
        answer["distributions"].clone()
    };
    assert_eq!(
        distribution("payment").await,
        json!({
            "authorize": {
                "success": "40%", "insufficient_funds": "30%", "timeout": "10%",
                "timeout_after_commit": "10%", "internal_error": "10%",
            },
            "capture": {"success": "70%", "already_captured": "20%", "timeout": "5%", "timeout_after_commit": "5%"},
            "release": {"success": "90%", "timeout": "5%", "timeout_after_commit": "5%"},
            "refund": {"success": "80%", "already_refunded": "10%", "timeout": "5%", "timeout_after_commit": "5%"},
            "charge": {
                "success": "40%", "timeout": "15%", "timeout_after_commit": "15%", "internal_error": "20%",
                "insufficient_funds": "10%",
            },
        })
    );
    assert_eq!(
        distribution("inventory").await,
        json!({
            "reserve": {"success": "50%", "out_of_stock": "30%", "timeout": "10%", "timeout_after_commit": "10%"},
            "release": {"success": "90%", "timeout": "5%", "timeout_after_commit": "5%"},
            "restock": {"success": "90%", "timeout": "5%", "timeout_after_commit": "5%"},
        })
    );
    assert_eq!(
        distribution("shipping").await,
        json!({
            "create-label": {"success": "60%", "address_error": "20%", "timeout": "10%", "timeout_after_commit": "10%"},
            "create-return-label": {"success": "80%", "timeout": "10%", "timeout_after_commit": "10%"},
            "cancel": {"success": "90%", "timeout": "5%", "timeout_after_commit": "5%"},
        })
    );
    assert_eq!(
        distribution("notification").await,
        json!({"send": {"success": "80%", "timeout": "10%", "timeout_after_commit": "10%"}})
    );
}

#[tokio::test]
async fn the_selectable_scenarios_do_not_depend_on_the_profile() {
    let scenarios = Provider::new().get("/chaos/scenarios").await.expect(200).json();
    let capture_scenarios = scenarios["operations"]["payment.capture"].as_array().unwrap();
    assert_eq!(capture_scenarios[0], json!({"name": "success", "effect": "apply"}));
    for known in [
        json!({"name": "timeout", "effect": "skip"}),
        json!({"name": "timeout_after_commit", "effect": "apply"}),
        json!({"name": "already_captured", "effect": "apply"}),
    ] {
        assert!(capture_scenarios.contains(&known), "{known}");
    }
    assert_eq!(scenarios["operations"].as_object().unwrap().len(), 29);
}

#[tokio::test]
async fn every_operation_succeeds_with_profile_off() {
    let answer = Provider::new().get("/inventory/chaos/distribution").await.expect(200).json();
    assert_eq!(
        answer["distributions"],
        json!({"reserve": {"success": "100%"}, "release": {"success": "100%"}, "restock": {"success": "100%"}})
    );
}

/// Pins the draws of seed 42 for ever. The list was computed outside this program, from the documentation of
/// the draw and the table of the seed profile.
#[tokio::test]
async fn the_scenarios_of_an_order_are_pinned() {
    let provider = Provider::with(&[SEED_PROFILE]);
    let mut scenarios = Vec::new();
    for order in 1..=GOLDEN.len() {
        let answer = provider.authorize().order(&format!("order-{order}")).await;
        scenarios.push(answer.decision("scenario").unwrap());
    }
    assert_eq!(scenarios, GOLDEN);
}

const GOLDEN: [&str; 12] = [
    "insufficient_funds",
    "insufficient_funds",
    "success",
    "internal_error",
    "success",
    "timeout",
    "success",
    "internal_error",
    "timeout_after_commit",
    "timeout",
    "success",
    "insufficient_funds",
];

#[tokio::test]
async fn the_same_order_draws_the_same_scenarios_at_any_provider_with_the_same_seed() {
    let (one, other) = (Provider::with(&[SEED_PROFILE]), Provider::with(&[SEED_PROFILE]));
    other.authorize().order("another-order").await;
    for _ in 0..5 {
        let first = one.authorize().order("order-1").await;
        let second = other.authorize().order("order-1").await;
        assert_eq!(first.header("x-chaos-decision"), second.header("x-chaos-decision"));
    }
}

#[tokio::test]
async fn a_decision_names_every_input_of_its_draw() {
    let provider = Provider::with(&[SEED_PROFILE]);
    let answer = provider.reserve().order("a/b c%".replace(' ', "_").as_str()).await;
    let part = |name| answer.decision(name).unwrap();
    assert_eq!(
        [part("seed"), part("run"), part("op"), part("key"), part("attempt"), part("source")],
        ["42", "default", "inventory.reserve", "a%2Fb_c%25", "1", "draw"]
    );
    let profile = part("profile");
    assert!(profile.starts_with("seed@") && profile.len() == 13, "{profile}");
    let drawn = draw(SEED, "seed", Operation::new("inventory.reserve"), "a/b_c%", 1);
    // 50 % success, 30 % out_of_stock, 10 % of each timeout.
    let hundredth = (u128::from(drawn) * 100) >> 64;
    let expected = match hundredth {
        0..50 => "success",
        50..80 => "out_of_stock",
        80..90 => "timeout",
        _ => "timeout_after_commit",
    };
    assert_eq!(part("scenario"), expected);
}

#[tokio::test]
async fn the_chaos_key_is_the_order_else_the_idempotency_key_else_the_resource() {
    let provider = Provider::new();
    let body = json!({"amount": 1, "currency": "usd", "orderId": "in-body"});
    let authorize = provider.post("/payment/authorize", &body);
    let by_header = authorize.clone().order("in-header").await.expect(201);
    assert_eq!(by_header.decision("key").as_deref(), Some("in-header"));
    let by_body = authorize.key("k1").await.expect(201);
    assert_eq!(by_body.decision("key").as_deref(), Some("in-body"));
    let by_ledger = provider.capture(&by_body.text("authId")).key("k2").await.expect(200);
    assert_eq!(by_ledger.decision("key").as_deref(), Some("in-body"));
    let undo = provider.post("/payment/refund", &json!({"key": "k2"})).await.expect(200);
    assert_eq!(undo.decision("key").as_deref(), Some("in-body"), "a target by key has the same chaos key");

    let by_key = provider.authorize().key("k3").await.expect(201);
    assert_eq!(by_key.decision("key").as_deref(), Some("k3"));
    let auth_id = by_key.text("authId");
    assert_eq!(provider.capture(&auth_id).key("k4").await.decision("key").as_deref(), Some("k4"));
    assert_eq!(provider.refund(&auth_id).await.decision("key"), Some(auth_id));
    assert_eq!(provider.capture("unknown").await.decision("key").as_deref(), Some("unknown"));
}

#[tokio::test]
async fn attempts_count_the_decisions_of_one_operation_for_one_key() {
    let provider = Provider::new();
    let attempt = async |answer: crate::support::TestRequest| answer.await.decision("attempt");
    assert_eq!(attempt(provider.authorize().order("o")).await.as_deref(), Some("1"));
    assert_eq!(attempt(provider.authorize().order("o")).await.as_deref(), Some("2"));
    assert_eq!(attempt(provider.reserve().order("o")).await.as_deref(), Some("1"));
    assert_eq!(attempt(provider.authorize().order("p")).await.as_deref(), Some("1"));
    provider.post("/payment/authorize", &json!({})).order("o").await.expect(422);
    provider.authorize().order("o").scenario("nonsense").await.expect(422);
    assert_eq!(attempt(provider.authorize().order("o")).await.as_deref(), Some("3"));
}

#[tokio::test]
async fn every_scenario_can_be_forced_by_header() {
    let provider = Provider::with(&[SEED_PROFILE]);
    let cases = [
        ("success", 201, "success", "held"),
        ("insufficient_funds", 402, "insufficient_funds", ""),
        ("timeout", 504, "timeout", ""),
        ("timeout_after_commit", 504, "timeout", "held"),
        ("internal_error", 500, "internal_error", ""),
    ];
    for (scenario, status, response, effect) in cases {
        let answer = provider.authorize().order(scenario).scenario(scenario).await.expect(status);
        assert_eq!(answer.decision("scenario").as_deref(), Some(scenario));
        assert_eq!(answer.decision("source").as_deref(), Some("header"));
        let effects: Vec<_> = (!effect.is_empty()).then_some(effect).into_iter().collect();
        assert_eq!(provider.effects(scenario).await, effects);
        let line = &provider.journal("").await[0];
        assert_eq!((&line["response"], &line["decision"]["overruled"]), (&json!(response), &json!(false)));
    }
}

#[tokio::test]
async fn every_operation_fails_under_a_forced_scenario() {
    let provider = Provider::new();
    let auth_id = provider.authorized("o").await;
    let undo = json!({"key": "k"});
    for ask in [
        provider.authorize(),
        provider.capture(&auth_id),
        provider.release(&auth_id),
        provider.refund(&auth_id),
        provider.post("/payment/charge", &json!({"amount": 1, "currency": "usd", "source": "tok"})),
        provider.reserve(),
        provider.post("/inventory/release", &undo),
        provider.label(),
        provider.post("/shipping/cancel", &undo),
        provider.notify(),
    ] {
        ask.clone().scenario("internal_error").await.problem(500, "internal_error");
        ask.scenario("timeout").await.problem(504, "timeout");
    }
    assert_eq!(provider.effects("o").await, ["held"]);
}

#[tokio::test]
async fn a_script_gives_each_attempt_its_scenario() {
    let provider = Provider::new();
    let ask = provider.authorize().order("o").scenario("timeout, internal_error,success");
    ask.clone().await.expect(504);
    ask.clone().await.expect(500);
    ask.clone().await.expect(201);
    let drawn = ask.await.expect(201);
    assert_eq!(drawn.decision("source").as_deref(), Some("draw"), "draws follow an exhausted script");
}

#[tokio::test]
async fn an_unknown_scenario_is_refused_with_the_valid_ones() {
    let provider = Provider::new();
    let answer = provider.capture("any").scenario("success,out_of_stock").await;
    let answer = answer.problem(422, "unknown_scenario").json();
    let valid: Vec<_> = answer["validScenarios"].as_array().unwrap().iter().collect();
    assert_eq!((valid[0], valid[valid.len() - 1]), (&json!("success"), &json!("already_captured")));
    assert!(!valid.contains(&&json!("out_of_stock")));
    assert!(provider.journal("").await.is_empty());
}

#[tokio::test]
async fn a_plan_forces_the_next_attempts_of_an_order() {
    let provider = Provider::with(&[SEED_PROFILE]);
    let auth_id = provider.authorize().order("o").scenario("success").await.expect(201).text("authId");
    provider.capture(&auth_id).scenario("timeout").await.expect(504);
    let plan = json!({"payment.capture": ["timeout_after_commit", "success"], "payment.refund": ["success"]});
    let put = provider.put("/chaos/plans/o", &plan).await.expect(200).json();
    assert_eq!(put, json!({"success": true, "orderId": "o", "plan": plan}));

    let first = provider.capture(&auth_id).key("k").await.problem(504, "timeout");
    assert_eq!(
        (first.decision("attempt").as_deref(), first.decision("source").as_deref()),
        (Some("2"), Some("plan"))
    );
    assert!(provider.capture(&auth_id).key("k").await.expect(200).replayed(), "a replay consumes no step");
    let by_header = provider.capture(&auth_id).scenario("timeout").await.expect(504);
    assert_eq!(by_header.decision("source").as_deref(), Some("header"), "the header precedes the plan");
    let after = provider.capture(&auth_id).await;
    assert_eq!(after.decision("source").as_deref(), Some("draw"), "draws follow an exhausted plan");
    let refund = provider.refund(&auth_id).await.expect(200);
    assert_eq!(refund.decision("source").as_deref(), Some("plan"));
}

#[tokio::test]
async fn a_plan_replaces_the_previous_one() {
    let provider = Provider::new();
    provider.put("/chaos/plans/o", &json!({"payment.authorize": ["timeout"]})).await.expect(200);
    provider.put("/chaos/plans/o", &json!({})).await.expect(200);
    provider.authorize().order("o").await.expect(201);
}

#[tokio::test]
async fn an_invalid_plan_is_refused_as_a_whole_with_every_error() {
    let provider = Provider::new();
    let plan = json!({
        "payment.authorize": ["timeout"],
        "payment.steal": ["success"],
        "payment.capture": ["success", "out_of_stock"],
    });
    let answer = provider.put("/chaos/plans/o", &plan).await.problem(422, "validation_failed").json();
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(
        errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect::<Vec<_>>(),
        ["/payment.capture/1", "/payment.steal"]
    );
    assert!(errors[0]["message"].as_str().unwrap().contains("already_captured"), "{answer}");
    assert!(errors[1]["message"].as_str().unwrap().contains("notification.send"), "{answer}");
    provider.authorize().order("o").await.expect(201);

    let wrong = json!({"payment.capture": [], "payment.refund": "success", "payment.charge": [7]});
    let answer = provider.put("/chaos/plans/o", &wrong).await.problem(422, "validation_failed").json();
    assert_eq!(answer["errors"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn the_domain_overrules_an_impossible_decision() {
    let provider = Provider::with(&[("CHAOS_TIMEOUT_DELAY", "1h")]);
    let auth_id = provider.authorized("o").await;
    provider.release(&auth_id).await.expect(200);
    for scenario in ["already_captured", "timeout_after_commit", "success"] {
        let answer = provider.capture(&auth_id).scenario(scenario).await;
        let answer = answer.problem(409, "payment_released");
        assert_eq!(answer.decision("scenario").as_deref(), Some(scenario));
        let line = &provider.journal("").await[0];
        assert_eq!(
            (&line["decision"]["overruled"], &line["response"], &line["decision"]["effect"]),
            (&json!(true), &json!("payment_released"), &json!("apply"))
        );
    }
    provider.capture("unknown").scenario("already_captured").await.problem(404, "payment_not_found");
}

#[tokio::test]
async fn a_timeout_delays_its_answer() {
    let provider = Provider::with(&[("CHAOS_TIMEOUT_DELAY", "50ms")]);
    let started = std::time::Instant::now();
    let answer = provider.authorize().scenario("timeout").await.problem(504, "timeout");
    assert!(started.elapsed() >= std::time::Duration::from_millis(50));
    assert_eq!(answer.json()["retryable"], true);
    assert_eq!(provider.journal("").await[0]["durationMs"], 50);
}
