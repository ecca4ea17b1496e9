//! Tests orders from outside, with four real processes and a real Temporal server.

mod again;
mod crashes;
mod decisions;
mod exploration;
mod failures;
mod faulty_proxy;
mod happy_path;
mod histories;
mod matrix;
mod outages;
mod outside;
mod restarts;
mod signals;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod updates;
mod volume;
mod waits;
