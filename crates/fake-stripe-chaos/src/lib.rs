//! A payment, inventory, shipping and notification provider that misbehaves on purpose and keeps the
//! truth: every effect is in its ledger, and its verdict says whether an order's end fits it.
//!
//! Each context is a slice of its own (`domain`, `application`, `infrastructure`, `presentation`), which
//! knows [`shared`] and no other context. `truth` looks across them, through the ledger alone, and
//! `control` tells chaos what to do. [`replay`] is a tool beside the service: it makes draws again.

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
