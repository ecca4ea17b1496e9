//! The form that places an order.

use std::{
    collections::BTreeMap,
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Form,
    extract::{Query, State},
    http::Method,
    response::Response,
};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::{
    Site,
    form::{Field, Group, Kind, Values, body, values},
    pages::{Refusal, context, path_segment, see},
    upstream::text,
    visitor::Visitor,
};

const CURRENCIES: &[&str] = &[
    "usd", "eur", "gbp", "mxn", "cad", "aud", "nzd", "chf", "sek", "nok", "dkk", "pln", "czk", "brl", "inr",
    "sgd", "hkd", "jpy", "krw",
];

const GROUPS: &[Group] = &[
    Group {
        legend: "Order",
        fields: &[
            Field::new("/orderId", "Order id", Kind::Text, "Letters, digits, dot, underscore and hyphen."),
            Field::text("/customerId", "Customer id"),
            Field::text("/customerEmail", "E-mail address"),
            Field::new("/currency", "Currency", Kind::Choice(CURRENCIES), ""),
            Field::new("/requiresApproval", "Requires the approval of a manager", Kind::Flag, ""),
        ],
    },
    Group {
        legend: "First item",
        fields: &[
            Field::text("/items/0/sku", "SKU"),
            Field::number("/items/0/quantity", "Quantity"),
            Field::number("/items/0/price", "Price of one"),
        ],
    },
    Group {
        legend: "Second item, if any",
        fields: &[
            Field::text("/items/1/sku", "SKU"),
            Field::number("/items/1/quantity", "Quantity"),
            Field::number("/items/1/price", "Price of one"),
        ],
    },
    Group {
        legend: "Shipping address",
        fields: &[
            Field::text("/shippingAddress/street", "Street"),
            Field::text("/shippingAddress/city", "City"),
            Field::text("/shippingAddress/state", "State"),
            Field::text("/shippingAddress/zip", "Postal code"),
            Field::new("/shippingAddress/country", "Country", Kind::Text, "Two letters, such as US."),
        ],
    },
];

/// Values that a form can begin with.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    ("small", &[("/items/0/quantity", "2"), ("/items/0/price", "29.99")]),
    ("approval", &[("/items/0/quantity", "1"), ("/items/0/price", "1499"), ("/requiresApproval", "true")]),
    ("yen", &[("/items/0/quantity", "1"), ("/items/0/price", "5200"), ("/currency", "jpy")]),
];

const COMMON: &[(&str, &str)] = &[
    ("/customerId", "customer-7"),
    ("/customerEmail", "ada@example.com"),
    ("/currency", "usd"),
    ("/items/0/sku", "book"),
    ("/shippingAddress/street", "1 Main Street"),
    ("/shippingAddress/city", "Springfield"),
    ("/shippingAddress/state", "IL"),
    ("/shippingAddress/zip", "62701"),
    ("/shippingAddress/country", "US"),
];

pub async fn form(
    State(site): State<Site>,
    Query(query): Query<BTreeMap<String, String>>,
    visitor: Visitor,
) -> Result<Response, Refusal> {
    let wanted = query.get("example").map_or("small", String::as_str);
    let example = EXAMPLES.iter().find(|(name, _)| *name == wanted).map_or(&[][..], |(_, values)| values);
    let mut values = values(COMMON.iter().chain(example));
    values.insert("/orderId".to_owned(), format!("console-{}", seconds()));
    site.page("form.html", &visitor, context! { values => values, ..fixed() })
}

/// Returns the seconds since 1970, which make a new order id.
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn fixed() -> minijinja::Value {
    let examples: Vec<_> = EXAMPLES.iter().map(|(name, _)| *name).collect();
    context! {
        title => "Place an order", section => "orders", target => "/orders/new", submit => "Place the order",
        groups => GROUPS, examples => examples
    }
}

pub async fn place(
    State(site): State<Site>,
    visitor: Visitor,
    Form(values): Form<Values>,
) -> Result<Response, Refusal> {
    let mut order = body(GROUPS, &values);
    if let (Some(total), Value::Object(members)) = (total(&order), &mut order) {
        members.insert("totalAmount".to_owned(), total);
    }
    match site.api.call(&visitor, Method::POST, "/api/v1/order", Some(&order)).await {
        Ok(placed) => Ok(see(&format!("/orders/{}", path_segment(text(&placed, "workflowId"))))),
        Err(failure) => {
            let context = context! { values => values, ..fixed() };
            site.page_after(Some(&failure), "form.html", &visitor, context)
        }
    }
}

/// Returns the sum of the items. None if a price or a quantity is no number; the API says which.
fn total(order: &Value) -> Option<Value> {
    let mut total = Decimal::ZERO;
    for item in order.get("items")?.as_array()? {
        let number = |name: &str| Decimal::from_str(&item.get(name)?.as_number()?.to_string()).ok();
        total = total.checked_add(number("quantity")?.checked_mul(number("price")?)?)?;
    }
    total.normalize().to_string().parse().ok().map(Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_total_is_the_exact_sum_of_the_items() {
        let order = json!({"items": [{"quantity": 3, "price": 0.1}, {"quantity": 1, "price": 29.99}]});
        assert_eq!(total(&order), Some(json!(30.29)));
    }

    #[test]
    fn a_price_that_is_no_number_has_no_total() {
        assert_eq!(total(&json!({"items": [{"quantity": 3, "price": "dear"}]})), None);
    }
}
