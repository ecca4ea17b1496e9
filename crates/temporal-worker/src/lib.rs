#![doc = include_str!("../README.md")]

mod activities;
mod config;
mod deployment;
mod failure;
mod metrics;
pub mod provider;
mod worker;

pub use config::Config;
pub use worker::run;
