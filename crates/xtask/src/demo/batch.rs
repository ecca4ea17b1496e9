//! Shows a batch of 50 orders that meet whatever the provider draws.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{
    Error,
    order_client::{EndedOrder, OrderClient, order},
    scenario::RANDOM_SCENARIO,
};
use crate::console::Console;

const ORDERS: u64 = 50;

#[derive(Deserialize)]
struct Batch {
    status: String,
    ends: BTreeMap<String, u64>,
}

impl Batch {
    fn summary(&self) -> String {
        let ends = self.ends.iter().filter(|(_, count)| **count > 0);
        let ends: Vec<_> = ends.map(|(end, count)| format!("{count} {end}")).collect();
        format!("{}: {}", self.status, ends.join(", "))
    }
}

/// Places the batch and waits for its end.
///
/// # Errors
/// Returns an error when the API gives no valid answer.
pub async fn show(console: &Console, client: &OrderClient, id: String) -> Result<Vec<EndedOrder>, Error> {
    let mut progress = console.progress_bar(format!("{:<33}", format!("a batch of {ORDERS} orders")));
    let ids: Vec<_> = (1..=ORDERS).map(|number| format!("{id}-{number:02}")).collect();
    let orders: Vec<_> = ids.iter().map(|id| order(id, false)).collect();
    let body = json!({ "batchId": id, "orders": orders });
    client.post("/api/v1/order-batches", &body, StatusCode::ACCEPTED).await?;
    let ended: Batch = client
        .poll(&format!("/api/v1/order-batches/{id}"), |state: &Batch| {
            progress.set(state.ends.values().sum::<u64>() * 100 / ORDERS, &state.summary());
            ["completed", "cancelled", "terminated"].contains(&state.status.as_str())
        })
        .await?;
    progress
        .done(ended.status == "completed" && ended.ends.values().sum::<u64>() == ORDERS, &ended.summary());
    let mut observed = Vec::new();
    for order in ids {
        observed.push(client.observe(order, &RANDOM_SCENARIO).await?);
    }
    Ok(observed)
}
