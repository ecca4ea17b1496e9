//! The endpoints of inventory.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use service_kit::{json::ValidJson, openapi::Fails, problem::Problem};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::dto::{
    ReleaseReservationRequest, ReleaseReservationResponse, ReservationView, ReserveRequest, ReserveResponse,
    RestockRequest, RestockResponse,
};
use crate::{
    inventory::application::{CONTEXT, InventoryService, RELEASE, RESERVE, RESTOCK},
    shared::{
        deps::Deps,
        presentation::{
            CallHeaders, Distribution, RequestHeaders, Shown, Undone, created, distribution, done, found,
        },
    },
};

struct Inventory {
    service: InventoryService,
    deps: Deps,
}

/// Returns the routes of the context.
pub fn routes(service: InventoryService, deps: &Deps) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(reserve))
        .routes(routes!(release_reservation))
        .routes(routes!(restock))
        .routes(routes!(get_distribution))
        .routes(routes!(get_reservation))
        .with_state(Arc::new(Inventory { service, deps: deps.clone() }))
}

/// Reserve stock for half an hour.
#[utoipa::path(
    post, path = "/inventory/reserve", tag = "inventory", params(CallHeaders), request_body = ReserveRequest,
    responses((status = 201, description = "The stock is reserved.", body = ReserveResponse))
)]
async fn reserve(
    State(inventory): State<Arc<Inventory>>,
    headers: RequestHeaders,
    ValidJson { value, canonical }: ValidJson<ReserveRequest>,
) -> Result<Response, Problem> {
    let redacted = value.redacted();
    let command = value.into_command(headers.order());
    let call = headers.into_call(RESERVE, &inventory.deps.catalogue, &canonical, &redacted)?;
    let reply = inventory.service.reserve(call, command).await;
    Ok(created(reply, |snapshot, _| Some(ReserveResponse::of(&snapshot.resource))))
}

/// Release reserved stock.
#[utoipa::path(
    post, path = "/inventory/release", tag = "inventory", params(CallHeaders),
    request_body = ReleaseReservationRequest,
    responses((status = 200, description = "The stock is released.", body = Undone<ReleaseReservationResponse>), Fails<404>)
)]
async fn release_reservation(
    State(inventory): State<Arc<Inventory>>,
    headers: RequestHeaders,
    ValidJson { value, canonical }: ValidJson<ReleaseReservationRequest>,
) -> Result<Response, Problem> {
    let call = headers.into_call(RELEASE, &inventory.deps.catalogue, &canonical, &value.redacted())?;
    let reply = inventory.service.release(call, value.into_command()).await;
    Ok(done(reply, |snapshot, _| ReleaseReservationResponse::of(&snapshot.resource)))
}

/// Take back stock that an order shipped, as a whole or in part.
#[utoipa::path(
    post, path = "/inventory/restock", tag = "inventory", params(CallHeaders), request_body = RestockRequest,
    responses((status = 200, description = "The stock is back.", body = Undone<RestockResponse>), Fails<404>)
)]
async fn restock(
    State(inventory): State<Arc<Inventory>>,
    headers: RequestHeaders,
    ValidJson { value, canonical }: ValidJson<RestockRequest>,
) -> Result<Response, Problem> {
    let call = headers.into_call(RESTOCK, &inventory.deps.catalogue, &canonical, &value.redacted())?;
    let reply = inventory.service.restock(call, value.into_command()).await;
    Ok(done(reply, |snapshot, _| Some(RestockResponse::of(&snapshot.resource))))
}

/// Show the weight of each scenario of inventory.
#[utoipa::path(
    get, path = "/inventory/chaos/distribution", tag = "inventory", operation_id = "get_inventory_distribution",
    responses((status = 200, description = "The shares of each scenario.", body = Distribution))
)]
async fn get_distribution(State(inventory): State<Arc<Inventory>>) -> Result<Json<Distribution>, Problem> {
    Ok(Json(distribution(&inventory.deps, CONTEXT).await?))
}

/// Show a reservation.
#[utoipa::path(
    get, path = "/inventory/{reservationId}", tag = "inventory", params(("reservationId" = String, Path)),
    responses((status = 200, description = "The reservation.", body = Shown<ReservationView>), Fails<404>)
)]
async fn get_reservation(
    State(inventory): State<Arc<Inventory>>,
    Path(id): Path<String>,
) -> Result<Json<Shown<ReservationView>>, Problem> {
    found(&id, inventory.service.find(id.clone()).await, |snapshot| ReservationView::from(snapshot))
}
