//! The endpoints of notification.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use service_kit::{json::ValidJson, openapi::Fails, problem::Problem};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::dto::{NotificationView, SendRequest};
use crate::{
    notification::application::{CONTEXT, NotificationService, SEND},
    shared::{
        deps::Deps,
        presentation::{CallHeaders, Distribution, RequestHeaders, Shown, created, distribution, found},
    },
};

struct Notifications {
    service: NotificationService,
    deps: Deps,
}

/// Returns the routes of the context.
pub fn routes(service: NotificationService, deps: &Deps) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(send))
        .routes(routes!(get_distribution))
        .routes(routes!(get_notification))
        .with_state(Arc::new(Notifications { service, deps: deps.clone() }))
}

/// Send a message.
#[utoipa::path(
    post, path = "/notification/send", tag = "notification", params(CallHeaders), request_body = SendRequest,
    responses((status = 201, description = "The notification.", body = Shown<NotificationView>))
)]
async fn send(
    State(notifications): State<Arc<Notifications>>,
    headers: RequestHeaders,
    ValidJson { value, canonical }: ValidJson<SendRequest>,
) -> Result<Response, Problem> {
    let redacted = value.redacted();
    let command = value.into_command(headers.order());
    let call = headers.into_call(SEND, &notifications.deps.catalogue, &canonical, &redacted)?;
    let reply = notifications.service.send(call, command).await;
    Ok(created(reply, |snapshot, _| Some(Shown::new(NotificationView::from(&snapshot.resource)))))
}

/// Show the weight of each scenario of notification.
#[utoipa::path(
    get, path = "/notification/chaos/distribution", tag = "notification",
    operation_id = "get_notification_distribution", responses((status = 200, description = "The shares of each scenario.", body = Distribution))
)]
async fn get_distribution(
    State(notifications): State<Arc<Notifications>>,
) -> Result<Json<Distribution>, Problem> {
    Ok(Json(distribution(&notifications.deps, CONTEXT).await?))
}

/// Show a notification.
#[utoipa::path(
    get, path = "/notification/{notificationId}", tag = "notification",
    params(("notificationId" = String, Path)), responses((status = 200, description = "The notification.", body = Shown<NotificationView>), Fails<404>)
)]
async fn get_notification(
    State(notifications): State<Arc<Notifications>>,
    Path(id): Path<String>,
) -> Result<Json<Shown<NotificationView>>, Problem> {
    found(&id, notifications.service.find(id.clone()).await, |snapshot| {
        NotificationView::from(&snapshot.resource)
    })
}
