//! A payment, inventory, shipping and notification provider that injects faults. Its ledger has every
//! effect, and its verdict compares the ledger with the recorded outcomes of the orders.
//!
//! Each context is a slice of its own (`domain`, `application`, `infrastructure`, `presentation`), which
//! knows [`shared`] and no other context. `verdict` reads all of
//! them, through the ledger alone, and `control` sets profiles and plans. [`replay`] is a tool that repeats draws.

pub mod app;
pub mod config;
pub mod replay;
pub mod shared;

mod control;
mod inventory;
mod notification;
mod payment;
mod runs;
mod shipping;
mod verdict;

/// Every slice of the service.
const SLICES: &[shared::slice::Slice] =
    &[payment::SLICE, inventory::SLICE, shipping::SLICE, notification::SLICE, verdict::SLICE, control::SLICE];
