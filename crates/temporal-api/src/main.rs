//! Starts the API's process.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::process::main("temporal-api", env!("CARGO_PKG_VERSION"), temporal_api::run)
}
