//! A client of the workflow API for one workflow.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use xtask::services::API;

use crate::support::{TIMEOUT, TestStack};

/// One workflow of a test.
pub struct WorkflowClient<'a> {
    test: &'a TestStack,
    pub id: String,
}

/// Returns the body of a payment of 59.98 usd for one of the test's orders.
pub fn payment(test: &TestStack, order: &str) -> Value {
    json!({"orderId": test.order_id(order), "amount": 5998, "currency": "usd", "source": "tok_visa"})
}

/// Starts a payment for one of the test's orders.
pub async fn pay<'a>(test: &'a TestStack, order: &str) -> WorkflowClient<'a> {
    let (status, body) = start(test, "payment", &payment(test, order)).await;
    assert_eq!(status, 202, "{body}");
    WorkflowClient::of(test, &body)
}

/// Starts a workflow of a kind.
pub async fn start(test: &TestStack, kind: &str, body: &Value) -> (u16, Value) {
    test.call(&API, Method::POST, &format!("/api/v1/workflows/{kind}"), Some(body)).await
}

impl<'a> WorkflowClient<'a> {
    /// Returns a client for the workflow in the answer to a start.
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

    /// Waits for the workflow's end, and returns its final state.
    pub async fn wait_for_end(&self) -> Value {
        let (status, body) = self.get(&format!("result?timeout={}&wait=close", TIMEOUT.as_secs())).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Waits until the workflow's state meets a condition.
    pub async fn wait_for_state(&self, name: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let state = self.state().await;
            if condition(&state) {
                return state;
            }
            assert!(Instant::now() < deadline, "{} never reached {name}: {state}", self.id);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn wait_for_status(&self, status: &str) -> Value {
        self.wait_for_state(status, |state| state["status"] == status).await
    }

    /// Cancels the workflow over the API. Returns the status and the error's code.
    pub async fn cancel(&self) -> (u16, String) {
        let path = format!("/api/v1/workflows/{}/cancel", self.id);
        let (status, body) = self.test.call(&API, Method::POST, &path, None).await;
        (status, body["error"].as_str().unwrap_or_default().to_owned())
    }

    /// Sends a signal with the Temporal CLI, with or without a payload.
    pub async fn signal(&self, name: &str, payload: Option<&str>) {
        let mut arguments = vec!["workflow", "signal", "-w", &self.id, "--name", name];
        if let Some(payload) = payload {
            arguments.extend(["--input", payload]);
        }
        self.test.temporal(&arguments).await;
    }

    /// Returns the activities that the history scheduled, in their order.
    pub async fn activities(&self) -> Vec<String> {
        let (status, body) = self.get("history").await;
        assert_eq!(status, 200, "{body}");
        let events = body["events"].as_array().unwrap();
        let scheduled = events.iter().filter(|event| event["type"] == "ActivityTaskScheduled");
        scheduled.map(|event| event["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// Asserts that a payment is charged once and in full, and that the verdict has no contradiction.
pub async fn assert_settled(test: &TestStack, order: &str) {
    assert_eq!(test.effects(order).await, ["held", "captured"], "{}", test.ledger(order).await);
    test.assert_verdict(order, &json!({"status": "succeeded"})).await;
}
