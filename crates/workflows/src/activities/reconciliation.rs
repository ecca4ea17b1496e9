//! Reconciliation activities. They read the provider's ledger and Temporal's executions, and change nothing of them.

use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;

use crate::reconciliation::{comparison::Finding, report::ReconciliationStatus};

/// One page of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    pub correlation_id: String,
    /// The `next` of the previous page; `None` for the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The number of orders on the page.
    pub limit: u32,
}

/// The result of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    /// The orders that were compared.
    pub orders: u64,
    /// Those of them that still run.
    pub running: u64,
    /// The outcomes that the ledger did not have before.
    pub recorded: u64,
    pub findings: Vec<Finding>,
    /// `None` on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One order that is compared again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OneOrder {
    pub correlation_id: String,
    pub order_id: String,
}

/// The figures of a reconciliation that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub correlation_id: String,
    #[serde(default = "completed")]
    pub status: ReconciliationStatus,
    pub orders: u64,
    pub contradictions: u64,
    pub orphans: u64,
    pub repaired: u64,
    pub not_repaired: u64,
}

/// Returns the status of summaries that have none.
const fn completed() -> ReconciliationStatus {
    ReconciliationStatus::Completed
}

pub struct ReconciliationActivities;

#[activity_definitions]
impl ReconciliationActivities {
    /// Compares a page of the ledger's orders with their executions, and records the outcomes of those that ended.
    #[activity(name = "compareLedgerPage")]
    pub fn compare_ledger_page(input: Page) -> Compared {
        unimplemented!()
    }

    /// Compares one order again, just before its repair.
    #[activity(name = "compareOrder")]
    pub fn compare_order(input: OneOrder) -> Compared {
        unimplemented!()
    }

    /// Looks for executions that reached their goal and that the ledger doesn't know.
    #[activity(name = "compareExecutionsPage")]
    pub fn compare_executions_page(input: Page) -> Compared {
        unimplemented!()
    }

    /// Writes the figures to the worker's metrics and its log.
    #[activity(name = "publishReconciliation")]
    pub fn publish(input: Summary) {
        unimplemented!()
    }
}

pub use reconciliation_activities::{CompareExecutionsPage, CompareLedgerPage, CompareOrder, Publish};
