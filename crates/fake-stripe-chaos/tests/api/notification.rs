//! Notification: its answers, and the data that it never stores.

use serde_json::json;

use crate::support::Provider;

#[tokio::test]
async fn a_notification_is_answered_with_its_recipient() {
    let provider = Provider::new();
    let answer = provider.notify().order("order-1").await.expect(201).json();
    let id = answer["notificationId"].as_str().unwrap();
    assert!(id.starts_with("ntf_"));
    assert_eq!(
        answer,
        json!({
            "success": true, "notificationId": id, "type": "email", "recipient": "jo@example.com",
            "status": "sent", "sentAt": "2025-11-24T16:00:00.000Z", "orderId": "order-1",
        })
    );
    assert_eq!(provider.get(&format!("/notification/{id}")).await.expect(200).json(), answer);
    provider.get("/notification/ntf_unknown").await.problem(404, "notification_not_found");
}

#[tokio::test]
async fn all_errors_of_a_notification_are_reported_together() {
    let body = json!({"type": "fax", "recipient": "", "subject": "nul\u{0}", "orderId": 1});
    let answer = Provider::new().post("/notification/send", &body).await;
    let answer = answer.problem(422, "validation_failed").json();
    let pointers: Vec<_> =
        answer["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/type", "/recipient", "/subject", "/message", "/orderId"]);
}

#[tokio::test]
async fn the_journal_contains_no_personal_data() {
    let provider = Provider::new();
    provider.notify().order("order-1").await.expect(201);
    provider.label().order("order-1").await.expect(201);
    let card = json!({"amount": 1, "currency": "usd", "source": "4242424242424242", "description": "for Jo"});
    provider.post("/payment/charge", &card).order("order-1").await.expect(200);
    let journal = provider.get("/journal").await.expect(200);
    assert_eq!(journal.json()["entries"].as_array().unwrap().len(), 3);
    for personal in ["jo@example.com", "Words", "Secret Lane", "Springfield", "62701", "4242", "for Jo"] {
        assert!(!journal.body.contains(personal), "{personal} in {}", journal.body);
    }
}

#[tokio::test]
async fn an_invalid_recipient_is_refused_and_nothing_is_sent() {
    let provider = Provider::new();
    let send = async |kind: &str, recipient: &str| {
        let body = json!({"type": kind, "recipient": recipient, "subject": "Hi", "message": "Words"});
        provider.post("/notification/send", &body).await
    };
    for (kind, recipient) in [
        ("email", ""),
        ("email", " "),
        ("email", "jo"),
        ("email", "jo@"),
        ("email", "@example.com"),
        ("email", "jo@example.com, ann@example.com"),
        ("email", "Jo <jo@example.com>"),
        ("email", "+15550100"),
        ("sms", "jo@example.com"),
        ("sms", "+"),
        ("sms", "12"),
        ("sms", "+1234567890123456"),
        ("sms", "555-0100-x"),
        ("push", "two words"),
        ("push", "\t"),
    ] {
        let refused = send(kind, recipient).await.problem(422, "validation_failed").json();
        let errors = refused["errors"].as_array().unwrap();
        assert_eq!((errors.len(), &errors[0]["pointer"]), (1, &json!("/recipient")), "{kind} {recipient:?}");
    }
    assert_eq!(provider.get("/ledger").await.expect(200).json()["notifications"]["sent"], 0);
    for (kind, recipient) in [
        ("email", "jo@example.com"),
        ("email", "jo+orders@mail.example.co.uk"),
        ("sms", "+15550100"),
        ("sms", "(555) 010-0100"),
        ("push", "fcm:APA91bF_x-y"),
    ] {
        send(kind, recipient).await.expect(201);
    }
}
