//! Shows a subscription of three orders. The second is declined at first, and placed again.

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{
    Error,
    order_client::{EndedOrder, OrderClient, order},
    scenario::{HAPPY_PATH, SECOND_TRY, Scenario},
};
use crate::console::Console;

static PERIODS: [&Scenario; 3] = [HAPPY_PATH, &SECOND_TRY, HAPPY_PATH];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    status: String,
    shipped: u64,
    recent: Vec<Period>,
}

#[derive(Deserialize)]
struct Period {
    attempts: u64,
}

/// Creates the subscription and waits for its end.
///
/// # Errors
/// Returns an error when the API gives no valid answer.
pub async fn show(console: &Console, client: &OrderClient, id: String) -> Result<Vec<EndedOrder>, Error> {
    let mut progress = console.progress_bar(format!("{:<33}", "a subscription of three orders"));
    let orders = || PERIODS.iter().zip(1..).map(|(scenario, period)| (format!("{id}-{period}"), *scenario));
    for (order, scenario) in orders() {
        client.plan(&order, scenario).await?;
    }
    let order = order(&id, false);
    let body = json!({
        "subscriptionId": id,
        "customerId": order["customerId"],
        "customerEmail": order["customerEmail"],
        "items": order["items"],
        "shippingAddress": order["shippingAddress"],
        "every": "1s",
        "maxOrders": PERIODS.len(),
    });
    client.post("/api/v1/subscriptions", &body, StatusCode::CREATED).await?;
    let ended: Subscription = client
        .poll(&format!("/api/v1/subscriptions/{id}"), |state: &Subscription| {
            progress.set(state.shipped * 100 / PERIODS.len() as u64, &state.status);
            state.status != "active"
        })
        .await?;
    let attempts: Vec<_> = ended.recent.iter().map(|period| period.attempts.to_string()).collect();
    let summary =
        format!("{}: {} shipped, after {} attempts", ended.status, ended.shipped, attempts.join(", "));
    progress.done(ended.status == "completed", &summary);
    let mut observed = Vec::new();
    for (order, scenario) in orders() {
        observed.push(client.observe(order, scenario).await?);
    }
    Ok(observed)
}
