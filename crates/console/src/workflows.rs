//! The other workflows: payments, user contexts, subscriptions, batches and returns.

use std::future::ready;

use axum::{
    Form, Router,
    extract::{Path, Query, State},
    http::Method,
    response::Response,
    routing::get,
};
use minijinja::Value as Context;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service_kit::{problem::Problem, stopping::Stopping};

use crate::{
    Site,
    failure::Failure,
    form::{Field, Group, Kind as Input, Values, body, values},
    live::follow,
    pages::{Refusal, context, path_segment, see},
    upstream::text,
    visitor::Visitor,
};

/// One kind of workflow, with its pages under `/{path}`.
#[derive(Debug, Clone, Copy, Serialize)]
struct Kind {
    /// The first part of its pages' paths, and its name in the API's list.
    path: &'static str,
    title: &'static str,
    /// The form that starts one, if the console can.
    #[serde(skip)]
    start: Option<Start>,
    actions: &'static [Action],
}

/// A form that starts a workflow.
#[derive(Debug, Clone, Copy)]
struct Start {
    title: &'static str,
    api: &'static str,
    groups: &'static [Group],
    example: &'static [(&'static str, &'static str)],
}

/// An action on a workflow that runs.
#[derive(Debug, Clone, Copy, Serialize)]
struct Action {
    name: &'static str,
    title: &'static str,
    /// Says what will happen.
    effect: &'static str,
    is_dangerous: bool,
    /// Names the API's path, with the business id or the workflow id after it.
    #[serde(skip)]
    target: Target,
}

#[derive(Debug, Clone, Copy)]
enum Target {
    /// `/api/v1/workflows/{workflowId}/{action}`.
    Workflow,
    /// `{prefix}/{id}/{action}`, with the id in this member of the state.
    Entity { prefix: &'static str, member: &'static str },
}

const CANCEL: Action = Action {
    name: "cancel",
    title: "Cancel",
    effect: "It stops in its own way, and undoes what it has to.",
    is_dangerous: true,
    target: Target::Workflow,
};

const fn of_subscription(
    name: &'static str,
    title: &'static str,
    effect: &'static str,
    is_dangerous: bool,
) -> Action {
    let target = Target::Entity { prefix: "/api/v1/subscriptions", member: "subscriptionId" };
    Action { name, title, effect, is_dangerous, target }
}

const fn of_batch(
    name: &'static str,
    title: &'static str,
    effect: &'static str,
    is_dangerous: bool,
) -> Action {
    let target = Target::Entity { prefix: "/api/v1/order-batches", member: "batchId" };
    Action { name, title, effect, is_dangerous, target }
}

const KINDS: &[Kind] = &[
    Kind {
        path: "payments",
        title: "Payments",
        start: Some(Start {
            title: "Charge a card",
            api: "/api/v1/workflows/payment",
            groups: &[Group {
                legend: "Payment",
                fields: &[
                    Field::text("/orderId", "Order id"),
                    Field::new("/amount", "Amount", Input::Number, "In minor units: 5998 is 59.98."),
                    Field::text("/currency", "Currency"),
                    Field::new("/source", "Source", Input::Text, "The provider's token of a card."),
                    Field::text("/description", "Description"),
                ],
            }],
            example: &[("/amount", "5998"), ("/currency", "usd"), ("/source", "tok_visa")],
        }),
        actions: &[CANCEL],
    },
    Kind {
        path: "user-contexts",
        title: "User contexts",
        start: Some(Start {
            title: "Collect a user context",
            api: "/api/v1/workflows/user-context",
            groups: &[Group {
                legend: "User context",
                fields: &[
                    Field::text("/userId", "User id"),
                    Field::new("/strategy", "Strategy", Input::Text, "parallel or sequential; optional."),
                ],
            }],
            example: &[("/userId", "user-7")],
        }),
        actions: &[CANCEL],
    },
    Kind {
        path: "subscriptions",
        title: "Subscriptions",
        start: None,
        actions: &[
            of_subscription("pause", "Pause", "No further order is placed until it is resumed.", false),
            of_subscription("resume", "Resume", "Orders are placed again, from the next period.", false),
            of_subscription(
                "skip-next",
                "Skip the next order",
                "The next period passes without an order.",
                false,
            ),
            of_subscription("cancel", "Cancel", "No further order is placed. It can't be resumed.", true),
        ],
    },
    Kind {
        path: "batches",
        title: "Batches",
        start: None,
        actions: &[
            of_batch("pause", "Pause", "No further order of the batch starts; running ones go on.", false),
            of_batch("resume", "Resume", "The other orders start again.", false),
            of_batch("cancel", "Cancel", "Orders that haven't started won't. Running ones go on.", true),
        ],
    },
    Kind { path: "returns", title: "Returns", start: None, actions: &[] },
];

pub fn routes() -> Router<Site> {
    // Each kind has its own paths, so that an unknown path stays one.
    KINDS.iter().fold(Router::new(), |routes, kind| {
        let path = kind.path;
        let with_kind = move |suffix: &str| format!("/{path}{suffix}");
        let routes = routes
            .route(&with_kind(""), get(move |site, query, visitor| list(kind, site, query, visitor)))
            .route(&with_kind("/{id}"), get(move |site, id, visitor| show(kind, site, id, visitor)))
            .route(
                &with_kind("/{id}/live"),
                get(move |site, id, visitor, stopping| ready(follow_one(kind, site, id, visitor, stopping))),
            )
            .route(
                &with_kind("/{id}/{action}"),
                get(move |site, parts, visitor| confirm(kind, site, parts, visitor))
                    .post(move |site, parts, visitor| act(kind, site, parts, visitor)),
            );
        match kind.start {
            None => routes,
            Some(start) => routes.route(
                &with_kind("/new"),
                get(move |State(site), visitor| ready(form(kind, start, &site, &visitor)))
                    .post(move |site, visitor, values| begin(kind, start, site, visitor, values)),
            ),
        }
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ListQuery {
    page_token: String,
}

async fn list(
    kind: &'static Kind,
    State(site): State<Site>,
    Query(query): Query<ListQuery>,
    visitor: Visitor,
) -> Result<Response, Refusal> {
    let mut path = format!("/api/v1/workflows?limit=50&kind={}", kind.path);
    if !query.page_token.is_empty() {
        path.push_str("&pageToken=");
        path.push_str(&path_segment(&query.page_token));
    }
    let page = site.api.get(&visitor, &path).await.map_err(|failure| site.refuse(&visitor, &failure))?;
    site.page(
        "workflows.html",
        &visitor,
        context! { kind => kind, start => kind.start.map(|start| start.title), page => page },
    )
}

async fn show(
    kind: &'static Kind,
    State(site): State<Site>,
    Path(id): Path<String>,
    visitor: Visitor,
) -> Result<Response, Refusal> {
    let (context, _) =
        read(kind, &site, &visitor, &id).await.map_err(|failure| site.refuse(&visitor, &failure))?;
    site.page("workflow.html", &visitor, context)
}

fn follow_one(
    kind: &'static Kind,
    State(site): State<Site>,
    Path(id): Path<String>,
    visitor: Visitor,
    stopping: Stopping,
) -> Result<Response, Problem> {
    follow(site, visitor, stopping, id, move |site, visitor, id| async move {
        let (context, is_final) = read(kind, &site, &visitor, &id).await.ok()?;
        site.part("workflow.part.html", is_final, &context)
    })
}

/// Returns the state and the history of a workflow, and whether it has ended.
async fn read(
    kind: &'static Kind,
    site: &Site,
    visitor: &Visitor,
    id: &str,
) -> Result<(Context, bool), Failure> {
    let path = path_segment(id);
    let state = site.api.get(visitor, &format!("/api/v1/workflows/{path}/status")).await?;
    let history = site.api.get(visitor, &format!("/api/v1/workflows/{path}/history")).await.ok();
    let is_final = state.get("closeTime").is_some();
    let facts = facts(&state);
    let context = context! { visitor => visitor, kind => kind, id => id, state => state, facts => facts, history => history, is_final => is_final };
    Ok((context, is_final))
}

/// Returns the members of a state that no other part of the page shows: plain values, then lists and objects as JSON.
fn facts(state: &Value) -> Vec<(String, String, bool)> {
    const SHOWN: [&str; 6] = ["success", "status", "workflowId", "version", "error", "compensations"];
    let members = state.as_object().into_iter().flatten();
    members
        .filter(|(name, value)| !SHOWN.contains(&name.as_str()) && !value.is_null())
        .map(|(name, value)| match value {
            Value::String(text) => (spaced(name), text.clone(), false),
            Value::Array(_) | Value::Object(_) => {
                (spaced(name), serde_json::to_string_pretty(value).unwrap_or_default(), true)
            }
            plain => (spaced(name), plain.to_string(), false),
        })
        .collect()
}

/// Writes a member's name for people: `startTime` → `Start time`.
fn spaced(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if text.is_empty() {
            text.extend(letter.to_uppercase());
        } else if letter.is_uppercase() {
            text.push(' ');
            text.extend(letter.to_lowercase());
        } else {
            text.push(letter);
        }
    }
    text
}

async fn confirm(
    kind: &'static Kind,
    State(site): State<Site>,
    Path((id, name)): Path<(String, String)>,
    visitor: Visitor,
) -> Result<Response, Refusal> {
    confirmation(kind, &site, &visitor, &id, &name, None).await
}

async fn confirmation(
    kind: &'static Kind,
    site: &Site,
    visitor: &Visitor,
    id: &str,
    name: &str,
    failure: Option<Failure>,
) -> Result<Response, Refusal> {
    let refuse = |failure| site.refuse(visitor, &failure);
    let action = action(kind, name).map_err(refuse)?;
    let (context, _) = read(kind, site, visitor, id).await.map_err(refuse)?;
    let context = context! { action => action, values => Values::new(), ..context };
    site.page_after(failure.as_ref(), "action.html", visitor, context)
}

async fn act(
    kind: &'static Kind,
    State(site): State<Site>,
    Path((id, name)): Path<(String, String)>,
    visitor: Visitor,
) -> Result<Response, Refusal> {
    let refuse = |failure| site.refuse(&visitor, &failure);
    let action = action(kind, &name).map_err(refuse)?;
    let path = match action.target {
        Target::Workflow => format!("/api/v1/workflows/{}/{name}", path_segment(&id)),
        Target::Entity { prefix, member } => {
            let state = format!("/api/v1/workflows/{}/status", path_segment(&id));
            let state = site.api.get(&visitor, &state).await.map_err(refuse)?;
            format!("{prefix}/{}/{name}", path_segment(text(&state, member)))
        }
    };
    let body = matches!(action.target, Target::Workflow).then(|| json!({}));
    match site.api.call(&visitor, Method::POST, &path, body.as_ref()).await {
        Ok(_) => Ok(see(&format!("/{}/{}", kind.path, path_segment(&id)))),
        Err(failure) => confirmation(kind, &site, &visitor, &id, &name, Some(failure)).await,
    }
}

fn action(kind: &Kind, name: &str) -> Result<&'static Action, Failure> {
    let found = kind.actions.iter().find(|action| action.name == name);
    found.ok_or_else(|| Failure::not_found(format!("{} know no action {name}.", kind.title)))
}

fn form(kind: &'static Kind, start: Start, site: &Site, visitor: &Visitor) -> Result<Response, Refusal> {
    site.page("form.html", visitor, context! { values => values(start.example), ..fixed(kind, start) })
}

fn fixed(kind: &Kind, start: Start) -> Context {
    let target = format!("/{}/new", kind.path);
    context! { title => start.title, section => kind.path, target => target, submit => "Start", groups => start.groups }
}

async fn begin(
    kind: &'static Kind,
    start: Start,
    State(site): State<Site>,
    visitor: Visitor,
    Form(values): Form<Values>,
) -> Result<Response, Refusal> {
    match site.api.call(&visitor, Method::POST, start.api, Some(&body(start.groups, &values))).await {
        Ok(started) => Ok(see(&format!("/{}/{}", kind.path, path_segment(text(&started, "workflowId"))))),
        Err(failure) => {
            let context = context! { values => values, ..fixed(kind, start) };
            site.page_after(Some(&failure), "form.html", &visitor, context)
        }
    }
}
