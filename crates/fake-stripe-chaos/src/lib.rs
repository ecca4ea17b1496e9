#![doc = include_str!("../README.md")]

pub mod app;
pub mod config;
pub mod replay;
pub mod shared;

mod control;
mod inventory;
mod ledger_gauges;
mod notification;
mod payment;
mod runs;
mod shipping;
mod stripe;
mod verdict;

/// Every slice of the service.
const SLICES: &[shared::slice::Slice] = &[
    payment::SLICE,
    inventory::SLICE,
    shipping::SLICE,
    notification::SLICE,
    stripe::SLICE,
    verdict::SLICE,
    control::SLICE,
];
