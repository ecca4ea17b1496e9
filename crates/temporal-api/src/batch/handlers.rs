//! Handles the requests of the batch endpoints.

use axum::{
    Json,
    extract::{Path, Query, Request, State},
    http::header::CONTENT_TYPE,
    response::IntoResponse,
};
use service_kit::{correlation::CorrelationId, json, openapi::Fails, problem::Problem};
use workflows::order_batch::{
    messages::{AddOrders, BatchInput, BatchOrder},
    state::{BatchChange, BatchState},
};

use super::{
    Batches,
    dto::{BatchBody, CreateBatchBody},
    problems::{closed, not_found, problem, refused},
    request::{BatchRequest, LinesQuery, read_lines},
};
use crate::{
    gateway::{Begun, GatewayError, Kind, Observed, WorkflowId},
    idempotency::{Answered, Claim, Fingerprint, IdempotencyKey, KeyDigest},
    workflow::changed_meanwhile,
};

/// The time in which the next chunk must arrive. It allows for one slow answer after another.
const RECEIVE_TIMEOUT_MS: u64 = 60_000;
/// Limits the size of a chunk in bytes, far below Temporal's 2 MB.
const MAX_CHUNK_BYTES: usize = 512 * 1024;

/// Places many orders. As `application/x-ndjson`, the body has one order a line, and `batchId` is a query parameter.
#[utoipa::path(
    post,
    path = "/api/v1/order-batches",
    tag = "batches",
    params(
        ("batchId" = Option<String>, Query, description = "The id of a batch in NDJSON.", example = "monday"),
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this request, 1 to 255 visible ASCII characters. Sent again with the same body it gets the first answer again, marked by `Idempotent-Replayed: true`."),
    ),
    request_body(content(
        (CreateBatchBody = "application/json"),
        (String = "application/x-ndjson"),
    )),
    responses(
        (status = 202, description = "All orders are received, and the first ones start.", body = BatchBody,
            headers(("Idempotent-Replayed" = String, description = "`true` where the same request came before."))),
        Fails<409>,
    )
)]
pub(super) async fn create_batch(
    State(batches): State<Batches>,
    correlation: CorrelationId,
    IdempotencyKey(key): IdempotencyKey,
    Query(query): Query<LinesQuery>,
    request: Request,
) -> Result<impl IntoResponse, Problem> {
    let batch = if is_lines(&request) {
        read_lines(request, query).await?
    } else {
        json::require_json(&request)?;
        json::read::<BatchRequest>(&json::body(request, &()).await?)?
    };
    let claim = Claim { key, fingerprint: batch.fingerprint() };
    let id = WorkflowId::of_batch(&batch.batch_id);
    let orders = u32::try_from(batch.orders.len()).unwrap_or(u32::MAX);
    let (batch_id, chunks) = (batch.batch_id.clone(), batches.chunks(batch, &correlation));
    let input = BatchInput {
        batch_id,
        orders,
        chunks: u32::try_from(chunks.len()).unwrap_or(u32::MAX),
        window: batches.limits.window,
        receive_timeout_ms: RECEIVE_TIMEOUT_MS,
        correlation_id: correlation.to_string(),
        resumed: None,
    };
    let begun = batches.gateway.start(&id, input, &claim, &correlation).await;
    let replayed = match begun.map_err(|error| problem(&id, error))? {
        Begun::Started(started) => {
            tracing::info!(workflow_id = id.as_str(), run_id = started.run_id, orders, "batch started");
            false
        }
        Begun::Replayed { .. } | Begun::Running { .. } => true,
    };
    // Also for a repeated request, because the first one may have been cut off.
    let state = batches.send(&id, chunks).await?;
    let location = format!("/api/v1/order-batches/{}", id.name());
    let body = Json(BatchBody::new(&id, state));
    let answer = (axum::http::StatusCode::ACCEPTED, [(axum::http::header::LOCATION, location)], body);
    Ok(Answered { answer, replayed })
}

fn is_lines(request: &Request) -> bool {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    ["application/x-ndjson", "application/ndjson"].iter().any(|known| essence.eq_ignore_ascii_case(known))
}

/// Returns the batch's state.
#[utoipa::path(
    get, path = "/api/v1/order-batches/{batchId}", tag = "batches",
    params(("batchId" = String, Path, example = "monday")),
    responses((status = 200, body = BatchBody), Fails<404>)
)]
pub(super) async fn show_batch(
    State(batches): State<Batches>,
    Path(name): Path<String>,
) -> Result<Json<BatchBody>, Problem> {
    let id = batch(&name)?;
    let state = batches.gateway.state(&id).await.map_err(|error| problem(&id, error))?;
    Ok(Json(BatchBody::new(&id, state)))
}

/// Starts no further order until the batch is resumed. Running orders continue.
#[utoipa::path(
    post, path = "/api/v1/order-batches/{batchId}/pause", tag = "batches",
    params(("batchId" = String, Path, example = "monday"), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, description = "The state after the change.", body = BatchBody), Fails<404>, Fails<409>)
)]
pub(super) async fn pause_batch(
    State(batches): State<Batches>,
    Path(name): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Json<BatchBody>, Problem> {
    batches.change(&name, BatchChange::Pause, key).await
}

/// Starts orders again.
#[utoipa::path(
    post, path = "/api/v1/order-batches/{batchId}/resume", tag = "batches",
    params(("batchId" = String, Path, example = "monday"), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, description = "The state after the change.", body = BatchBody), Fails<404>, Fails<409>)
)]
pub(super) async fn resume_batch(
    State(batches): State<Batches>,
    Path(name): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Json<BatchBody>, Problem> {
    batches.change(&name, BatchChange::Resume, key).await
}

/// Starts no further order, and cancels the running ones, which undo themselves.
#[utoipa::path(
    post, path = "/api/v1/order-batches/{batchId}/cancel", tag = "batches",
    params(("batchId" = String, Path, example = "monday"), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, description = "The state after the change.", body = BatchBody), Fails<404>, Fails<409>)
)]
pub(super) async fn cancel_batch(
    State(batches): State<Batches>,
    Path(name): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Json<BatchBody>, Problem> {
    batches.change(&name, BatchChange::Cancel, key).await
}

fn batch(name: &str) -> Result<WorkflowId, Problem> {
    WorkflowId::parse(WorkflowId::of_batch(name).as_str())
        .filter(|id| id.kind() == Kind::Batch)
        .ok_or_else(|| not_found(name))
}

impl Batches {
    /// Divides the orders into chunks that are small enough for one message.
    fn chunks(&self, batch: BatchRequest, correlation: &CorrelationId) -> Vec<AddOrders> {
        let mut chunks: Vec<AddOrders> = Vec::new();
        let mut bytes = 0;
        for order in batch.orders {
            let total = order.total();
            let order = BatchOrder { order: order.into_input(correlation.to_string(), self.timing), total };
            let size = serde_json::to_vec(&order).map_or(MAX_CHUNK_BYTES, |text| text.len());
            bytes += size;
            match chunks.last_mut() {
                Some(chunk) if chunk.orders.len() < self.limits.chunk_size && bytes <= MAX_CHUNK_BYTES => {
                    chunk.orders.push(order);
                }
                _ => {
                    let index = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
                    chunks.push(AddOrders { index, orders: vec![order] });
                    bytes = size;
                }
            }
        }
        chunks
    }

    /// Sends the chunks that the batch has not received, one after another.
    async fn send(&self, id: &WorkflowId, chunks: Vec<AddOrders>) -> Result<Observed<BatchState>, Problem> {
        let failed = |error| problem(id, error);
        let observed = self.gateway.state(id).await.map_err(failed)?;
        if observed.state.chunks_received == observed.state.chunks || observed.is_closed() {
            return Ok(observed);
        }
        let mut state = observed.state;
        for chunk in chunks {
            state = self.gateway.add(id, chunk).await.map_err(failed)?;
        }
        Ok(Observed { state, ..observed })
    }

    async fn change(
        &self,
        name: &str,
        change: BatchChange,
        key: Option<KeyDigest>,
    ) -> Result<Json<BatchBody>, Problem> {
        let id = batch(name)?;
        let claim = Claim { key, fingerprint: Fingerprint::of("batch-change", &change) };
        // A read after the change could fail, and hide that it was made.
        let before = self.gateway.state(&id).await.map_err(|error| problem(&id, error))?;
        match self.gateway.change(&id, change, &claim).await {
            Ok(state) => {
                tracing::info!(workflow_id = id.as_str(), ?change, "batch changed");
                Ok(Json(BatchBody::new(&id, Observed { state, ..before })))
            }
            Err(GatewayError::Refused(_) | GatewayError::NotFound) => {
                let now = self.gateway.state(&id).await.map_err(|error| problem(&id, error))?;
                Err(match (now.outside, now.state.check(change)) {
                    (Some(outside), _) => closed(&format!("the batch is {}", outside.name())),
                    (None, Err(reason)) => refused(reason),
                    (None, Ok(())) => changed_meanwhile(),
                })
            }
            Err(error) => Err(problem(&id, error)),
        }
    }
}
