//! Starts the worker's process.

use std::process::ExitCode;

use temporalio_sdk::opentelemetry::WorkflowIdGenerator;

fn main() -> ExitCode {
    // A replay draws the ids of its spans again, so they must be the same.
    let ids = WorkflowIdGenerator::default();
    service_kit::process::main_with_span_ids(
        "temporal-worker",
        env!("CARGO_PKG_VERSION"),
        ids,
        temporal_worker::run,
    )
}
