//! Payments and user contexts through real processes and a real Temporal server: what people are promised,
//! seen from outside.

mod again;
mod histories;
mod lossy_proxy;
mod orders;
mod outside;
mod payments;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "what only orders need")]
mod support;
mod user_contexts;
mod workflow_client;
