//! How fast the provider is beside a server that does nothing, and what a parked request costs.
//! `cargo bench -p fake-stripe-chaos`; figures and method are in `docs/benchmarks.md`.

mod bare;
mod grown;
mod load;
mod parked;
mod server;
mod throughput;

use std::error::Error;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if std::env::args().any(|argument| argument == bare::ARGUMENT) {
            return bare::serve().await;
        }
        throughput::measure().await?;
        grown::measure().await?;
        parked::measure().await
    })
}
