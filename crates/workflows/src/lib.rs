#![doc = include_str!("../README.md")]

pub mod activities;
mod cancellation;
mod child_order;
pub mod failure;
pub mod ids;
pub mod order_batch;
pub mod order_fulfillment;
pub mod order_return;
pub mod payment;
pub mod policies;
pub mod reconciliation;
pub mod saga;
pub mod search_attributes;
pub mod signal;
pub mod subscription;
pub mod time;
pub mod user_context;
