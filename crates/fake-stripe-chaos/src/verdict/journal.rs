//! The journal over HTTP: the last requests with their decisions.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use service_kit::problem::Problem;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::shared::{
    deps::Deps,
    ids::OrderId,
    journal::JournalEntry,
    presentation::{LineView, Params, limit as parse_limit},
    store::StoreError,
};

/// The number of lines without a `limit`.
const DEFAULT_LIMIT: usize = 100;

pub fn routes(deps: &Arc<Deps>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(get_journal, delete_journal)).with_state(Arc::clone(deps))
}

/// List the last requests with their decisions, the newest first.
#[utoipa::path(
    get, path = "/journal", tag = "truth", params(JournalParams),
    responses((status = 200, description = "The requests.", body = JournalResponse))
)]
async fn get_journal(
    State(deps): State<Arc<Deps>>,
    Params(params): Params<JournalParams>,
) -> Result<Json<JournalResponse>, Problem> {
    let lines = matching_lines(&deps, params.try_into()?).await?;
    Ok(Json(JournalResponse { success: true, entries: lines.into_iter().map(LineView::from).collect() }))
}

/// Clear the journal. The ledger stays.
#[utoipa::path(
    delete, path = "/journal", tag = "truth", responses((status = 200, description = "The number of removed lines.", body = ForgottenResponse))
)]
async fn delete_journal(State(deps): State<Arc<Deps>>) -> Result<Json<ForgottenResponse>, Problem> {
    let forgotten = deps.store.transact(|tx| tx.clear_journal()).await?;
    Ok(Json(ForgottenResponse { success: true, forgotten }))
}

/// Returns the matching lines with their numbers, the newest first.
async fn matching_lines(
    deps: &Deps,
    query: JournalQuery,
) -> Result<Vec<(u64, Arc<JournalEntry>)>, StoreError> {
    deps.store
        .transact(move |tx| {
            let mut lines = Vec::new();
            tx.visit_lines(&mut |number, line| {
                if lines.len() < query.limit && query.matches(line) {
                    lines.push((number, Arc::clone(line)));
                }
                lines.len() < query.limit
            })?;
            Ok(lines)
        })
        .await
}

/// A parsed query. A line matches if it has every given part.
struct JournalQuery {
    limit: usize,
    operation: Option<String>,
    order_id: Option<String>,
    scenario: Option<String>,
}

impl JournalQuery {
    fn matches(&self, line: &JournalEntry) -> bool {
        let matches = |wanted: &Option<String>, actual: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| actual == Some(wanted))
        };
        matches(&self.operation, Some(line.operation.name()))
            && matches(&self.order_id, line.order.as_ref().map(OrderId::as_str))
            && matches(&self.scenario, line.decided.as_ref().map(|decided| decided.decision.scenario.name))
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JournalParams {
    /// 1 to 10 000; the default is 100.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10_000)]
    limit: Option<String>,
    #[param(example = "payment.capture")]
    operation: Option<String>,
    order_id: Option<String>,
    #[param(example = "timeout_after_commit")]
    scenario: Option<String>,
}

impl TryFrom<JournalParams> for JournalQuery {
    type Error = Problem;

    fn try_from(params: JournalParams) -> Result<Self, Problem> {
        let JournalParams { limit, operation, order_id, scenario } = params;
        let limit = parse_limit(limit, DEFAULT_LIMIT)?;
        Ok(Self { limit, operation, order_id, scenario })
    }
}

/// The last requests, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct JournalResponse {
    #[schema(example = true)]
    success: bool,
    entries: Vec<LineView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ForgottenResponse {
    #[schema(example = true)]
    success: bool,
    /// The number of removed lines.
    forgotten: usize,
}
