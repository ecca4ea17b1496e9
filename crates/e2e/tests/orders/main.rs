//! Orders through four real processes and a real Temporal server: what people are promised, seen from
//! outside.

mod decisions;
mod failures;
mod happy_path;
mod histories;
mod signals;
mod support;
