//! Lists the orders.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::{
    Json,
    extract::{Query, State},
};
use rust_decimal::Decimal;
use service_kit::{
    auth::{AuthCode, Caller, roles::READERS},
    problem::Problem,
    time,
};

use super::{
    Orders,
    dto::{CountQuery, CountsBody, ListQuery, OrdersBody},
    problems::list_problem,
};
use crate::{
    fields::{given, limit, page, token},
    gateway::{OrderFilter, Shown},
    workflow::invalid_query,
};

/// Limits the counts, however many pages ask.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

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
    caller: Caller,
) -> Result<Json<OrdersBody>, Problem> {
    let filter = filter(&query, &caller)?;
    let limit = limit(query.limit.as_deref())?;
    let page = page(query.page_token.as_deref())?;
    let page = orders.gateway.list(&filter, limit, page).await.map_err(list_problem)?;
    let next = token(&page.next);
    Ok(Json(OrdersBody::new(page.orders, next)))
}

/// Counts the orders: all of them, and those with each status.
#[utoipa::path(
    get,
    path = "/api/v1/orders/counts",
    tag = "orders",
    params(CountQuery),
    responses((status = 200, body = CountsBody))
)]
pub(super) async fn count_orders(
    State(orders): State<Orders>,
    Query(query): Query<CountQuery>,
    caller: Caller,
) -> Result<Json<CountsBody>, Problem> {
    let of_all = filter(&query.into(), &caller)?;
    // Temporal limits the rate of counts, so one request counts at a time, and the others take its numbers.
    let mut last = orders.last_count.lock().await;
    if let Some((filter, at, counts)) = &*last
        && *filter == of_all
        && at.elapsed() < COUNT_INTERVAL
    {
        return Ok(Json(counts.clone()));
    }
    let total = orders.gateway.count(&of_all).await.map_err(list_problem)?;
    let (mut left, mut counts) = (total, Vec::new());
    for status in Shown::all() {
        let of_status = OrderFilter { status: Some(status), ..of_all.clone() };
        let count = if left > 0 { orders.gateway.count(&of_status).await.map_err(list_problem)? } else { 0 };
        left -= count;
        counts.push((status.name(), count));
    }
    let counts = CountsBody::new(total, counts.into_iter());
    *last = Some((of_all, Instant::now(), counts.clone()));
    Ok(Json(counts))
}

/// Reads a filter. A customer sees only their own orders.
fn filter(query: &ListQuery, caller: &Caller) -> Result<OrderFilter, Problem> {
    let status = given(query.status.as_deref())
        .map(|name| {
            Shown::all().find(|status| status.name() == name).ok_or_else(|| {
                let names: Vec<_> = Shown::all().map(Shown::name).collect();
                invalid_query("status", format_args!("must be one of {}", names.join(", ")))
            })
        })
        .transpose()?;
    let customer = match (caller.limited_to_own(READERS), given(query.customer_id.as_deref())) {
        (Some(own), Some(other)) if own != other => {
            return Err(Problem::new(AuthCode::Forbidden, "a customer lists only their own orders"));
        }
        (own, given) => own.or(given),
    };
    let customer =
        customer.map(|text| text.parse().map_err(|why| invalid_query("customerId", why))).transpose()?;
    let min_total = total("minTotal", query.min_total.as_deref())?;
    let max_total = total("maxTotal", query.max_total.as_deref())?;
    let started_after = moment("startedAfter", query.started_after.as_deref())?;
    let started_before = moment("startedBefore", query.started_before.as_deref())?;
    Ok(OrderFilter { status, customer, min_total, max_total, started_after, started_before })
}

fn moment(name: &str, text: Option<&str>) -> Result<Option<SystemTime>, Problem> {
    given(text)
        .map(|text| {
            let millis = time::to_millis(text).and_then(|millis| u64::try_from(millis).ok());
            let moment = millis.and_then(|millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis)));
            moment.ok_or_else(|| invalid_query(name, "must be a time such as 2026-05-01T12:00:00Z"))
        })
        .transpose()
}

fn total(name: &str, text: Option<&str>) -> Result<Option<Decimal>, Problem> {
    given(text)
        .map(|text| {
            Decimal::from_str_exact(text).map_err(|_| invalid_query(name, "must be a decimal such as 10.50"))
        })
        .transpose()
}
