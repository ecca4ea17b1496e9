//! The stores: that both do the same, and that the durable one keeps what was answered whatever happens.

mod contract;
mod failing;
mod help;
mod kill;
mod likeness;
mod opening;
