//! Tests Stripe's API: the objects, the ledger under them, errors, lists, idempotency and chaos.

use axum::http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Answer, Provider, TestRequest};

const INTENTS: &str = "/v1/payment_intents";
const VISA: &str = "amount=5998&currency=usd&payment_method=pm_card_visa&confirm=true&metadata[order_id]=o1";

fn post(provider: &Provider, path: &str, form: &str) -> TestRequest {
    provider.stripe(Method::POST, path, form)
}

fn get(provider: &Provider, path: &str) -> TestRequest {
    provider.stripe(Method::GET, path, "")
}

/// Creates and confirms an intent of order `o1`, and returns it.
async fn charged(provider: &Provider, more: &str) -> Value {
    post(provider, INTENTS, &format!("{VISA}&{more}")).await.expect(200).json()
}

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

/// Asserts the status and the members of Stripe's error.
#[track_caller]
fn assert_error(answer: &Answer, status: u16, kind: &str, code: Option<&str>, param: Option<&str>) {
    let error = &answer.json()["error"];
    let found = (answer.status, error["type"].as_str(), error["code"].as_str(), error["param"].as_str());
    assert_eq!(found, (status, Some(kind), code, param), "{error}");
}

#[tokio::test]
async fn an_automatic_intent_succeeds_and_is_captured_in_the_ledger() {
    let provider = Provider::new();
    let intent = charged(&provider, "").await;
    assert_eq!(intent["status"], "succeeded");
    assert_eq!((&intent["amount_received"], &intent["amount_capturable"]), (&json!(5998), &json!(0)));
    assert!(id(&intent).starts_with("pi_"), "{intent}");
    assert_eq!(provider.effects("o1").await, ["held", "captured"]);
    provider.record_outcome("o1", "paid").await.expect(200);
    assert_eq!(provider.broken_rules().await, []);
}

#[tokio::test]
async fn a_manual_intent_is_captured_in_part_and_the_rest_is_voided() {
    let provider = Provider::new();
    let intent = charged(&provider, "capture_method=manual").await;
    assert_eq!((&intent["status"], &intent["amount_capturable"]), (&json!("requires_capture"), &json!(5998)));
    let capture = format!("{INTENTS}/{}/capture", id(&intent));
    let too_much = post(&provider, &capture, "amount_to_capture=5999").await;
    assert_error(
        &too_much,
        400,
        "invalid_request_error",
        Some("amount_too_large"),
        Some("amount_to_capture"),
    );
    let captured = post(&provider, &capture, "amount_to_capture=5000").await.expect(200).json();
    assert_eq!((&captured["status"], &captured["amount_received"]), (&json!("succeeded"), &json!(5000)));
    assert_eq!(provider.effects("o1").await, ["held", "captured", "released"]);
    provider.record_outcome("o1", "paid").await.expect(200);
    assert_eq!(provider.broken_rules().await, []);
    let again = post(&provider, &capture, "").await;
    assert_error(&again, 400, "invalid_request_error", Some("payment_intent_unexpected_state"), None);
}

#[tokio::test]
async fn a_cancelled_intent_voids_its_authorization() {
    let provider = Provider::new();
    let intent = charged(&provider, "capture_method=manual").await;
    let cancel = format!("{INTENTS}/{}/cancel", id(&intent));
    let cancelled = post(&provider, &cancel, "cancellation_reason=abandoned").await.expect(200).json();
    assert_eq!(
        (&cancelled["status"], &cancelled["cancellation_reason"]),
        (&json!("canceled"), &json!("abandoned"))
    );
    assert_eq!(provider.effects("o1").await, ["held", "released"]);
    let charge = get(&provider, &format!("/v1/charges/{}", intent["latest_charge"].as_str().unwrap())).await;
    assert_eq!(charge.expect(200).json()["refunded"], true);
}

#[tokio::test]
async fn an_authorization_expires_after_seven_days() {
    let provider = Provider::new();
    let intent = charged(&provider, "capture_method=manual").await;
    provider.clock.advance(std::time::Duration::from_hours(7 * 24));
    let shown = get(&provider, &format!("{INTENTS}/{}", id(&intent))).await.expect(200).json();
    assert_eq!((&shown["status"], &shown["cancellation_reason"]), (&json!("canceled"), &json!("automatic")));
}

#[tokio::test]
async fn an_intent_is_created_and_then_confirmed() {
    let provider = Provider::new();
    let created = post(&provider, INTENTS, "amount=100&currency=EUR").await.expect(200).json();
    assert_eq!(created["status"], "requires_payment_method");
    let path = format!("{INTENTS}/{}", id(&created));
    let confirm = format!("{path}/confirm");
    assert_error(
        &post(&provider, &confirm, "").await,
        400,
        "invalid_request_error",
        Some("payment_intent_unexpected_state"),
        None,
    );
    let updated = post(&provider, &path, "amount=200&payment_method=pm_card_visa&description=Books")
        .await
        .expect(200)
        .json();
    assert_eq!((&updated["status"], &updated["amount"]), (&json!("requires_confirmation"), &json!(200)));
    let confirmed = post(&provider, &confirm, "").await.expect(200).json();
    assert_eq!((&confirmed["status"], &confirmed["description"]), (&json!("succeeded"), &json!("Books")));
    let late = post(&provider, &path, "amount=300").await;
    assert_error(&late, 400, "invalid_request_error", Some("payment_intent_unexpected_state"), None);
    let metadata = post(&provider, &path, "metadata[a]=1").await.expect(200).json();
    assert_eq!(metadata["metadata"], json!({"a": "1"}));
}

#[tokio::test]
async fn each_declining_card_is_a_card_error_with_its_intent() {
    for (card, code, decline_code) in [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ] {
        let provider = Provider::new();
        let form = format!("amount=5&currency=usd&confirm=true&payment_method={card}&metadata[order_id]=o1");
        let declined = post(&provider, INTENTS, &form).await;
        assert_error(&declined, 402, "card_error", Some(code), None);
        let error = declined.json()["error"].clone();
        assert_eq!(error["decline_code"], decline_code);
        assert_eq!(error["payment_intent"]["status"], "requires_payment_method");
        assert_eq!(error["payment_intent"]["last_payment_error"]["code"], code);
        assert_eq!(provider.effects("o1").await, [""; 0]);
        let confirm = format!("{INTENTS}/{}/confirm", id(&error["payment_intent"]));
        let paid = post(&provider, &confirm, "payment_method=pm_card_visa").await.expect(200).json();
        assert_eq!((&paid["status"], &paid["last_payment_error"]), (&json!("succeeded"), &Value::Null));
    }
}

#[tokio::test]
async fn a_captured_charge_is_refunded_in_parts_and_never_above() {
    let provider = Provider::new();
    let intent = charged(&provider, "").await;
    let form = |more: &str| format!("payment_intent={}&metadata[why]=late{more}", id(&intent));
    let refund = post(&provider, "/v1/refunds", &form("&amount=1000&reason=requested_by_customer")).await;
    let refund = refund.expect(200).json();
    assert_eq!((&refund["amount"], &refund["status"]), (&json!(1000), &json!("succeeded")));
    let above = post(&provider, "/v1/refunds", &form("&amount=4999")).await;
    assert_error(&above, 400, "invalid_request_error", None, Some("amount"));
    let by_charge = format!("charge={}", intent["latest_charge"].as_str().unwrap());
    let rest = post(&provider, "/v1/refunds", &by_charge).await.expect(200).json();
    assert_eq!(rest["amount"], 4998);
    let nothing = post(&provider, "/v1/refunds", &form("")).await;
    assert_error(&nothing, 400, "invalid_request_error", Some("charge_already_refunded"), None);
    assert_eq!(provider.effects("o1").await, ["held", "captured", "refunded", "refunded"]);
    let path = format!("/v1/refunds/{}", id(&refund));
    let changed = post(&provider, &path, "metadata[why]=&metadata[b]=2").await.expect(200).json();
    assert_eq!(changed["metadata"], json!({"b": "2"}));
    assert_eq!(get(&provider, &path).await.expect(200).json(), changed);
    let listed =
        get(&provider, &format!("/v1/refunds?payment_intent={}", id(&intent))).await.expect(200).json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    let charge = get(&provider, &format!("/v1/charges/{}", refund["charge"].as_str().unwrap())).await;
    assert_eq!((&charge.json()["refunded"], &charge.json()["amount_refunded"]), (&json!(true), &json!(5998)));
}

#[tokio::test]
async fn an_uncaptured_charge_has_nothing_to_refund() {
    let provider = Provider::new();
    let intent = charged(&provider, "capture_method=manual").await;
    let refund = post(&provider, "/v1/refunds", &format!("payment_intent={}", id(&intent))).await;
    assert_error(&refund, 400, "invalid_request_error", Some("charge_not_captured"), None);
}

#[tokio::test]
async fn a_key_replays_its_answer_byte_for_byte_also_after_the_intent_changed() {
    let provider = Provider::new();
    let form = format!("{VISA}&capture_method=manual");
    let create = || post(&provider, INTENTS, &form).key("k1");
    let first = create().await.expect(200);
    let path = format!("{INTENTS}/{}/capture", id(&first.json()));
    post(&provider, &path, "").await.expect(200);
    let second = create().await.expect(200);
    assert!(second.replayed() && !first.replayed());
    assert_eq!(second.body, first.body);
    let other = post(&provider, INTENTS, "amount=1&currency=usd").key("k1").await;
    assert_error(&other, 400, "idempotency_error", None, None);
    assert_eq!(second.header("idempotency-key"), Some("k1"));
}

#[tokio::test]
async fn a_decline_is_replayed_like_any_answer() {
    let provider = Provider::new();
    let form = "amount=5&currency=usd&confirm=true&payment_method=pm_card_chargeDeclined";
    let first = post(&provider, INTENTS, form).key("k1").await.expect(402);
    let second = post(&provider, INTENTS, form).key("k1").await.expect(402);
    assert_eq!((second.replayed(), second.body), (true, first.body));
}

#[tokio::test]
async fn a_failure_is_replayed_for_its_key_as_stripe_does() {
    let provider = Provider::new();
    let failed = post(&provider, INTENTS, VISA).key("k1").scenario("internal_error").await;
    assert_error(&failed, 500, "api_error", None, None);
    let replayed = post(&provider, INTENTS, VISA).key("k1").await;
    assert_error(&replayed, 500, "api_error", None, None);
    assert!(replayed.replayed());
    post(&provider, INTENTS, VISA).key("k2").await.expect(200);
    provider.clock.advance(std::time::Duration::from_hours(24));
    post(&provider, INTENTS, VISA).key("k1").await.expect(200);
}

#[tokio::test]
async fn a_lost_answer_keeps_its_effect_and_the_same_key_finds_it() {
    let provider = Provider::new();
    let lost = post(&provider, INTENTS, VISA).key("k1").scenario("timeout_after_commit").await;
    assert_error(&lost, 504, "api_error", None, None);
    assert_eq!(provider.effects("o1").await, ["held", "captured"]);
    assert_eq!(post(&provider, INTENTS, VISA).key("k1").await.expect(200).json()["status"], "succeeded");
    assert_eq!(provider.effects("o1").await, ["held", "captured"]);
}

#[tokio::test]
async fn a_rate_limit_is_retryable_for_the_sdks_and_a_wrong_parameter_is_not() {
    let provider = Provider::new();
    let limited = post(&provider, INTENTS, VISA).scenario("rate_limited").await;
    assert_error(&limited, 429, "invalid_request_error", Some("rate_limit"), None);
    assert_eq!(limited.header("stripe-should-retry"), Some("true"));
    let wrong = post(&provider, INTENTS, "currency=usd").await;
    assert_error(&wrong, 400, "invalid_request_error", Some("parameter_missing"), Some("amount"));
    assert_eq!(wrong.header("stripe-should-retry"), Some("false"));
}

#[tokio::test]
async fn a_decline_can_be_planned_for_an_order() {
    let provider = Provider::new();
    let plan = json!({"stripe.payment_intents.create": ["insufficient_funds"]});
    provider.put("/chaos/plans/o1", &plan).await.expect(200);
    let declined = post(&provider, INTENTS, VISA).await;
    assert_error(&declined, 402, "card_error", Some("card_declined"), None);
    assert_eq!(declined.json()["error"]["decline_code"], "insufficient_funds");
    assert_eq!(declined.decision("source").as_deref(), Some("plan"));
    post(&provider, INTENTS, VISA).await.expect(200);
}

#[tokio::test]
async fn only_keys_of_test_mode_are_accepted_and_no_key_is_repeated() {
    let provider = Provider::new();
    let missing = provider.ask(Method::GET, "/v1/balance").await;
    assert_error(&missing, 401, "invalid_request_error", None, None);
    for key in ["sk_live_secret", "rk_live_secret", "secret"] {
        let refused = get(&provider, "/v1/balance").header("authorization", &format!("Bearer {key}")).await;
        assert_error(&refused, 401, "invalid_request_error", None, None);
        assert!(!refused.body.contains("secret"), "{}", refused.body);
    }
    // `sk_test_1:` as curl sends it.
    get(&provider, "/v1/balance").header("authorization", "Basic c2tfdGVzdF8xOg==").await.expect(200);
}

#[tokio::test]
async fn what_is_not_implemented_says_so_in_stripes_form() {
    let provider = Provider::new();
    for (method, path) in
        [(Method::GET, "/v1/invoices"), (Method::DELETE, "/v1/payment_intents"), (Method::POST, "/v1")]
    {
        let unknown = provider.stripe(method, path, "").await;
        assert_error(&unknown, 404, "invalid_request_error", None, None);
        assert!(unknown.text_of_error().contains("fake-stripe-chaos"), "{}", unknown.body);
    }
    let missing = get(&provider, &format!("{INTENTS}/pi_none")).await;
    assert_error(&missing, 404, "invalid_request_error", Some("resource_missing"), Some("id"));
}

#[tokio::test]
async fn a_wrong_parameter_is_named() {
    let provider = Provider::new();
    for (form, code, param) in [
        ("amount=0&currency=usd", Some("parameter_invalid_integer"), "amount"),
        ("amount=abc&currency=usd", Some("parameter_invalid_integer"), "amount"),
        ("amount=1", Some("parameter_missing"), "currency"),
        ("amount=1&currency=xxx", None, "currency"),
        ("amount=1&currency=usd&confirm=perhaps", Some("parameter_invalid_boolean"), "confirm"),
        ("amount=1&currency=usd&confirm=true", Some("parameter_missing"), "payment_method"),
        ("amount=1&currency=usd&capture_method=later", None, "capture_method"),
        ("amount=1&currency=usd&amuont=2", Some("parameter_unknown"), "amuont"),
        ("amount=1&currency=usd&customer=cus_none", Some("resource_missing"), "customer"),
        ("amount=1&currency=usd&payment_method=pm_none", Some("resource_missing"), "payment_method"),
        ("amount=1&currency=usd&metadata[order_id]=a%20b", None, "metadata[order_id]"),
        ("amount=1&currency=usd&expand[]=amount", None, "expand"),
    ] {
        let answer = post(&provider, INTENTS, form).await;
        assert_error(&answer, 400, "invalid_request_error", code, Some(param));
    }
    let as_json =
        provider.ask(Method::POST, INTENTS).header("authorization", "Bearer sk_test_1").body("{}").await;
    assert_error(&as_json, 400, "invalid_request_error", None, None);
}

#[tokio::test]
async fn objects_are_expanded_in_answers_and_lists() {
    let provider = Provider::new();
    let customer =
        post(&provider, "/v1/customers", "name=Ada&email=ada@example.com").await.expect(200).json();
    let more = format!("customer={}&expand[]=customer&expand[]=latest_charge.payment_intent", id(&customer));
    let intent = charged(&provider, &more).await;
    assert_eq!(intent["customer"]["name"], "Ada");
    assert_eq!(intent["latest_charge"]["payment_intent"]["id"], intent["id"]);
    let listed = get(&provider, "/v1/charges?expand[]=data.customer").await.expect(200).json();
    assert_eq!(listed["data"][0]["customer"]["id"], customer["id"]);
}

#[tokio::test]
async fn a_list_is_walked_page_by_page() {
    let provider = Provider::new();
    for amount in 1..=5 {
        post(&provider, INTENTS, &format!("amount={amount}&currency=usd")).await.expect(200);
    }
    let (mut amounts, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = get(&provider, &format!("{INTENTS}?{query}")).await.expect(200).json();
        let data = page["data"].as_array().unwrap().clone();
        amounts.extend(data.iter().map(|intent| intent["amount"].as_i64().unwrap()));
        if page["has_more"] == false {
            break;
        }
        query = format!("limit=2&starting_after={}", id(data.last().unwrap()));
    }
    assert_eq!(amounts, [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn a_customer_has_payment_methods() {
    let provider = Provider::new();
    let form = "name=Ada&address[city]=London&address[line1]=12 Row&metadata[a]=1";
    let customer = post(&provider, "/v1/customers", form).await.expect(200).json();
    assert_eq!(
        (&customer["address"]["city"], &customer["address"]["state"]),
        (&json!("London"), &Value::Null)
    );
    let card = "type=card&card[number]=4000000000009995&card[exp_month]=12&card[exp_year]=2034";
    let method = post(&provider, "/v1/payment_methods", card).await.expect(200).json();
    assert_eq!(method["card"]["last4"], "9995");
    let path = format!("/v1/payment_methods/{}", id(&method));
    let attach = post(&provider, &format!("{path}/attach"), &format!("customer={}", id(&customer)));
    assert_eq!(attach.await.expect(200).json()["customer"], customer["id"]);
    let of = format!("/v1/customers/{}/payment_methods", id(&customer));
    assert_eq!(get(&provider, &of).await.expect(200).json()["data"][0]["id"], method["id"]);
    assert_eq!(
        post(&provider, &format!("{path}/detach"), "").await.expect(200).json()["customer"],
        Value::Null
    );
    let twice = post(&provider, &format!("{path}/detach"), "").await;
    assert_error(&twice, 400, "invalid_request_error", Some("payment_method_unexpected_state"), None);
    let form = format!("amount=1&currency=usd&confirm=true&payment_method={}", id(&method));
    assert_eq!(post(&provider, INTENTS, &form).await.json()["error"]["decline_code"], "insufficient_funds");
    let number = post(&provider, "/v1/payment_methods", "type=card&card[number]=4111111111111111").await;
    assert_error(&number, 402, "card_error", Some("incorrect_number"), Some("card[number]"));
    assert!(!number.body.contains("4111"), "{}", number.body);

    let path = format!("/v1/customers/{}", id(&customer));
    let changed = post(&provider, &path, "name=Grace&metadata[a]=").await.expect(200).json();
    assert_eq!((&changed["name"], &changed["metadata"]), (&json!("Grace"), &json!({})));
    let deleted = provider.stripe(Method::DELETE, &path, "").await.expect(200).json();
    assert_eq!(deleted, json!({"id": id(&customer), "object": "customer", "deleted": true}));
    assert_eq!(get(&provider, &path).await.expect(200).json()["deleted"], true);
    assert_eq!(get(&provider, "/v1/customers").await.expect(200).json()["data"], json!([]));
    assert_error(
        &post(&provider, &path, "name=x").await,
        404,
        "invalid_request_error",
        Some("resource_missing"),
        Some("id"),
    );
}

#[tokio::test]
async fn every_change_of_an_intent_has_its_events_in_their_order() {
    let provider = Provider::new();
    let intent = charged(&provider, "capture_method=manual").await;
    post(&provider, &format!("{INTENTS}/{}/capture", id(&intent)), "").key("k1").await.expect(200);
    post(&provider, "/v1/refunds", &format!("payment_intent={}&amount=8", id(&intent))).await.expect(200);
    let listed = get(&provider, "/v1/events").await.expect(200).json();
    let events = listed["data"].as_array().unwrap();
    let mut types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    types.reverse();
    assert_eq!(
        types,
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.amount_capturable_updated",
            "charge.captured",
            "payment_intent.succeeded",
            "refund.created",
            "charge.refunded",
        ]
    );
    let find = |kind: &str| events.iter().find(|event| event["type"] == kind).unwrap();
    assert_eq!(find("payment_intent.succeeded")["request"]["idempotency_key"], "k1");
    assert_eq!(find("payment_intent.created")["data"]["object"]["status"], "requires_confirmation");
    assert_eq!(find("charge.refunded")["data"]["object"]["amount_refunded"], 8);
    let one = get(&provider, &format!("/v1/events/{}", id(&events[0]))).await.expect(200).json();
    assert_eq!(one, events[0]);
    let some = get(&provider, "/v1/events?types[]=charge.*").await.expect(200).json();
    assert_eq!(some["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn the_balance_is_what_was_captured_and_not_refunded() {
    let provider = Provider::new();
    let intent = charged(&provider, "").await;
    post(&provider, "/v1/refunds", &format!("payment_intent={}&amount=998", id(&intent))).await.expect(200);
    provider.captured("o2").await;
    let balance = get(&provider, "/v1/balance").await.expect(200).json();
    assert_eq!((&balance["available"][0]["amount"], &balance["livemode"]), (&json!(10998), &json!(false)));
}

#[tokio::test]
async fn a_webhook_endpoint_shows_its_secret_once() {
    let provider = Provider::new();
    let path = "/v1/webhook_endpoints";
    let form = "url=http://127.0.0.1:1/hook&enabled_events[]=charge.succeeded&enabled_events[]=charge.failed";
    let created = post(&provider, path, form).await.expect(200).json();
    assert!(created["secret"].as_str().unwrap().starts_with("whsec_"), "{created}");
    let one = format!("{path}/{}", id(&created));
    assert_eq!(get(&provider, &one).await.expect(200).json()["secret"], Value::Null);
    let changed = post(&provider, &one, "enabled_events[]=*&disabled=true").await.expect(200).json();
    assert_eq!((&changed["enabled_events"], &changed["status"]), (&json!(["*"]), &json!("disabled")));
    for (form, param) in [
        ("url=ftp://a&enabled_events[]=*", "url"),
        ("url=http://a&enabled_events[]=Everything", "enabled_events"),
        ("enabled_events[]=*", "url"),
        ("url=http://a", "enabled_events"),
    ] {
        let wrong = post(&provider, path, form).await;
        assert_eq!(
            (wrong.status, wrong.json()["error"]["param"].as_str()),
            (400, Some(param)),
            "{}",
            wrong.body
        );
    }
    provider.stripe(Method::DELETE, &one, "").await.expect(200);
    assert_eq!(get(&provider, path).await.expect(200).json()["data"], json!([]));
}

#[tokio::test]
async fn intents_outlive_a_restart() {
    let provider = Provider::with_file_ledger(&[]);
    let form = format!("{VISA}&capture_method=manual");
    let first = post(&provider, INTENTS, &form).key("k1").await.expect(200);
    let reopened = provider.reopened();
    assert_eq!(post(&reopened, INTENTS, &form).key("k1").await.expect(200).body, first.body);
    let capture = format!("{INTENTS}/{}/capture", id(&first.json()));
    assert_eq!(post(&reopened, &capture, "").await.expect(200).json()["status"], "succeeded");
    assert_eq!(get(&reopened, "/v1/events").await.expect(200).json()["data"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_run_has_its_own_objects() {
    let provider = Provider::new();
    let intent = post(&provider, &format!("/runs/suite{INTENTS}"), VISA).await.expect(200).json();
    get(&provider, &format!("/runs/suite{INTENTS}/{}", id(&intent))).await.expect(200);
    get(&provider, &format!("{INTENTS}/{}", id(&intent))).await.expect(404);
    let unknown = get(&provider, "/runs/other/v1/balance").await;
    assert_error(&unknown, 404, "invalid_request_error", None, None);
}

/// A form with known and unknown names, and with values of every kind.
fn form() -> impl Strategy<Value = String> {
    const NAMES: [&str; 24] = [
        "amount",
        "amount_to_capture",
        "capture_method",
        "card[number]",
        "charge",
        "confirm",
        "currency",
        "customer",
        "customer[a][b]",
        "email",
        "enabled_events[]",
        "expand[]",
        "expand[x]",
        "limit",
        "metadata[order_id]",
        "metadata[",
        "name",
        "payment_intent",
        "payment_method",
        "payment_method_data[card][token]",
        "reason",
        "starting_after",
        "type",
        "url",
    ];
    const VALUES: [&str; 24] = [
        "",
        "0",
        "1",
        "5998",
        "-1",
        "1e3",
        "99999999999999999999",
        "true",
        "usd",
        "JPY",
        "manual",
        "pm_card_visa",
        "pm_card_chargeDeclined",
        "tok_visa",
        "4242424242424242",
        "card",
        "http://127.0.0.1:9/",
        "*",
        "latest_charge",
        "data.customer",
        "%00",
        "%F0%9F%92%A5",
        "%FF%FE",
        "a%5Bb%5D",
    ];
    let pair = (proptest::sample::select(&NAMES[..]), proptest::sample::select(&VALUES[..]));
    proptest::collection::vec(pair, 0..6).prop_map(|pairs| {
        let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("&")
    })
}

/// A request to one of the endpoints. `#` is replaced by an id.
fn request() -> impl Strategy<Value = (Method, &'static str, String)> {
    const PATHS: [(&str, bool); 20] = [
        ("/v1/payment_intents", true),
        ("/v1/payment_intents", false),
        ("/v1/payment_intents/#", true),
        ("/v1/payment_intents/#", false),
        ("/v1/payment_intents/#/confirm", true),
        ("/v1/payment_intents/#/capture", true),
        ("/v1/payment_intents/#/cancel", true),
        ("/v1/refunds", true),
        ("/v1/refunds", false),
        ("/v1/charges", false),
        ("/v1/charges/#", false),
        ("/v1/customers", true),
        ("/v1/customers/#", true),
        ("/v1/payment_methods", true),
        ("/v1/payment_methods/#/attach", true),
        ("/v1/payment_methods/#/detach", true),
        ("/v1/webhook_endpoints", true),
        ("/v1/events", false),
        ("/v1/balance", false),
        ("/v1/%00/%FF", false),
    ];
    (proptest::sample::select(&PATHS[..]), form())
        .prop_map(|((path, is_post), form)| (if is_post { Method::POST } else { Method::GET }, path, form))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every answer is a success, or an error in Stripe's form that is the caller's.
    #[test]
    fn no_form_makes_the_provider_fail(requests in proptest::collection::vec(request(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let provider = Provider::new();
            let mut last = id(&charged(&provider, "capture_method=manual").await).to_owned();
            for (method, path, form) in requests {
                let path = path.replace('#', &last);
                let is_get = method == Method::GET;
                let with_query = if is_get { format!("{path}?{form}") } else { path.clone() };
                let answer = provider.stripe(method, &with_query, if is_get { "" } else { &form }).await;
                let body: Value = serde_json::from_str(&answer.body).unwrap();
                prop_assert!(answer.status < 500, "{path} {form}: {body}");
                match answer.status {
                    200 => last = body["id"].as_str().map_or(last, str::to_owned),
                    _ => prop_assert!(body["error"]["message"].is_string(), "{path} {form}: {body}"),
                }
            }
            let verdict = provider.get("/verdict").await.json();
            prop_assert_eq!(&verdict["contradictions"], &json!([]));
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_form_that_is_nested_too_deeply_is_refused() {
    let provider = Provider::new();
    for (path, name) in [
        ("/v1/customers", "shipping"),
        ("/v1/customers", "metadata"),
        ("/v1/payment_methods", "billing_details"),
        (INTENTS, "shipping"),
    ] {
        let form = format!("{name}{}=1", "[a]".repeat(10_000));
        let answer = post(&provider, path, &form).await;
        assert_error(&answer, 400, "invalid_request_error", None, Some(name));
    }
    get(&provider, "/v1/customers").await.expect(200);
}

#[tokio::test]
async fn only_the_charge_that_is_named_is_refunded() {
    let provider = Provider::new();
    let declined = "amount=5998&currency=usd&payment_method=pm_card_visa_chargeDeclined&confirm=true&metadata[order_id]=o1";
    let failed = post(&provider, INTENTS, declined).await.expect(402).json();
    let intent = failed["error"]["payment_intent"]["id"].as_str().unwrap().to_owned();
    let charge = failed["error"]["charge"].as_str().unwrap().to_owned();
    post(&provider, &format!("{INTENTS}/{intent}/confirm"), "payment_method=pm_card_visa").await.expect(200);
    let refund = post(&provider, "/v1/refunds", &format!("charge={charge}")).await;
    assert_error(&refund, 400, "invalid_request_error", Some("charge_not_captured"), Some("charge"));
    let form = format!("charge=ch_nope&payment_intent={intent}");
    let refund = post(&provider, "/v1/refunds", &form).await;
    assert_error(&refund, 400, "invalid_request_error", Some("resource_missing"), Some("charge"));
    assert_eq!(provider.effects("o1").await, ["held", "captured"]);
}

#[tokio::test]
async fn an_answer_is_repeated_although_the_objects_that_it_names_are_gone() {
    let provider = Provider::new();
    let customer = post(&provider, "/v1/customers", "name=Ada").await.expect(200).json();
    let form = format!("{VISA}&customer={}", id(&customer));
    let first = post(&provider, INTENTS, &form).key("k1").await.expect(200);
    provider.stripe(Method::DELETE, &format!("/v1/customers/{}", id(&customer)), "").await.expect(200);
    let again = post(&provider, INTENTS, &form).key("k1").await.expect(200);
    assert_eq!((&again.body, again.replayed()), (&first.body, true));
    let other = post(&provider, INTENTS, &form).key("k2").await;
    assert_error(&other, 400, "invalid_request_error", Some("resource_missing"), Some("customer"));
}

#[tokio::test]
async fn changes_of_a_refund_at_the_same_time_are_all_kept() {
    let provider = Provider::new();
    let intent = charged(&provider, "").await;
    let form = format!("payment_intent={}", id(&intent));
    let refund = post(&provider, "/v1/refunds", &form).await.expect(200).json();
    let path = format!("/v1/refunds/{}", id(&refund));
    let changes = (0..20).map(|number| {
        let request = post(&provider, &path, &format!("metadata[k{number}]=v"));
        tokio::spawn(async move { request.await })
    });
    for change in changes.collect::<Vec<_>>() {
        change.await.unwrap().expect(200);
    }
    let refund = get(&provider, &path).await.expect(200).json();
    assert_eq!(refund["metadata"].as_object().unwrap().len(), 20);
}

#[tokio::test]
async fn a_list_of_a_customers_methods_pages_at_its_own_address() {
    let provider = Provider::new();
    let customer = post(&provider, "/v1/customers", "name=Ada").await.expect(200).json();
    let path = format!("/v1/customers/{}/payment_methods", id(&customer));
    let list = get(&provider, &path).await.expect(200).json();
    assert_eq!(list["url"], path);
    get(&provider, "/v1/customers/cus_nope/payment_methods").await.expect(404);
}

#[tokio::test]
async fn a_confirmation_can_choose_the_capture_method() {
    let provider = Provider::new();
    let form = "amount=5998&currency=usd&payment_method=pm_card_visa&metadata[order_id]=o1";
    let intent = post(&provider, INTENTS, form).await.expect(200).json();
    let confirm = format!("{INTENTS}/{}/confirm", id(&intent));
    let intent = post(&provider, &confirm, "capture_method=manual&receipt_email=a@example.com")
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&intent["status"], &intent["receipt_email"]),
        (&json!("requires_capture"), &json!("a@example.com"))
    );
    assert_eq!(provider.effects("o1").await, ["held"]);
}

#[tokio::test]
async fn an_endpoint_may_want_events_that_never_come() {
    let provider = Provider::new();
    let form = "url=http://127.0.0.1:9/hook&enabled_events[]=checkout.session.completed";
    post(&provider, "/v1/webhook_endpoints", form).await.expect(200);
    let form = "url=http://127.0.0.1:9/hook&enabled_events[]=Everything";
    let answer = post(&provider, "/v1/webhook_endpoints", form).await;
    assert_error(&answer, 400, "invalid_request_error", None, Some("enabled_events"));
}
