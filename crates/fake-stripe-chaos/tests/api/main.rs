//! The provider from the outside: every test sends requests to the router of a complete provider.

#![allow(clippy::disallowed_methods, reason = "test code may wait and draw")]

mod admin;
mod chaos;
mod concurrency;
mod growth;
mod http;
mod idempotency;
mod inventory;
mod key_table;
mod machine;
mod notification;
mod open_effects;
mod payment;
mod profiles;
mod returns;
mod runs;
mod shipping;
mod stats;
mod stripe;
mod support;
mod undo;
mod verdict;
mod webhooks;
mod wire;
