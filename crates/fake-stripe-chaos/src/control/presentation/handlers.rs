//! The endpoints of control.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use service_kit::{json::ValidJson, openapi::Fails, problem::Problem};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::dto::{PlanRequest, PlanResponse, ScenariosResponse};
use crate::{
    control::application::{ControlService, Plan},
    shared::{chaos::Catalogue, deps::Deps, ids::OrderId, presentation::problems},
};

struct Control {
    service: Arc<ControlService>,
    catalogue: Arc<Catalogue>,
}

/// The routes, over a service.
pub fn routes(service: Arc<ControlService>, deps: &Deps) -> OpenApiRouter {
    let catalogue = Arc::clone(&deps.catalogue);
    OpenApiRouter::new()
        .routes(routes!(put_plan))
        .routes(routes!(get_scenarios))
        .with_state(Arc::new(Control { service, catalogue }))
}

/// Plan what the next attempts of an order's operations meet, for callers that can't set headers.
#[utoipa::path(
    put, path = "/chaos/plans/{orderId}", tag = "chaos", params(("orderId" = String, Path)),
    request_body = PlanRequest, responses((status = 200, description = "The plan.", body = PlanResponse), Fails<409>)
)]
async fn put_plan(
    State(control): State<Arc<Control>>,
    Path(order): Path<String>,
    ValidJson { value, .. }: ValidJson<PlanRequest>,
) -> Result<Json<PlanResponse>, Problem> {
    let order: OrderId = order.parse().map_err(|error| problems::invalid_path("orderId", error))?;
    let scripts = value.scripts(&control.catalogue)?;
    let response = PlanResponse::new(&order, &scripts);
    let plan = Plan { order_id: order, scripts };
    control.service.plan(plan).await?;
    Ok(Json(response))
}

/// Every operation and what it can be made to meet, by header or by plan.
#[utoipa::path(
    get, path = "/chaos/scenarios", tag = "chaos",
    responses((status = 200, description = "The scenarios of each operation.", body = ScenariosResponse))
)]
async fn get_scenarios(State(control): State<Arc<Control>>) -> Json<ScenariosResponse> {
    Json(ScenariosResponse::from(&*control.catalogue))
}
