//! How fast the provider is beside a server that does nothing, and what a parked request costs.
//! `cargo bench -p fake-stripe-chaos`, with names behind `--` for some of it only; figures and method are in
//! `docs/benchmarks.md`.

#![allow(clippy::disallowed_methods, reason = "test code may wait and draw")]

mod bare;
mod grown;
mod load;
mod parked;
mod server;
mod throughput;

use std::error::Error;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const PARTS: [&str; 3] = ["throughput", "grown", "parked"];

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if arguments.iter().any(|argument| argument == bare::ARGUMENT) {
        return runtime.block_on(bare::serve());
    }
    // Cargo adds `--bench`.
    let mut wanted: Vec<_> = arguments.iter().map(String::as_str).filter(|name| *name != "--bench").collect();
    if let Some(unknown) = wanted.iter().find(|name| !PARTS.contains(name)) {
        return Err(format!("there is no {unknown}: there are {}", PARTS.join(", ")).into());
    }
    if wanted.is_empty() {
        wanted = PARTS.to_vec();
    }
    runtime.block_on(async {
        for part in wanted {
            match part {
                "throughput" => throughput::measure().await?,
                "grown" => grown::measure().await?,
                _ => parked::measure().await?,
            }
        }
        Ok(())
    })
}
