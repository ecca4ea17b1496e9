//! A ledger that has grown: what it takes on the disk and in memory, and how long it takes to be read.

use std::{sync::Arc, time::Instant};

use tokio::task::JoinSet;

use crate::{
    Result,
    load::Client,
    server::{QUIET, Server},
    throughput::order,
};

const CLIENTS: usize = 50;
const ORDERS_OF_EACH: usize = 500;
const LEDGER: &str = "sqlite:{folder}/ledger.db";

pub async fn measure() -> Result<()> {
    let server = Server::provider(LEDGER, &[QUIET])?;
    let empty = server.memory()?;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let mut client = Client::connect(server.address).await?;
        clients.spawn(async move {
            for _ in 0..ORDERS_OF_EACH {
                order(&mut client).await?;
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        });
    }
    while let Some(done) = clients.join_next().await {
        done??;
    }
    let folder = Arc::clone(&server.folder);
    drop(server);
    let mut bytes = 0;
    for file in std::fs::read_dir(folder.path())? {
        bytes += file?.metadata()?.len();
    }
    let began = Instant::now();
    let server = Server::provider_in(folder, LEDGER, &[])?;
    let (took, orders) = (began.elapsed(), (CLIENTS * ORDERS_OF_EACH) as u64);
    println!("A ledger of {orders} orders, each authorized, reserved, captured and notified\n");
    println!("| | |");
    println!("|---|---|");
    println!("| on the disk, of each order | {} bytes |", bytes / orders);
    println!("| in memory, of each order | {} bytes |", (server.memory()? - empty) / orders);
    println!("| from the start of the process until it listens | {took:?} |\n");
    Ok(())
}
