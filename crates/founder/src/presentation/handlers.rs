//! A user's context, whole.

use std::time::Instant;

use axum::{
    Json,
    extract::{Query, State},
};
use futures::StreamExt;
use service_kit::problem::Problem;

use super::{
    UserContexts,
    dto::{UserContextBody, UserContextQuery},
    problems::{nothing_available, unknown_strategy},
};
use crate::parts::Context;

/// Asks for location, weather and a cat fact, and answers with what could be had.
#[utoipa::path(
    get,
    path = "/api/v1/user-context",
    tag = "user context",
    params(UserContextQuery),
    responses(
        (status = 200, description = "At least one part; the others are null, and `errors` says why.",
            body = UserContextBody),
        (status = 400, description = "`unknown_strategy`: the valid ones are in `strategies`.",
            body = service_kit::problem::ProblemBody, content_type = "application/problem+json"),
        (status = 502, description = "`nothing_available`: no source gave anything; `sources` says how each ended.",
            body = service_kit::problem::ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn user_context(
    State(contexts): State<UserContexts>,
    Query(query): Query<UserContextQuery>,
) -> Result<Json<UserContextBody>, Problem> {
    let strategy = match query.strategy.as_deref() {
        None | Some("") => contexts.default,
        Some(name) => name.parse().map_err(unknown_strategy)?,
    };
    let started = Instant::now();
    let context: Context = contexts.in_time(contexts.parts(strategy).collect()).await;
    if context.is_empty() {
        return Err(nothing_available(&context));
    }
    Ok(Json(UserContextBody::new(context, strategy, started.elapsed())))
}
