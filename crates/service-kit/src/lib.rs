#![doc = include_str!("../README.md")]

pub mod auth;
pub mod client;
pub mod config;
pub mod connection;
pub mod correlation;
pub mod cors;
pub mod headers;
pub mod health;
mod healthcheck;
pub mod json;
pub mod layers;
pub mod metrics;
pub mod openapi;
pub mod problem;
pub mod process;
pub mod serve;
pub mod service;
pub mod stopping;
pub mod telemetry;
pub mod time;
pub mod traces;
