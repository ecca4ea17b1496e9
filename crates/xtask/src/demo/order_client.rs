//! The customer's side over HTTP: places an order, sends its signals, polls it to its end, and records its outcome
//! at the provider.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    Error,
    scenario::{Scenario, SignalStep},
    verdict::Verdict,
};
use crate::{
    console::ProgressBar,
    http::{Answer, Http},
};

const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// Leaves time for an order whose undos are retried on a busy machine.
const ORDER_LIMIT: Duration = Duration::from_mins(3);
const POLL_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Debug, Clone)]
pub struct OrderClient {
    pub http: Http,
    pub api: String,
    pub provider: String,
}

/// An order that has ended, with its final state from the API.
#[derive(Debug)]
pub struct EndedOrder {
    pub id: String,
    pub scenario: &'static Scenario,
    pub end: State,
}

/// The part of an order's state that the demo uses.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub success: bool,
    pub status: String,
    progress: u64,
    current_step: String,
    error: Option<Failure>,
    compensations: Vec<Undo>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    code: String,
    message: String,
}

#[derive(Debug, Deserialize)]
struct Undo {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Placed {
    workflow_id: String,
}

impl OrderClient {
    /// Runs an order through a scenario to its end, and records its outcome at the provider.
    pub async fn run_scenario(
        &self,
        id: String,
        scenario: &'static Scenario,
        mut progress_bar: ProgressBar,
    ) -> Result<EndedOrder, Error> {
        self.plan(&id, scenario).await?;
        let order = self.place(&id, scenario.requires_approval).await?;
        let end = self.poll_to_end(&id, &order, scenario.signal, &mut progress_bar).await?;
        self.record_outcome(&id, &end).await?;
        let ended = EndedOrder { id, scenario, end };
        progress_bar.done(ended.mismatch().is_none(), &ended.summary());
        Ok(ended)
    }

    /// Makes the provider play a scenario for an order. Without a plan, it draws.
    pub(super) async fn plan(&self, id: &str, scenario: &Scenario) -> Result<(), Error> {
        let Some(plan) = scenario.plan() else { return Ok(()) };
        let url = format!("{}/chaos/plans/{id}", self.provider);
        let planned = self.http.put(&url, &plan, ANSWER_LIMIT).await?;
        expect::<Value>(StatusCode::OK, &format!("plan for {id}"), planned).map(drop)
    }

    /// Returns the end of an order that a workflow placed, and records its outcome at the provider.
    pub(super) async fn observe(&self, id: String, scenario: &'static Scenario) -> Result<EndedOrder, Error> {
        let url = format!("{}/api/v1/order/order-fulfillment-{id}/result", self.api);
        let answer = self.http.get(&url, ANSWER_LIMIT).await?;
        let end: State = expect(StatusCode::OK, &format!("result of {id}"), answer)?;
        self.record_outcome(&id, &end).await?;
        Ok(EndedOrder { id, scenario, end })
    }

    /// Polls a state of the API until a condition holds.
    pub(super) async fn poll<T: DeserializeOwned>(
        &self,
        path: &str,
        mut is_there: impl FnMut(&T) -> bool,
    ) -> Result<T, Error> {
        let started_at = Instant::now();
        while started_at.elapsed() < ORDER_LIMIT {
            let answer = self.http.get(&format!("{}{path}", self.api), ANSWER_LIMIT).await;
            // The next poll may succeed.
            if let Ok(state) = answer.map_err(Error::from).and_then(|it| expect(StatusCode::OK, path, it))
                && is_there(&state)
            {
                return Ok(state);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Err(Error::NotEnded { order: path.to_owned(), limit: ORDER_LIMIT })
    }

    /// Sends a body to the API.
    pub(super) async fn post(&self, path: &str, body: &Value, status: StatusCode) -> Result<(), Error> {
        let answer = self.http.post(&format!("{}{path}", self.api), body, ANSWER_LIMIT).await?;
        expect::<Value>(status, path, answer).map(drop)
    }

    /// Places an order, and returns its URL in the API.
    pub(super) async fn place(&self, id: &str, requires_approval: bool) -> Result<String, Error> {
        let url = format!("{}/api/v1/order", self.api);
        let placed = self.http.post(&url, &order(id, requires_approval), ANSWER_LIMIT).await?;
        let Placed { workflow_id } = expect(StatusCode::CREATED, &format!("order {id}"), placed)?;
        Ok(format!("{url}/{workflow_id}"))
    }

    async fn poll_to_end(
        &self,
        id: &str,
        order: &str,
        mut signal: Option<SignalStep>,
        progress_bar: &mut ProgressBar,
    ) -> Result<State, Error> {
        let started_at = Instant::now();
        while started_at.elapsed() < ORDER_LIMIT {
            // The next poll may succeed.
            if let Ok(state) = self.state(order).await {
                if state.has_ended() {
                    let result = self.http.get(&format!("{order}/result"), ANSWER_LIMIT).await?;
                    return expect(StatusCode::OK, &format!("result of {id}"), result);
                }
                progress_bar.set(state.progress, &state.summary());
                if let Some(SignalStep { action, reason, .. }) =
                    signal.take_if(|signal| signal.at_step == state.current_step)
                {
                    let reason = json!({ "reason": reason });
                    let answer = self.http.post(&format!("{order}/{action}"), &reason, ANSWER_LIMIT).await?;
                    expect::<Value>(StatusCode::OK, &format!("{action} {id}"), answer)?;
                }
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Err(Error::NotEnded { order: id.to_owned(), limit: ORDER_LIMIT })
    }

    async fn state(&self, order: &str) -> Result<State, Error> {
        let answer = self.http.get(&format!("{order}/status"), ANSWER_LIMIT).await?;
        expect(StatusCode::OK, "status", answer)
    }

    /// Records the outcome as an observer. The order can't do it itself, since the verdict judges it.
    async fn record_outcome(&self, id: &str, end: &State) -> Result<(), Error> {
        let outcome = json!({ "outcome": if end.success { "shipped" } else { "not_shipped" } });
        let url = format!("{}/ledger/orders/{id}/outcome", self.provider);
        let answer = self.http.put(&url, &outcome, ANSWER_LIMIT).await?;
        expect::<Value>(StatusCode::OK, &format!("outcome of {id}"), answer).map(drop)
    }

    pub async fn verdict(&self) -> Result<Verdict, Error> {
        let url = format!("{}/verdict?final=true", self.provider);
        expect(StatusCode::OK, "verdict", self.http.get(&url, ANSWER_LIMIT).await?)
    }
}

/// Returns an order of two books for 59.98.
pub(super) fn order(id: &str, requires_approval: bool) -> Value {
    json!({
        "orderId": id,
        "customerId": "demo-customer",
        "customerEmail": "customer@example.com",
        "items": [{ "sku": "book", "quantity": 2, "price": 29.99 }],
        "totalAmount": 59.98,
        "shippingAddress": {
            "street": "1 Main Street", "city": "Springfield", "state": "IL", "zip": "62701", "country": "US"
        },
        "requiresApproval": requires_approval,
    })
}

pub(super) fn expect<T: DeserializeOwned>(
    status: StatusCode,
    question: &str,
    answer: Answer,
) -> Result<T, Error> {
    let question = question.to_owned();
    if answer.status != status {
        return Err(Error::Unexpected { question, status: answer.status, body: answer.body });
    }
    serde_json::from_value(answer.body).map_err(|source| Error::Unreadable { question, source })
}

impl EndedOrder {
    /// Returns the difference from the expected end, if there is one.
    pub fn mismatch(&self) -> Option<String> {
        self.scenario.mismatch(&self.end)
    }

    fn summary(&self) -> String {
        let undone: Vec<_> = self.end.compensations().collect();
        let undone = if undone.is_empty() { String::new() } else { format!(" [{}]", undone.join(", ")) };
        format!("{}{undone}", self.end.summary())
    }
}

impl State {
    /// Returns the failure code of an order that didn't ship.
    pub fn code(&self) -> Option<&str> {
        self.error.as_ref().map(|error| error.code.as_str())
    }

    /// Returns the compensations in the order in which they ran.
    pub fn compensations(&self) -> impl Iterator<Item = &str> {
        self.compensations.iter().map(|undo| undo.name.as_str())
    }

    fn has_ended(&self) -> bool {
        ["shipped", "rejected", "cancelled", "failed", "terminated", "timed_out"]
            .contains(&self.status.as_str())
    }

    pub fn summary(&self) -> String {
        match &self.error {
            Some(Failure { code, message }) => format!("{}: {code}: {message}", self.status),
            None if self.current_step == "completed" => self.status.clone(),
            None => format!("{}: {}", self.status, self.current_step.replace('_', " ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_written_without_rounding_errors() {
        let text = order("a", false).to_string();
        assert!(text.contains(r#""price":29.99"#) && text.contains(r#""totalAmount":59.98"#), "{text}");
    }
}
