//! Tests what an operator sees from outside: traces, log lines and metrics of the running processes.

mod collector;

#[allow(dead_code, reason = "other test binaries use the rest")]
#[path = "../support/mod.rs"]
mod support;

mod drill;
mod metrics;
mod traces;
