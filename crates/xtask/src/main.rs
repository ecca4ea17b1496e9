//! `cargo xtask`: the commands of the README.

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    xtask::cli::run(xtask::cli::Cli::parse()).await
}
