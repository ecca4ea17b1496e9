//! The stores: both behave the same, and the durable one keeps every answered effect.

#![allow(clippy::disallowed_methods, reason = "test code may wait and draw")]

mod contract;
mod equivalence;
mod failures;
mod kill;
mod opening;
mod support;
