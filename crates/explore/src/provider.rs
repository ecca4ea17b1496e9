//! Calls the provider over HTTP: plans, journal, ledger, outcomes, verdicts.

use std::{collections::BTreeMap, time::Duration};

use reqwest::{Client, Method};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::{
    http::{self, Answer, Call, NoAnswer},
    planner::Catalogue,
    schedule::{Plan, Reached, SUCCESS},
};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// The largest page that the provider's journal returns.
const MAX_JOURNAL_PAGE: usize = 10_000;

/// Lists how a call to the provider can fail.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    #[error("the provider doesn't answer: {0}. Check that it runs, and that --provider is its address")]
    NoAnswer(#[from] NoAnswer),
    #[error(
        "{question} answered {status}: {body}. Check that --provider is a fake-stripe-chaos of this version"
    )]
    Unexpected { question: String, status: u16, body: String },
}

/// Holds one call of an order, and the decision for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JournalEntry {
    pub number: u64,
    pub operation: String,
    pub order_id: Option<String>,
    pub idempotency_key: Option<String>,
    pub decision: Option<Decision>,
    #[serde(default)]
    pub replayed: bool,
    /// None while the provider executes the call.
    pub response: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Decision {
    pub scenario: String,
    pub attempt: u32,
}

/// Holds one effect in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct LedgerEntry {
    pub effect: String,
    pub resource: Option<String>,
    pub amount: Option<u64>,
}

/// Holds a broken rule of the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Contradiction {
    pub rule: String,
    pub detail: String,
}

#[derive(Debug, Deserialize)]
struct JournalAnswer {
    entries: Vec<JournalEntry>,
}

#[derive(Debug, Deserialize)]
struct LedgerAnswer {
    entries: Vec<LedgerEntry>,
}

#[derive(Debug, Deserialize)]
struct Verdict {
    contradictions: Vec<Contradiction>,
}

#[derive(Debug, Deserialize)]
struct NamedScenario {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Scenarios {
    operations: BTreeMap<String, Vec<NamedScenario>>,
}

#[derive(Debug, Deserialize)]
struct Distribution {
    distributions: BTreeMap<String, BTreeMap<String, String>>,
}

/// Calls one provider.
#[derive(Debug, Clone)]
pub struct Provider {
    client: Client,
    base: String,
}

impl Provider {
    #[must_use]
    pub const fn new(client: Client, base: String) -> Self {
        Self { client, base }
    }

    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Creates the run that the address names, because a read of an unknown run is an error. Without a run in the
    /// address it does nothing.
    ///
    /// # Errors
    /// Returns an error when the provider doesn't answer, or refuses the run.
    pub async fn open_run(&self) -> Result<(), ProviderError> {
        match self.base.rsplit_once("/runs/") {
            Some((_, name)) if !name.contains('/') => self.put("", "{}".to_owned()).await,
            _ => Ok(()),
        }
    }

    /// Returns every operation with its scenarios.
    ///
    /// # Errors
    /// Returns an error when the provider doesn't answer, or answers unexpectedly.
    pub async fn catalogue(&self) -> Result<Catalogue, ProviderError> {
        let Scenarios { operations } = self.get("/chaos/scenarios").await?;
        let names =
            |scenarios: Vec<NamedScenario>| scenarios.into_iter().map(|scenario| scenario.name).collect();
        Ok(operations.into_iter().map(|(operation, scenarios)| (operation, names(scenarios))).collect())
    }

    /// Returns true when no operation fails without a plan.
    ///
    /// # Errors
    /// Returns an error when the provider doesn't answer, or answers unexpectedly.
    pub async fn is_fault_free(&self, operations: &Catalogue) -> Result<bool, ProviderError> {
        let mut contexts: Vec<_> =
            operations.keys().filter_map(|operation| Some(operation.split_once('.')?.0)).collect();
        contexts.dedup();
        for context in contexts {
            let path = format!("/{context}/chaos/distribution");
            let Distribution { distributions } = self.get(&path).await?;
            let fails = |table: &BTreeMap<String, String>| {
                table.iter().any(|(scenario, share)| scenario != SUCCESS && share != "0%")
            };
            if distributions.values().any(fails) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sets the plan of an order.
    ///
    /// # Errors
    /// Returns an error when the provider doesn't answer, or answers unexpectedly.
    pub async fn plan(&self, order: &str, plan: &Plan) -> Result<(), ProviderError> {
        self.put(&format!("/chaos/plans/{order}"), json!(plan).to_string()).await
    }

    /// Returns the calls of an order, the oldest first.
    ///
    /// # Errors
    /// Returns an error when the provider doesn't answer, or answers unexpectedly.
    pub async fn journal(&self, order: &str) -> Result<Vec<JournalEntry>, ProviderError> {
        self.lines(&format!("/journal?limit={MAX_JOURNAL_PAGE}&orderId={order}")).await
    }

    /// Returns the latest calls of all orders, the oldest first.
    ///
    /// # Errors
    /// Returns an error when the provider doesn't answer, or answers unexpectedly.
    pub async fn latest(&self, limit: usize) -> Result<Vec<JournalEntry>, ProviderError> {
        self.lines(&format!("/journal?limit={limit}")).await
    }

    async fn lines(&self, path: &str) -> Result<Vec<JournalEntry>, ProviderError> {
        let JournalAnswer { mut entries } = self.get(path).await?;
        entries.sort_by_key(|line| line.number);
        Ok(entries)
    }

    /// Reports the outcome of an order.
    ///
    /// # Errors
    /// Returns an error when the provider doesn't answer, or answers unexpectedly.
    pub async fn report_outcome(&self, order: &str, shipped: bool) -> Result<(), ProviderError> {
        let outcome = json!({"outcome": outcome(shipped)}).to_string();
        self.put(&format!("/ledger/orders/{order}/outcome"), outcome).await
    }

    /// Returns the contradictions between an order's ledger and its outcome.
    ///
    /// # Errors
    /// Returns an error when the provider doesn't answer, or answers unexpectedly.
    pub async fn contradictions(&self, order: &str) -> Result<Vec<Contradiction>, ProviderError> {
        let Verdict { contradictions } = self.get(&format!("/verdict?orderId={order}")).await?;
        Ok(contradictions)
    }

    /// Returns the ledger's entries of an order.
    ///
    /// # Errors
    /// Returns an error when the provider doesn't answer, or answers unexpectedly.
    pub async fn entries(&self, order: &str) -> Result<Vec<LedgerEntry>, ProviderError> {
        let LedgerAnswer { entries } = self.get(&format!("/ledger/orders/{order}")).await?;
        Ok(entries)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ProviderError> {
        let answer = self.send(Method::GET, path, None).await?;
        serde_json::from_str(&answer.text).map_err(|_| unexpected(&format!("GET {path}"), &answer))
    }

    async fn put(&self, path: &str, body: String) -> Result<(), ProviderError> {
        self.send(Method::PUT, path, Some(body)).await.map(drop)
    }

    async fn send(&self, method: Method, path: &str, body: Option<String>) -> Result<Answer, ProviderError> {
        let question = format!("{method} {path}");
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let call = Call { method, url: format!("{}{path}", self.base), headers, body };
        let answer = http::send(&self.client, call, REQUEST_TIMEOUT).await?;
        if answer.is_success() { Ok(answer) } else { Err(unexpected(&question, &answer)) }
    }
}

fn unexpected(question: &str, answer: &Answer) -> ProviderError {
    let (question, status, body) = (question.to_owned(), answer.status, answer.excerpt());
    ProviderError::Unexpected { question, status, body }
}

/// Returns an outcome as the provider spells it.
#[must_use]
pub const fn outcome(shipped: bool) -> &'static str {
    if shipped { "shipped" } else { "not_shipped" }
}

/// Returns the attempts in a journal: every decision, without replayed answers.
#[must_use]
pub fn reached(journal: &[JournalEntry]) -> Reached {
    let mut reached = Reached::new();
    for line in journal.iter().filter(|line| !line.replayed) {
        if let Some(decision) = &line.decision {
            let attempts = reached.entry(line.operation.clone()).or_default();
            *attempts = (*attempts).max(decision.attempt);
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_reaches_nothing() {
        let line = |operation: &str, attempt: Option<u32>, replayed| JournalEntry {
            number: 1,
            operation: operation.to_owned(),
            order_id: None,
            idempotency_key: None,
            decision: attempt.map(|attempt| Decision { scenario: SUCCESS.to_owned(), attempt }),
            replayed,
            response: None,
        };
        let journal = [
            line("a", Some(1), false),
            line("a", Some(2), false),
            line("a", Some(3), true),
            line("b", None, false),
        ];
        assert_eq!(reached(&journal), Reached::from([("a".to_owned(), 2)]));
    }
}
