//! Any workflow of a test, followed over the API by its id.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use xtask::services::API;

use crate::support::{PATIENCE, World};

/// One workflow of a test's world.
pub struct Flow<'a> {
    world: &'a World,
    pub id: String,
}

/// The body of a payment for one of the test's orders: 59.98 usd.
pub fn payment(world: &World, order: &str) -> Value {
    json!({"orderId": world.id(order), "amount": 5998, "currency": "usd", "source": "tok_visa"})
}

/// Starts one payment for one of the test's orders.
pub async fn pay<'a>(world: &'a World, order: &str) -> Flow<'a> {
    let (status, body) = start(world, "payment", &payment(world, order)).await;
    assert_eq!(status, 202, "{body}");
    Flow::of(world, &body)
}

/// Asks for a workflow of a kind.
pub async fn start(world: &World, kind: &str, body: &Value) -> (u16, Value) {
    world.call(&API, Method::POST, &format!("/api/v1/workflows/{kind}"), Some(body)).await
}

impl<'a> Flow<'a> {
    /// The workflow that was started.
    pub fn of(world: &'a World, started: &Value) -> Self {
        let id = started["workflowId"].as_str().unwrap_or_else(|| panic!("{started}")).to_owned();
        Self { world, id }
    }

    pub async fn get(&self, rest: &str) -> (u16, Value) {
        self.world.call(&API, Method::GET, &format!("/api/v1/workflows/{}/{rest}", self.id), None).await
    }

    pub async fn state(&self) -> Value {
        let (status, body) = self.get("status").await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// The final state.
    pub async fn end(&self) -> Value {
        let (status, body) = self.get(&format!("result?timeout={}&wait=close", PATIENCE.as_secs())).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Waits until the workflow's state is as wanted.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let state = self.state().await;
            if wanted(&state) {
                return state;
            }
            assert!(Instant::now() < deadline, "{} never was {what}: {state}", self.id);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn until_status(&self, status: &str) -> Value {
        self.until(status, |state| state["status"] == status).await
    }

    /// Cancels it by the API; gives the status and the error's code.
    pub async fn cancel(&self) -> (u16, String) {
        let path = format!("/api/v1/workflows/{}/cancel", self.id);
        let (status, body) = self.world.call(&API, Method::POST, &path, None).await;
        (status, body["error"].as_str().unwrap_or_default().to_owned())
    }

    /// Sends a signal past the API, with the payload as it is or with none.
    pub async fn signal(&self, name: &str, payload: Option<&str>) {
        let mut arguments = vec!["workflow", "signal", "-w", &self.id, "--name", name];
        if let Some(payload) = payload {
            arguments.extend(["--input", payload]);
        }
        self.world.temporal(&arguments).await;
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
pub async fn must_stay(world: &World, order: &str) {
    assert_eq!(world.effects(order).await, ["held", "captured"], "{}", world.ledger(order).await);
    world.must_agree(order, &json!({"status": "succeeded"})).await;
}
