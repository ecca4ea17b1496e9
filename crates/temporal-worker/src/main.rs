//! Starts the worker's process.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::process::main("temporal-worker", env!("CARGO_PKG_VERSION"), temporal_worker::run)
}
