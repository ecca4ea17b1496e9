//! The endpoints of shipping.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use service_kit::{json::ValidJson, openapi::Fails, problem::Problem};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::dto::{
    CancelRequest, CancelResponse, CreateLabelRequest, CreateLabelResponse, LabelView, ProgressResponse,
};
use crate::{
    shared::{
        deps::Deps,
        ids::Key,
        operation::Operation,
        presentation::{
            CallHeaders, Distribution, RequestHeaders, Shown, Undone, created, distribution, done, found,
            problems,
        },
    },
    shipping::application::{CANCEL, CONTEXT, CREATE_LABEL, CREATE_RETURN_LABEL, ShippingService},
};

struct Shipping {
    service: ShippingService,
    deps: Deps,
}

/// Returns the routes of the context.
pub fn routes(service: ShippingService, deps: &Deps) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(create_label))
        .routes(routes!(create_return_label))
        .routes(routes!(cancel_label))
        .routes(routes!(get_progress))
        .routes(routes!(get_distribution))
        .routes(routes!(get_label))
        .with_state(Arc::new(Shipping { service, deps: deps.clone() }))
}

/// Generate a shipping label. The response follows when it is generated.
#[utoipa::path(
    post, path = "/shipping/create-label", tag = "shipping", params(CallHeaders),
    request_body = CreateLabelRequest, responses((status = 201, description = "The label is generated.", body = CreateLabelResponse))
)]
async fn create_label(
    State(shipping): State<Arc<Shipping>>,
    headers: RequestHeaders,
    body: ValidJson<CreateLabelRequest>,
) -> Result<Response, Problem> {
    shipping.generate(CREATE_LABEL, headers, body).await
}

/// Generate a label for the way back. Its address is where the goods start.
#[utoipa::path(
    post, path = "/shipping/create-return-label", tag = "shipping", params(CallHeaders),
    request_body = CreateLabelRequest, responses((status = 201, description = "The label is generated.", body = CreateLabelResponse))
)]
async fn create_return_label(
    State(shipping): State<Arc<Shipping>>,
    headers: RequestHeaders,
    body: ValidJson<CreateLabelRequest>,
) -> Result<Response, Problem> {
    shipping.generate(CREATE_RETURN_LABEL, headers, body).await
}

impl Shipping {
    async fn generate(
        &self,
        operation: Operation,
        headers: RequestHeaders,
        ValidJson { value, canonical }: ValidJson<CreateLabelRequest>,
    ) -> Result<Response, Problem> {
        let redacted = value.redacted();
        let command = value.into_command(headers.order());
        let call = headers.into_call(operation, &self.deps.catalogue, &canonical, &redacted)?;
        let reply = self.service.create_label(call, command).await;
        Ok(created(reply, |snapshot, _| Some(CreateLabelResponse::of(&snapshot.resource))))
    }
}

/// Cancel a label, also one that is still being generated.
#[utoipa::path(
    post, path = "/shipping/cancel", tag = "shipping", params(CallHeaders), request_body = CancelRequest,
    responses((status = 200, description = "The label is cancelled.", body = Undone<CancelResponse>), Fails<404>)
)]
async fn cancel_label(
    State(shipping): State<Arc<Shipping>>,
    headers: RequestHeaders,
    ValidJson { value, canonical }: ValidJson<CancelRequest>,
) -> Result<Response, Problem> {
    let call = headers.into_call(CANCEL, &shipping.deps.catalogue, &canonical, &value.redacted())?;
    let reply = shipping.service.cancel(call, value.into_command()).await;
    Ok(done(reply, |snapshot, _| CancelResponse::of(&snapshot.resource)))
}

/// Show the progress of the label that was requested with an idempotency key.
#[utoipa::path(
    get, path = "/shipping/by-key/{key}", tag = "shipping",
    params(("key" = String, Path, description = "The idempotency key, percent-encoded.", min_length = 1, max_length = 255)),
    responses((status = 200, description = "The progress.", body = ProgressResponse), Fails<404>)
)]
async fn get_progress(
    State(shipping): State<Arc<Shipping>>,
    Path(key): Path<String>,
) -> Result<Json<ProgressResponse>, Problem> {
    let key: Key = key.parse().map_err(|error| problems::invalid_path("key", error))?;
    let progress = shipping.service.progress(key.clone()).await?;
    Ok(Json(ProgressResponse::of(&key, &progress)))
}

/// Show the weight of each scenario of shipping.
#[utoipa::path(
    get, path = "/shipping/chaos/distribution", tag = "shipping", operation_id = "get_shipping_distribution",
    responses((status = 200, description = "The shares of each scenario.", body = Distribution))
)]
async fn get_distribution(State(shipping): State<Arc<Shipping>>) -> Result<Json<Distribution>, Problem> {
    Ok(Json(distribution(&shipping.deps, CONTEXT).await?))
}

/// Show a label.
#[utoipa::path(
    get, path = "/shipping/{labelId}", tag = "shipping", params(("labelId" = String, Path)),
    responses((status = 200, description = "The label.", body = Shown<LabelView>), Fails<404>)
)]
async fn get_label(
    State(shipping): State<Arc<Shipping>>,
    Path(id): Path<String>,
) -> Result<Json<Shown<LabelView>>, Problem> {
    found(&id, shipping.service.find(id.clone()).await, |snapshot| LabelView::from(snapshot))
}
