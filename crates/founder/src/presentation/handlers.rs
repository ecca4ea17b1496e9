//! Returns a user context as one answer.

use std::time::Instant;

use axum::{
    Json,
    extract::{Query, State},
};
use futures::StreamExt;
use service_kit::problem::Problem;

use super::{
    UserContextApi,
    dto::{UserContextBody, UserContextQuery},
    problems::{nothing_available, unknown_strategy},
};
use crate::parts::CollectedParts;

/// Fetches location, weather and a cat fact, and returns the parts that arrived.
#[utoipa::path(
    get,
    path = "/api/v1/user-context",
    tag = "user context",
    params(UserContextQuery),
    responses(
        (status = 200, description = "At least one part. The others are null, and `errors` has the reasons.",
            body = UserContextBody),
        (status = 400, description = "`unknown_strategy`: `strategies` lists the valid ones.",
            body = service_kit::problem::ProblemBody, content_type = "application/problem+json"),
        (status = 502, description = "`nothing_available`: every source failed; `sources` has the result of each.",
            body = service_kit::problem::ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn user_context(
    State(api): State<UserContextApi>,
    Query(query): Query<UserContextQuery>,
) -> Result<Json<UserContextBody>, Problem> {
    let strategy = match query.strategy.as_deref() {
        None | Some("") => api.default,
        Some(name) => name.parse().map_err(unknown_strategy)?,
    };
    let started = Instant::now();
    let context: CollectedParts = api.within_deadline(api.parts(strategy).collect()).await;
    if context.is_empty() {
        return Err(nothing_available(&context));
    }
    Ok(Json(UserContextBody::new(context, strategy, started.elapsed())))
}
