//! Handles the requests of the reconciliation endpoints.

use axum::{Json, extract::State, response::IntoResponse};
use service_kit::{
    auth::Caller,
    correlation::CorrelationId,
    json::{Faults, FromJson, Node, OptionalJson},
    openapi::Fails,
    problem::Problem,
};
use workflows::{reconciliation::messages::ReconciliationInput, saga::Reason};

use super::{
    Reconciliations,
    dto::{ReconciliationBody, ReportBody, TriggerBody},
    problems::{no_report, problem, schedule_problem},
};
use crate::{
    fields::{ReasonRequest, reason},
    gateway::{Begun, GatewayError},
    idempotency::{Claim, Fingerprint, IdempotencyKey},
    order::ReasonBody,
    workflow::StartedBody,
};

/// Shows the schedule and the last runs.
#[utoipa::path(
    get, path = "/api/v1/reconciliation", tag = "reconciliation",
    responses((status = 200, body = ReconciliationBody), Fails<503>)
)]
pub(super) async fn show_reconciliation(
    State(reconciliations): State<Reconciliations>,
) -> Result<Json<ReconciliationBody>, Problem> {
    reconciliations.show().await.map(Json)
}

/// Starts a reconciliation now. With `repair`, it undoes what orders that did not ship left open.
#[utoipa::path(
    post,
    path = "/api/v1/reconciliation/trigger",
    tag = "reconciliation",
    params(("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this request, 1 to 255 visible ASCII characters. Sent again with the same body it gets the first answer again, marked by `Idempotent-Replayed: true`.")),
    request_body(content = Option<TriggerBody>),
    responses(
        (status = 202, description = "It runs.", body = StartedBody,
            headers(("Idempotent-Replayed" = String, description = "`true` where this is the first answer again."))),
        Fails<409>,
    )
)]
pub(super) async fn trigger_reconciliation(
    State(reconciliations): State<Reconciliations>,
    correlation: CorrelationId,
    IdempotencyKey(key): IdempotencyKey,
    OptionalJson(body): OptionalJson<TriggerRequest>,
) -> Result<impl IntoResponse, Problem> {
    let repair = body.is_some_and(|body| body.repair);
    let claim = Claim { key, fingerprint: Fingerprint::of("reconciliation", &repair) };
    let input = ReconciliationInput {
        repair,
        correlation_id: Some(correlation.to_string()),
        ..reconciliations.input.clone()
    };
    let id = &reconciliations.id;
    let begun = reconciliations.gateway.start(id, input, &claim, &correlation).await;
    let begun = match begun.map_err(|error| problem(id, error))? {
        Begun::Running { started, .. } => {
            let exists = GatewayError::AlreadyExists { run_id: Some(started.run_id) };
            return Err(problem(id, exists));
        }
        begun => begun,
    };
    tracing::info!(workflow_id = id.as_str(), repair, "reconciliation triggered");
    StartedBody::answer(begun, &correlation, "the reconciliation runs")
}

/// Pauses the schedule. Runs can still be triggered.
#[utoipa::path(
    post, path = "/api/v1/reconciliation/pause", tag = "reconciliation",
    request_body(content = Option<ReasonBody>),
    responses((status = 200, description = "The schedule after it.", body = ReconciliationBody), Fails<503>)
)]
pub(super) async fn pause_reconciliation(
    State(reconciliations): State<Reconciliations>,
    caller: Caller,
    OptionalJson(body): OptionalJson<ReasonRequest>,
) -> Result<Json<ReconciliationBody>, Problem> {
    reconciliations.set_paused(true, note(reason(body, &caller))).await
}

/// Resumes the schedule.
#[utoipa::path(
    post, path = "/api/v1/reconciliation/resume", tag = "reconciliation",
    request_body(content = Option<ReasonBody>),
    responses((status = 200, description = "The schedule after it.", body = ReconciliationBody), Fails<503>)
)]
pub(super) async fn resume_reconciliation(
    State(reconciliations): State<Reconciliations>,
    caller: Caller,
    OptionalJson(body): OptionalJson<ReasonRequest>,
) -> Result<Json<ReconciliationBody>, Problem> {
    reconciliations.set_paused(false, note(reason(body, &caller))).await
}

/// Returns the report of the run that runs, else of the last one.
#[utoipa::path(
    get, path = "/api/v1/reconciliation/report", tag = "reconciliation",
    responses((status = 200, body = ReportBody), Fails<404>)
)]
pub(super) async fn reconciliation_report(
    State(reconciliations): State<Reconciliations>,
) -> Result<Json<ReportBody>, Problem> {
    let runs = reconciliations.gateway.last_runs().await.map_err(schedule_problem)?;
    let id = runs.into_iter().next().ok_or_else(no_report)?.workflow_id;
    let seen = reconciliations.gateway.state(&id).await.map_err(|error| problem(&id, error))?;
    Ok(Json(ReportBody::new(&id, seen)))
}

/// Returns the note of a pause or a resumption: the reason, and who gave it.
fn note(Reason { reason, actor }: Reason) -> Option<String> {
    match (reason, actor) {
        (Some(reason), Some(actor)) => Some(format!("{reason} ({actor})")),
        (reason, actor) => reason.or(actor),
    }
}

impl Reconciliations {
    async fn show(&self) -> Result<ReconciliationBody, Problem> {
        let schedule = self.gateway.schedule().await.map_err(schedule_problem)?;
        let runs = self.gateway.last_runs().await.map_err(schedule_problem)?;
        Ok(ReconciliationBody::new(schedule, self.input.repair, runs))
    }

    async fn set_paused(
        &self,
        paused: bool,
        note: Option<String>,
    ) -> Result<Json<ReconciliationBody>, Problem> {
        self.gateway.set_paused(paused, note).await.map_err(schedule_problem)?;
        tracing::info!(paused, "reconciliation schedule changed");
        self.show().await.map(Json)
    }
}

/// The parsed body of a trigger.
pub(super) struct TriggerRequest {
    repair: bool,
}

impl FromJson for TriggerRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["repair"], faults)?;
        let repair = object.optional_with("repair", faults, Node::boolean)?;
        Some(Self { repair: repair.unwrap_or_default() })
    }
}
