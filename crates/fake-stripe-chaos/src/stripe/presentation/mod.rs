//! The endpoints of Stripe's API.

mod answer;
mod documents;
mod events;
mod expand;
mod handlers;
mod intents;
mod lists;
mod objects;
mod params;
mod problems;
mod refunds;
mod request;

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{Method, Uri},
    routing::{any, get, post},
};
use service_kit::problem::Problem;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use answer::layer;
pub use objects::event_body;
pub use problems::StripeCode;

use self::handlers::Stripe;
use crate::{
    shared::{
        deps::Deps,
        presentation::{Distribution, distribution},
    },
    stripe::application::{CONTEXT, Deliveries, StripeService},
};

/// Returns the routes of the context. Stripe documents them, so our document does not.
pub fn routes(service: StripeService, deliveries: Arc<dyn Deliveries>, deps: &Deps) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(get_distribution))
        .route("/v1/payment_intents", get(intents::list).post(intents::create).fallback(unknown))
        .route("/v1/payment_intents/{id}", get(intents::show).post(intents::update).fallback(unknown))
        .route("/v1/payment_intents/{id}/confirm", post(intents::confirm).fallback(unknown))
        .route("/v1/payment_intents/{id}/capture", post(intents::capture).fallback(unknown))
        .route("/v1/payment_intents/{id}/cancel", post(intents::cancel).fallback(unknown))
        .route("/v1/charges", get(intents::list_charges).fallback(unknown))
        .route("/v1/charges/{id}", get(intents::show_charge).fallback(unknown))
        .route("/v1/refunds", get(refunds::list).post(refunds::create).fallback(unknown))
        .route("/v1/refunds/{id}", get(refunds::show).post(refunds::update).fallback(unknown))
        .route(
            "/v1/customers",
            get(documents::list_customers).post(documents::create_customer).fallback(unknown),
        )
        .route(
            "/v1/customers/{id}",
            get(documents::show_customer)
                .post(documents::update_customer)
                .delete(documents::delete_customer)
                .fallback(unknown),
        )
        .route("/v1/customers/{id}/payment_methods", get(documents::list_customer_methods).fallback(unknown))
        .route(
            "/v1/payment_methods",
            get(documents::list_methods).post(documents::create_method).fallback(unknown),
        )
        .route(
            "/v1/payment_methods/{id}",
            get(documents::show_method).post(documents::update_method).fallback(unknown),
        )
        .route("/v1/payment_methods/{id}/attach", post(documents::attach_method).fallback(unknown))
        .route("/v1/payment_methods/{id}/detach", post(documents::detach_method).fallback(unknown))
        .route(
            "/v1/webhook_endpoints",
            get(documents::list_endpoints).post(documents::create_endpoint).fallback(unknown),
        )
        .route(
            "/v1/webhook_endpoints/{id}",
            get(documents::show_endpoint)
                .post(documents::update_endpoint)
                .delete(documents::delete_endpoint)
                .fallback(unknown),
        )
        .route("/v1/events", get(events::list).fallback(unknown))
        .route("/v1/events/{id}", get(events::show).fallback(unknown))
        .route("/v1/balance", get(events::balance).fallback(unknown))
        .route("/v1", any(unknown))
        .route("/v1/{*rest}", any(unknown))
        .with_state(Arc::new(Stripe { service, deliveries, deps: deps.clone() }))
}

/// Show the weight of each scenario of Stripe's API.
#[utoipa::path(
    get, path = "/stripe/chaos/distribution", tag = "stripe", operation_id = "get_stripe_distribution",
    responses((status = 200, description = "The shares of each scenario.", body = Distribution))
)]
async fn get_distribution(State(stripe): State<Arc<Stripe>>) -> Result<Json<Distribution>, Problem> {
    Ok(Json(distribution(&stripe.deps, CONTEXT).await?))
}

/// Answers for every part of Stripe's API that is not implemented.
async fn unknown(method: Method, uri: Uri) -> Problem {
    let why = format!(
        "Unrecognized request URL ({method}: {}). fake-stripe-chaos is not Stripe: it implements the part of Stripe's API that docs/stripe.md lists.",
        uri.path()
    );
    Problem::new(StripeCode::UnknownUrl, why)
}
