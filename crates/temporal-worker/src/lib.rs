#![doc = include_str!("../README.md")]

mod activities;
mod config;
mod deployment;
mod failure;
mod metrics;
mod order_ends;
pub mod provider;
mod worker;

pub use config::Config;
pub use worker::run;
