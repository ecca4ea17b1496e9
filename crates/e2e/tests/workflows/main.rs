//! Tests payments and user contexts from outside, with real processes and a real Temporal server.

mod again;
mod histories;
mod lossy_proxy;
mod orders;
mod outside;
mod payments;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "only the tests of orders use some parts")]
mod support;
mod user_contexts;
mod workflow_client;
