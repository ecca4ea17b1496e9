//! Orders through four real processes and a real Temporal server: what people are promised, seen from
//! outside.

mod again;
mod crashes;
mod decisions;
mod exploration;
mod failures;
mod happy_path;
mod histories;
mod mutant;
mod outages;
mod outside;
mod restarts;
mod signals;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod volume;
mod waits;
