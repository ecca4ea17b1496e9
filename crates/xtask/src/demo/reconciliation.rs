//! Shows an order whose workflow is terminated by hand, and the reconciliation that finds and releases its hold.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{
    Error,
    order_client::{EndedOrder, OrderClient},
    scenario::TERMINATED,
};
use crate::{
    console::Console,
    services::{Options, Temporal},
};

const COMMAND_LIMIT: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    current_step: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    status: String,
    repair: bool,
    orders: u64,
    contradiction_count: u64,
    repaired: u64,
    not_repaired: u64,
    orphans: Vec<Orphan>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Orphan {
    order_id: String,
    open: Vec<OpenEffect>,
}

#[derive(Deserialize)]
struct OpenEffect {
    effect: String,
}

impl Report {
    fn summary(&self) -> String {
        let effects = self.orphans.iter().flat_map(|orphan| &orphan.open).map(|open| open.effect.as_str());
        format!(
            "{} orders compared, {} contradictions, {} orphans ({}), {} released",
            self.orders,
            self.contradiction_count,
            self.orphans.len(),
            effects.collect::<Vec<_>>().join(", "),
            self.repaired
        )
    }

    fn is_expected(&self, order: &str) -> bool {
        (self.contradiction_count, self.repaired, self.not_repaired) == (0, 1, 0)
            && self.orphans.iter().map(|orphan| orphan.order_id.as_str()).eq([order])
    }
}

/// Plants an orphan, and reconciles with repair.
///
/// # Errors
/// Returns an error when the API or the CLI gives no valid answer.
pub async fn show(
    console: &Console,
    client: &OrderClient,
    temporal: &Options,
    id: String,
) -> Result<EndedOrder, Error> {
    let mut progress = console.progress_bar(format!("{:<33}", "an order terminated by hand"));
    client.plan(&id, &TERMINATED).await?;
    client.place(&id, true).await?;
    let workflow = format!("order-fulfillment-{id}");
    let waits = |order: &Order| order.current_step == "awaiting_approval";
    client.poll(&format!("/api/v1/order/{workflow}/status"), waits).await?;
    terminate(temporal, &workflow).await.map_err(Error::Command)?;
    progress.set(50, "terminated while its money is held");
    client.post("/api/v1/reconciliation/trigger", &json!({"repair": true}), StatusCode::ACCEPTED).await?;
    let ended = |report: &Report| report.repair && report.status != "running";
    let report = client.poll("/api/v1/reconciliation/report", ended).await?;
    progress.done(report.is_expected(&id), &report.summary());
    client.observe(id, &TERMINATED).await
}

async fn terminate(temporal: &Options, workflow: &str) -> Result<(), String> {
    let Temporal::DevServer(cli) = &temporal.temporal else {
        return Err("a demo starts its own Temporal server".to_owned());
    };
    let address = temporal.temporal_address();
    let arguments = ["workflow", "terminate", "-w", workflow, "--reason", "a demo", "--address", &address];
    cli.run(&arguments, COMMAND_LIMIT).await
}
