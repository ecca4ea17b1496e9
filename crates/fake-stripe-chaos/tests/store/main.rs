//! The stores: that both do the same, and that the durable one keeps what was answered whatever happens.

mod contract;
mod help;
mod likeness;
mod opening;
