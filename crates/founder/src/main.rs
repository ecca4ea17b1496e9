//! The process of founder.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::process::main("founder", env!("CARGO_PKG_VERSION"), founder::run)
}
