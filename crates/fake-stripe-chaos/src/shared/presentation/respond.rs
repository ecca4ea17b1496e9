//! The responder: writes an operation's answer with the headers of its decision.

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;
use service_kit::{layers::Logged, problem::Problem};
use utoipa::ToSchema;

use super::problems;
use crate::shared::{
    protocol::{Answer, Reply},
    resource::{Part, Resource, Snapshot},
    store::StoreError,
};

const CHAOS_DECISION: HeaderName = HeaderName::from_static("x-chaos-decision");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The HTTP form of a context's entity and its errors.
pub trait Present: Resource {
    fn problem(error: &Self::Error) -> Problem;
    /// Returns the entity as in `GET`, without `success`. A conflict has it under `resource`.
    fn view(seen: &Snapshot<Self>) -> Value;
}

/// An entity as `GET` shows it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Shown<V> {
    #[schema(example = true)]
    success: bool,
    #[serde(flatten)]
    view: V,
}

impl<V> Shown<V> {
    #[must_use]
    pub const fn new(view: V) -> Self {
        Self { success: true, view }
    }
}

/// No effect of the key remains, and none will follow.
#[derive(Debug, Serialize, ToSchema)]
pub struct NothingToUndo {
    #[schema(example = true)]
    success: bool,
    /// The key to undo.
    key: String,
    /// Always `nothing_to_undo`.
    #[schema(example = "nothing_to_undo")]
    status: &'static str,
}

/// The answer of an undo.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Undone<T> {
    Done(T),
    Nothing(NothingToUndo),
}

/// Writes the answer of an operation that creates a resource: 201. See [`respond`].
pub fn created<R: Present, V: Serialize>(
    reply: Reply<R>,
    view: impl FnOnce(&Snapshot<R>, Option<&Part>) -> Option<V>,
) -> Response {
    respond(reply, StatusCode::CREATED, view)
}

/// Writes the answer of another operation: 200. See [`respond`].
pub fn done<R: Present, V: Serialize>(
    reply: Reply<R>,
    view: impl FnOnce(&Snapshot<R>, Option<&Part>) -> Option<V>,
) -> Response {
    respond(reply, StatusCode::OK, view)
}

/// Writes an operation's answer. `view` renders the success from the facts of the entity that never change. So
/// a replay equals the first answer. It returns none only for an entity that the operation cannot create.
fn respond<R: Present, V: Serialize>(
    reply: Reply<R>,
    success: StatusCode,
    view: impl FnOnce(&Snapshot<R>, Option<&Part>) -> Option<V>,
) -> Response {
    let Reply { answer, decision, replayed, wire_fault } = reply;
    // A failed store has no line of the operation.
    let was_executed = !matches!(answer, Answer::StoreFailed(_));
    let mut response = match answer {
        Answer::Done { seen, part } => match view(&seen, part.as_ref()) {
            Some(view) => (success, Json(Undone::Done(view))).into_response(),
            None => Problem::from(inconsistent_resource(seen.resource.id())).into_response(),
        },
        Answer::NothingToUndo { key } => {
            let body = NothingToUndo { success: true, key: key.to_string(), status: "nothing_to_undo" };
            (success, Json(body)).into_response()
        }
        Answer::Refused { error, seen } => {
            let problem = R::problem(&error);
            match seen {
                Some(seen) => problem.with("resource", R::view(&seen)),
                None => problem,
            }
            .into_response()
        }
        Answer::Chaos { scenario } => problems::scenario_problem(scenario).into_response(),
        Answer::KeyRefused(refusal) => problems::key_problem(refusal).into_response(),
        Answer::StoreFailed(error) => Problem::from(error).into_response(),
    };
    let headers = response.headers_mut();
    if let Some(decision) = decision.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(CHAOS_DECISION, decision);
    }
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if was_executed {
        response.extensions_mut().insert(Logged);
    }
    if let Some(fault) = wire_fault {
        response.extensions_mut().insert(fault);
    }
    response
}

/// Writes the answer of a `GET` of one entity.
///
/// # Errors
/// The context's problem for an unknown id, or 503 when the store fails.
pub fn found<R: Present, V: Serialize>(
    id: &str,
    found: Result<Option<Snapshot<R>>, StoreError>,
    view: impl FnOnce(&Snapshot<R>) -> V,
) -> Result<Json<Shown<V>>, Problem> {
    match found? {
        Some(seen) => Ok(Json(Shown::new(view(&seen)))),
        None => Err(R::problem(&R::not_found(id))),
    }
}

fn inconsistent_resource(id: &str) -> StoreError {
    StoreError::Corrupt {
        kind: "resource",
        id: id.to_owned(),
        why: "it is inconsistent with its operation".to_owned(),
    }
}
