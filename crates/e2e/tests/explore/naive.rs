//! A small shop with its own saga, which can make typical mistakes. Without them it is correct.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use serde_json::{Value, json};

/// A mistake of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    None,
    /// Uses no idempotency keys, treats a timeout as a refusal, and undoes only answered calls.
    AllOfThem,
    /// Never retries a failed undo.
    UndoTriedOnce,
    /// Uses another idempotency key after two failures.
    NewKeyAfterTwoFailures,
    /// Leaves the status of a failed order unchanged.
    ForgetsFailedOrders,
    /// Sends no order id to the provider.
    NoOrderId,
}

const MAX_ATTEMPTS: usize = 4;

pub struct Shop {
    pub url: String,
}

#[derive(Clone)]
struct NaiveSaga {
    mistake: Mistake,
    provider: String,
    http: reqwest::Client,
    statuses: Arc<Mutex<BTreeMap<String, &'static str>>>,
}

/// The result of a call.
enum CallResult {
    Done(Value),
    /// A definitive refusal.
    Refused,
    /// No reliable answer.
    Unknown,
}

impl Shop {
    pub async fn open(mistake: Mistake, provider: String) -> Self {
        let saga = NaiveSaga { mistake, provider, http: reqwest::Client::new(), statuses: Arc::default() };
        let router =
            Router::new().route("/orders", post(place)).route("/orders/{id}", get(status)).with_state(saga);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url }
    }
}

async fn place(
    State(saga): State<NaiveSaga>,
    headers: axum::http::HeaderMap,
    Json(order): Json<Value>,
) -> (StatusCode, Json<Value>) {
    if headers.contains_key("x-refuse") {
        return (StatusCode::FORBIDDEN, Json(json!({"message": "no"})));
    }
    let id = order["orderId"].as_str().unwrap().to_owned();
    let set_status = |status| saga.statuses.lock().unwrap().insert(id.clone(), status);
    set_status("processing");
    let shipped = if saga.mistake == Mistake::AllOfThem {
        saga.run_naively(&id, &order["amount"]).await
    } else {
        saga.run_correctly(&id, &order["amount"]).await
    };
    match (shipped, saga.mistake) {
        (true, _) => set_status("shipped"),
        (false, Mistake::ForgetsFailedOrders) => set_status("processing"),
        (false, _) => set_status("failed"),
    };
    (StatusCode::OK, Json(json!({"status": if shipped { "shipped" } else { "failed" }})))
}

async fn status(State(saga): State<NaiveSaga>, Path(id): Path<String>) -> Json<Value> {
    Json(json!({"status": saga.statuses.lock().unwrap().get(&id)}))
}

const ADDRESS: &str =
    r#"{"street": "1 Test Street", "city": "London", "state": "LDN", "zip": "W1", "country": "GB"}"#;

impl NaiveSaga {
    async fn once(&self, order: &str, path: &str, key: Option<&str>, body: &Value) -> CallResult {
        let mut request =
            self.http.post(format!("{}{path}", self.provider)).header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if self.mistake != Mistake::NoOrderId {
            request = request.header("x-order-id", order);
        }
        let Ok(answer) = request.body(body.to_string()).send().await else { return CallResult::Unknown };
        let status = answer.status();
        let Ok(text) = answer.text().await else { return CallResult::Unknown };
        let Ok(body) = serde_json::from_str::<Value>(&text) else { return CallResult::Unknown };
        if status.is_success() {
            return CallResult::Done(body);
        }
        match body["error"].as_str() {
            Some("already_captured" | "already_refunded") => CallResult::Done(body["resource"].clone()),
            Some("insufficient_funds" | "out_of_stock" | "address_error") => CallResult::Refused,
            _ => CallResult::Unknown,
        }
    }

    /// Repeats a call with the same key until its result is known.
    async fn retry_until_known(&self, order: &str, path: &str, key: &str, body: &Value) -> CallResult {
        for attempt in 0..MAX_ATTEMPTS {
            let has_new_key = self.mistake == Mistake::NewKeyAfterTwoFailures && attempt == 2;
            let key = if has_new_key { format!("{key}/new") } else { key.to_owned() };
            match self.once(order, path, Some(&key), body).await {
                CallResult::Unknown => {}
                known => return known,
            }
        }
        CallResult::Unknown
    }

    /// Repeats an undo until it succeeds, or runs it once as a mistake.
    async fn undo(&self, order: &str, path: &str, key: &str) -> Option<Value> {
        let attempts = if self.mistake == Mistake::UndoTriedOnce { 1 } else { 10 };
        for _ in 0..attempts {
            if let CallResult::Done(body) = self.once(order, path, None, &json!({"key": key})).await {
                return Some(body);
            }
        }
        None
    }

    async fn run_correctly(&self, order: &str, amount: &Value) -> bool {
        let key = |step: &str| format!("{order}/{step}");
        let mut pending = Vec::new();
        let shipped = self.steps(order, amount, &mut pending).await;
        if !shipped {
            for step in pending.into_iter().rev() {
                match step {
                    "label" => drop(self.undo(order, "/shipping/cancel", &key(step)).await),
                    "reserve" => drop(self.undo(order, "/inventory/release", &key(step)).await),
                    "capture" => {
                        let refunded = self.undo(order, "/payment/refund", &key(step)).await;
                        if refunded.is_none_or(|body| body["status"] != "nothing_to_undo") {
                            return false;
                        }
                    }
                    _ => drop(self.undo(order, "/payment/release", &key(step)).await),
                }
            }
        }
        shipped
    }

    /// Runs the steps. Each registers its compensation first, and discards it after a definitive refusal.
    async fn steps(&self, order: &str, amount: &Value, pending: &mut Vec<&'static str>) -> bool {
        let key = |step: &str| format!("{order}/{step}");
        pending.push("authorize");
        let body = json!({"amount": amount, "currency": "usd"});
        let auth = match self.retry_until_known(order, "/payment/authorize", &key("authorize"), &body).await {
            CallResult::Done(body) => body["authId"].clone(),
            CallResult::Refused => return pending.pop().is_none(),
            CallResult::Unknown => return false,
        };
        pending.push("capture");
        if self.mistake == Mistake::NewKeyAfterTwoFailures {
            if !self.charged_with_new_key(order, amount, &auth).await {
                return false;
            }
        } else if !matches!(
            self.retry_until_known(order, "/payment/capture", &key("capture"), &json!({"authId": auth}))
                .await,
            CallResult::Done(_)
        ) {
            return false;
        }
        pending.push("reserve");
        let body = json!({"items": [{"sku": "book", "quantity": 1}]});
        match self.retry_until_known(order, "/inventory/reserve", &key("reserve"), &body).await {
            CallResult::Done(_) => {}
            CallResult::Refused => {
                pending.pop();
                return false;
            }
            CallResult::Unknown => return false,
        }
        pending.push("label");
        let body = json!({"shippingAddress": serde_json::from_str::<Value>(ADDRESS).unwrap()});
        match self.retry_until_known(order, "/shipping/create-label", &key("label"), &body).await {
            CallResult::Done(_) => {}
            CallResult::Refused => {
                pending.pop();
                return false;
            }
            CallResult::Unknown => return false,
        }
        let mail = json!({"type": "sms", "recipient": "+15550100", "subject": "Shipped", "message": "It is on its way."});
        drop(self.retry_until_known(order, "/notification/send", &key("notify"), &mail).await);
        true
    }

    /// Makes a second payment after two failures of a capture. It voids the first authorization, although that may have
    /// been captured.
    async fn charged_with_new_key(&self, order: &str, amount: &Value, auth: &Value) -> bool {
        let key = format!("{order}/capture");
        for _ in 0..2 {
            if let CallResult::Done(_) =
                self.once(order, "/payment/capture", None, &json!({"authId": auth})).await
            {
                return true;
            }
        }
        drop(self.undo(order, "/payment/release", &format!("{order}/authorize")).await);
        let body = json!({"amount": amount, "currency": "usd"});
        let second =
            self.retry_until_known(order, "/payment/authorize", &format!("{order}/new"), &body).await;
        let CallResult::Done(second) = second else { return false };
        matches!(
            self.retry_until_known(order, "/payment/capture", &key, &json!({"authId": second["authId"]}))
                .await,
            CallResult::Done(_)
        )
    }

    async fn run_naively(&self, order: &str, amount: &Value) -> bool {
        let Some(auth) = self.paid(order, amount).await else { return false };
        let body = json!({"items": [{"sku": "book", "quantity": 1}]});
        let CallResult::Done(reserved) = self.once(order, "/inventory/reserve", None, &body).await else {
            self.refund(order, &auth).await;
            return false;
        };
        let body = json!({"shippingAddress": serde_json::from_str::<Value>(ADDRESS).unwrap()});
        let CallResult::Done(_) = self.once(order, "/shipping/create-label", None, &body).await else {
            let body = json!({"reservationId": reserved["reservationId"]});
            drop(self.once(order, "/inventory/release", None, &body).await);
            self.refund(order, &auth).await;
            return false;
        };
        let mail = json!({"type": "sms", "recipient": "+15550100", "subject": "Shipped", "message": "It is on its way."});
        drop(self.once(order, "/notification/send", None, &mail).await);
        true
    }

    /// Pays again after an unknown result.
    async fn paid(&self, order: &str, amount: &Value) -> Option<Value> {
        for _ in 0..2 {
            let body = json!({"amount": amount, "currency": "usd"});
            let auth = match self.once(order, "/payment/authorize", None, &body).await {
                CallResult::Done(body) => body["authId"].clone(),
                CallResult::Refused => return None,
                CallResult::Unknown => continue,
            };
            if let CallResult::Done(_) =
                self.once(order, "/payment/capture", None, &json!({"authId": auth})).await
            {
                return Some(auth);
            }
        }
        None
    }

    async fn refund(&self, order: &str, auth: &Value) {
        drop(self.once(order, "/payment/refund", None, &json!({"authId": auth})).await);
    }
}
