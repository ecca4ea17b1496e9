//! Lists the orders.

use axum::{
    Json,
    extract::{Query, State},
};
use rust_decimal::Decimal;
use service_kit::problem::Problem;

use super::{
    Orders,
    dto::{ListQuery, OrdersBody},
    problems::list_problem,
};
use crate::{
    fields::{given, limit, page, token},
    gateway::{OrderFilter, Shown},
    workflow::invalid_query,
};

/// Lists orders: those that run, then those that ended, the last first.
#[utoipa::path(
    get,
    path = "/api/v1/orders",
    tag = "orders",
    params(ListQuery),
    responses((status = 200, body = OrdersBody))
)]
pub(super) async fn list_orders(
    State(orders): State<Orders>,
    Query(query): Query<ListQuery>,
) -> Result<Json<OrdersBody>, Problem> {
    let filter = filter(&query)?;
    let limit = limit(query.limit.as_deref())?;
    let page = page(query.page_token.as_deref())?;
    let page = orders.gateway.list(&filter, limit, page).await.map_err(list_problem)?;
    let next = token(&page.next);
    Ok(Json(OrdersBody::new(page.orders, next)))
}

fn filter(query: &ListQuery) -> Result<OrderFilter, Problem> {
    let status = given(query.status.as_deref())
        .map(|name| {
            Shown::all().find(|status| status.name() == name).ok_or_else(|| {
                let names: Vec<_> = Shown::all().map(Shown::name).collect();
                invalid_query("status", format_args!("must be one of {}", names.join(", ")))
            })
        })
        .transpose()?;
    let customer = given(query.customer_id.as_deref())
        .map(|text| text.parse().map_err(|why| invalid_query("customerId", why)))
        .transpose()?;
    let min_total = total("minTotal", query.min_total.as_deref())?;
    let max_total = total("maxTotal", query.max_total.as_deref())?;
    Ok(OrderFilter { status, customer, min_total, max_total })
}

fn total(name: &str, text: Option<&str>) -> Result<Option<Decimal>, Problem> {
    given(text)
        .map(|text| {
            Decimal::from_str_exact(text).map_err(|_| invalid_query(name, "must be a decimal such as 10.50"))
        })
        .transpose()
}
