//! The provider as its callers see it: every test asks a whole provider over its real router.

#![allow(clippy::disallowed_methods, reason = "test code may wait and draw")]

mod chaos;
mod concurrency;
mod growth;
mod help;
mod http;
mod idempotency;
mod inventory;
mod key_table;
mod machine;
mod notification;
mod payment;
mod profiles;
mod runs;
mod shipping;
mod stats;
mod truth;
mod undo;
mod wire;
