//! Any workflow of a test, followed over the API by its id.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use xtask::services::API;

use crate::support::{TIMEOUT, TestStack};

/// One workflow of a test's test.
pub struct WorkflowClient<'a> {
    test: &'a TestStack,
    pub id: String,
}

/// The body of a payment for one of the test's orders: 59.98 usd.
pub fn payment(test: &TestStack, order: &str) -> Value {
    json!({"orderId": test.order_id(order), "amount": 5998, "currency": "usd", "source": "tok_visa"})
}

/// Starts one payment for one of the test's orders.
pub async fn pay<'a>(test: &'a TestStack, order: &str) -> WorkflowClient<'a> {
    let (status, body) = start(test, "payment", &payment(test, order)).await;
    assert_eq!(status, 202, "{body}");
    WorkflowClient::of(test, &body)
}

/// Asks for a workflow of a kind.
pub async fn start(test: &TestStack, kind: &str, body: &Value) -> (u16, Value) {
    test.call(&API, Method::POST, &format!("/api/v1/workflows/{kind}"), Some(body)).await
}

impl<'a> WorkflowClient<'a> {
    /// The workflow that was started.
    pub fn of(test: &'a TestStack, started: &Value) -> Self {
        let id = started["workflowId"].as_str().unwrap_or_else(|| panic!("{started}")).to_owned();
        Self { test, id }
    }

    pub async fn get(&self, rest: &str) -> (u16, Value) {
        self.test.call(&API, Method::GET, &format!("/api/v1/workflows/{}/{rest}", self.id), None).await
    }

    pub async fn state(&self) -> Value {
        let (status, body) = self.get("status").await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// The final state.
    pub async fn wait_for_end(&self) -> Value {
        let (status, body) = self.get(&format!("result?timeout={}&wait=close", TIMEOUT.as_secs())).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Waits until the workflow's state is as wanted.
    pub async fn wait_for_state(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let state = self.state().await;
            if wanted(&state) {
                return state;
            }
            assert!(Instant::now() < deadline, "{} never was {what}: {state}", self.id);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn wait_for_status(&self, status: &str) -> Value {
        self.wait_for_state(status, |state| state["status"] == status).await
    }

    /// Cancels it by the API; gives the status and the error's code.
    pub async fn cancel(&self) -> (u16, String) {
        let path = format!("/api/v1/workflows/{}/cancel", self.id);
        let (status, body) = self.test.call(&API, Method::POST, &path, None).await;
        (status, body["error"].as_str().unwrap_or_default().to_owned())
    }

    /// Sends a signal past the API, with the payload as it is or with none.
    pub async fn signal(&self, name: &str, payload: Option<&str>) {
        let mut arguments = vec!["workflow", "signal", "-w", &self.id, "--name", name];
        if let Some(payload) = payload {
            arguments.extend(["--input", payload]);
        }
        self.test.temporal(&arguments).await;
    }

    /// The activities that its history scheduled, in their order.
    pub async fn activities(&self) -> Vec<String> {
        let (status, body) = self.get("history").await;
        assert_eq!(status, 200, "{body}");
        let events = body["events"].as_array().unwrap();
        let scheduled = events.iter().filter(|event| event["type"] == "ActivityTaskScheduled");
        scheduled.map(|event| event["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// Requires that a payment stays, charged once and in full, and that the provider's ledger agrees.
pub async fn assert_settled(test: &TestStack, order: &str) {
    assert_eq!(test.effects(order).await, ["held", "captured"], "{}", test.ledger(order).await);
    test.assert_verdict(order, &json!({"status": "succeeded"})).await;
}
