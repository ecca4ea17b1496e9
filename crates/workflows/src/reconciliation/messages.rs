//! The messages of the reconciliation workflow.

use serde::{Deserialize, Serialize};

use super::report::Report;
use crate::policies::Timing;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReconciliationInput {
    /// Undoes the effects of orders that ended without them. If false, it only reports them.
    pub repair: bool,
    /// `None` for a scheduled run, whose workflow id serves instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The number of orders in one activity.
    pub page_size: u32,
    /// Of the undos.
    pub timing: Timing,
    /// Set by continue-as-new only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Box<Report>>,
}
