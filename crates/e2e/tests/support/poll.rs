//! Polls the state of a workflow over the API.

use std::time::Instant;

use reqwest::Method;
use serde_json::Value;
use xtask::services::API;

use crate::support::{POLL_INTERVAL, TIMEOUT, TestStack};

/// Polls until the state meets a condition. A worker that has just been killed can't answer, which the API calls
/// retryable.
pub async fn poll(test: &TestStack, path: &str, what: &str, is_there: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let (status, body) = test.call(&API, Method::GET, path, None).await;
        if status == 200 && is_there(&body) {
            return body;
        }
        assert!(status == 200 || body["retryable"] == true, "{body}");
        assert!(Instant::now() < deadline, "{path} never reached {what}: {body}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
