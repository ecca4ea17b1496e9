//! Runs the workflows of `workflows`, and implements their activities by the provider's HTTP API.

mod activities;
mod config;
mod failure;
mod metrics;
pub mod provider;
mod worker;

pub use config::Config;
pub use worker::run;
