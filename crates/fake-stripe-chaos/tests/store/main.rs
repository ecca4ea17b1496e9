//! The stores: that both do the same, and that the durable one keeps what was answered whatever happens.

#![allow(clippy::disallowed_methods, reason = "test code may wait and draw")]

mod contract;
mod failing;
mod help;
mod kill;
mod likeness;
mod opening;
