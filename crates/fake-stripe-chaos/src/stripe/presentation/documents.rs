//! `/v1/customers`, `/v1/payment_methods` and `/v1/webhook_endpoints`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use serde_json::Value;
use service_kit::problem::Problem;

use super::{
    expand,
    handlers::Stripe,
    intents::is,
    lists::Page,
    objects,
    params::Params,
    problems::{self, StripeCode},
    request::StripeRequest,
};
use crate::{
    shared::operation::Operation,
    stripe::{
        application::{
            ATTACH_METHOD, CREATE_CUSTOMER, CREATE_ENDPOINT, CREATE_METHOD, CreateDocument, DELETE_CUSTOMER,
            DELETE_ENDPOINT, DETACH_METHOD, UPDATE_CUSTOMER, UPDATE_ENDPOINT, UPDATE_METHOD,
        },
        domain::{Document, Fields, Kind, StripeError, TestCard},
    },
};

const CUSTOMER_IGNORED: [&str; 11] = [
    "balance",
    "cash_balance",
    "coupon",
    "invoice_prefix",
    "invoice_settings",
    "payment_method",
    "preferred_locales",
    "source",
    "tax",
    "tax_exempt",
    "test_clock",
];

/// Creates a customer.
pub async fn create_customer(
    stripe: State<Arc<Stripe>>,
    mut request: StripeRequest,
) -> Result<Response, Problem> {
    let fields = customer_fields(&mut request.params)?;
    create(stripe, request, CREATE_CUSTOMER, Kind::Customer, fields).await
}

/// Changes a customer.
pub async fn update_customer(
    stripe: State<Arc<Stripe>>,
    Path(id): Path<String>,
    mut request: StripeRequest,
) -> Result<Response, Problem> {
    let fields = customer_fields(&mut request.params)?;
    update(stripe, request, UPDATE_CUSTOMER, id, move |_| Ok(Some(fields))).await
}

/// Deletes a customer.
pub async fn delete_customer(
    stripe: State<Arc<Stripe>>,
    Path(id): Path<String>,
    request: StripeRequest,
) -> Result<Response, Problem> {
    delete(stripe, request, DELETE_CUSTOMER, id).await
}

/// Shows a customer, also a deleted one.
pub async fn show_customer(
    State(stripe): State<Arc<Stripe>>,
    Path(id): Path<String>,
    request: StripeRequest,
) -> Result<Json<Value>, Problem> {
    request.params.finish(&[])?;
    let missing = problems::not_found("customer", &id);
    stripe
        .show(request.expand, missing, move |found, tx, _| {
            let customer = found.document(tx, Kind::Customer, &id)?;
            Ok(customer.map(|customer| {
                if customer.is_deleted() {
                    objects::deleted(&customer)
                } else {
                    objects::document(&customer, customer.version())
                }
            }))
        })
        .await
}

/// Lists customers, the newest first.
pub async fn list_customers(
    State(stripe): State<Arc<Stripe>>,
    mut request: StripeRequest,
) -> Result<Json<Value>, Problem> {
    let page = Page::read(&mut request.params)?;
    let email = request.params.text("email");
    request.params.finish(&[])?;
    stripe
        .list(page, "/v1/customers", request.expand, move |found, tx, _| {
            let customers = shown(found.documents(tx, Kind::Customer)?);
            Ok(customers.filter(|customer| is(customer, "email", email.as_ref())).collect())
        })
        .await
}

/// Creates a payment method from a test card.
pub async fn create_method(
    stripe: State<Arc<Stripe>>,
    mut request: StripeRequest,
) -> Result<Response, Problem> {
    let params = &mut request.params;
    let kind = params.required("type")?;
    if kind != "card" {
        let why = format!("Invalid type: {kind}. fake-stripe-chaos knows payment methods of type card.");
        return Err(problems::invalid(StripeCode::ParameterInvalid, "type", why));
    }
    let card = card_of(&params.members("card"), "card")?;
    let mut fields = method_fields(params)?;
    fields.insert("card".to_owned(), card.name.to_owned());
    std::mem::take(params).finish(&["allow_redisplay", "radar_options"])?;
    create(stripe, request, CREATE_METHOD, Kind::PaymentMethod, fields).await
}

/// Changes the billing details or the metadata of a payment method.
pub async fn update_method(
    stripe: State<Arc<Stripe>>,
    Path(id): Path<String>,
    mut request: StripeRequest,
) -> Result<Response, Problem> {
    let fields = method_fields(&mut request.params)?;
    std::mem::take(&mut request.params).finish(&["allow_redisplay", "card"])?;
    update(stripe, request, UPDATE_METHOD, id, move |_| Ok(Some(fields))).await
}

/// Attaches a payment method to a customer.
pub async fn attach_method(
    State(stripe): State<Arc<Stripe>>,
    Path(id): Path<String>,
    mut request: StripeRequest,
) -> Result<Response, Problem> {
    let customer = request.params.required("customer")?;
    std::mem::take(&mut request.params).finish(&[])?;
    let missing = problems::no_such("customer", &customer, "customer");
    if stripe.existing(Kind::Customer, &customer).await?.is_none() {
        return Err(missing);
    }
    let id = match TestCard::of_token(&id) {
        None => id,
        Some(card) => return attach_new(State(stripe), request, card, customer).await,
    };
    update(State(stripe), request, ATTACH_METHOD, id, move |method| match method.field("customer") {
        Some(other) if other != customer => Err(StripeError::AttachedToAnother),
        _ => Ok(Some(Fields::from([("customer".to_owned(), customer)]))),
    })
    .await
}

/// Creates an attached payment method from a name such as `pm_card_visa`.
async fn attach_new(
    stripe: State<Arc<Stripe>>,
    request: StripeRequest,
    card: &TestCard,
    customer: String,
) -> Result<Response, Problem> {
    let fields = Fields::from([("card".to_owned(), card.name.to_owned()), ("customer".to_owned(), customer)]);
    create(stripe, request, ATTACH_METHOD, Kind::PaymentMethod, fields).await
}

/// Detaches a payment method from its customer.
pub async fn detach_method(
    stripe: State<Arc<Stripe>>,
    Path(id): Path<String>,
    mut request: StripeRequest,
) -> Result<Response, Problem> {
    std::mem::take(&mut request.params).finish(&[])?;
    update(stripe, request, DETACH_METHOD, id, |method| match method.field("customer") {
        Some(_) => Ok(Some(Fields::from([("customer".to_owned(), String::new())]))),
        None => Err(StripeError::NotAttached),
    })
    .await
}

/// Shows a payment method.
pub async fn show_method(
    State(stripe): State<Arc<Stripe>>,
    Path(id): Path<String>,
    request: StripeRequest,
) -> Result<Json<Value>, Problem> {
    request.params.finish(&[])?;
    let missing = problems::not_found(Kind::PaymentMethod.title(), &id);
    stripe
        .show(request.expand, missing, move |found, tx, _| {
            let method = found.document(tx, Kind::PaymentMethod, &id)?;
            Ok(method.map(|method| objects::document(&method, method.version())))
        })
        .await
}

/// Lists payment methods, or those of a customer, the newest first.
pub async fn list_methods(
    state: State<Arc<Stripe>>,
    mut request: StripeRequest,
) -> Result<Json<Value>, Problem> {
    let customer = request.params.text("customer");
    list_methods_at(state, request, customer, "/v1/payment_methods".to_owned()).await
}

/// Lists the payment methods of a customer.
pub async fn list_customer_methods(
    state: State<Arc<Stripe>>,
    Path(customer): Path<String>,
    request: StripeRequest,
) -> Result<Json<Value>, Problem> {
    let missing = problems::not_found("customer", &customer);
    state.existing(Kind::Customer, &customer).await?.ok_or(missing)?;
    let url = format!("/v1/customers/{customer}/payment_methods");
    list_methods_at(state, request, Some(customer), url).await
}

/// Lists payment methods. An SDK asks for the next page at the same `url`.
async fn list_methods_at(
    State(stripe): State<Arc<Stripe>>,
    mut request: StripeRequest,
    customer: Option<String>,
    url: String,
) -> Result<Json<Value>, Problem> {
    let page = Page::read(&mut request.params)?;
    let kind = request.params.text("type");
    request.params.take("allow_redisplay");
    request.params.finish(&[])?;
    stripe
        .list(page, &url, request.expand, move |found, tx, _| {
            let methods = shown(found.documents(tx, Kind::PaymentMethod)?);
            let wanted = |method: &Value| {
                is(method, "customer", customer.as_ref()) && is(method, "type", kind.as_ref())
            };
            Ok(methods.filter(wanted).collect())
        })
        .await
}

/// Creates a webhook endpoint. Only this answer has its secret.
pub async fn create_endpoint(
    State(stripe): State<Arc<Stripe>>,
    mut request: StripeRequest,
) -> Result<Response, Problem> {
    let secret = format!("whsec_{}", stripe.deps.ids.next().simple());
    let params = &mut request.params;
    if params.peek("url").is_none() {
        return Err(problems::parameter_missing("url"));
    }
    let mut fields = endpoint_fields(params)?;
    if !fields.keys().any(|name| name.starts_with("enabled_events[")) {
        return Err(problems::parameter_missing("enabled_events"));
    }
    fields.insert("secret".to_owned(), secret);
    std::mem::take(params).finish(&["connect"])?;
    let (order, expand) = (request.order(), std::mem::take(&mut request.expand));
    let call = request.into_call(CREATE_ENDPOINT, &stripe.deps.catalogue)?;
    let command = CreateDocument { kind: Kind::WebhookEndpoint, fields, order };
    let reply = stripe.service.create_document(call, command).await;
    let render = |endpoint: &Document, version| {
        let mut value = objects::document(endpoint, version);
        value["secret"] = endpoint.at(version).get("secret").cloned().into();
        value
    };
    Ok(stripe.answer_document(reply, expand, render).await)
}

/// Changes a webhook endpoint.
pub async fn update_endpoint(
    stripe: State<Arc<Stripe>>,
    Path(id): Path<String>,
    mut request: StripeRequest,
) -> Result<Response, Problem> {
    let mut fields = endpoint_fields(&mut request.params)?;
    let disabled = request.params.boolean("disabled")?;
    fields.extend(disabled.map(|disabled| ("disabled".to_owned(), disabled.to_string())));
    std::mem::take(&mut request.params).finish(&[])?;
    update(stripe, request, UPDATE_ENDPOINT, id, move |endpoint| {
        let mut changes = fields;
        if changes.keys().any(|name| name.starts_with("enabled_events[")) {
            // The new list replaces the old one, which may be longer.
            let old = endpoint.fields().keys().filter(|name| name.starts_with("enabled_events["));
            for name in old {
                changes.entry(name.clone()).or_default();
            }
        }
        Ok(Some(changes))
    })
    .await
}

/// Deletes a webhook endpoint.
pub async fn delete_endpoint(
    stripe: State<Arc<Stripe>>,
    Path(id): Path<String>,
    request: StripeRequest,
) -> Result<Response, Problem> {
    delete(stripe, request, DELETE_ENDPOINT, id).await
}

/// Shows a webhook endpoint.
pub async fn show_endpoint(
    State(stripe): State<Arc<Stripe>>,
    Path(id): Path<String>,
    request: StripeRequest,
) -> Result<Json<Value>, Problem> {
    request.params.finish(&[])?;
    let missing = problems::not_found(Kind::WebhookEndpoint.title(), &id);
    stripe
        .show(request.expand, missing, move |found, tx, _| {
            let endpoint = found.document(tx, Kind::WebhookEndpoint, &id)?.filter(|it| !it.is_deleted());
            Ok(endpoint.map(|endpoint| objects::document(&endpoint, endpoint.version())))
        })
        .await
}

/// Lists webhook endpoints, the newest first.
pub async fn list_endpoints(
    State(stripe): State<Arc<Stripe>>,
    mut request: StripeRequest,
) -> Result<Json<Value>, Problem> {
    let page = Page::read(&mut request.params)?;
    request.params.finish(&[])?;
    stripe
        .list(page, "/v1/webhook_endpoints", request.expand, |found, tx, _| {
            Ok(shown(found.documents(tx, Kind::WebhookEndpoint)?).collect())
        })
        .await
}

fn shown(documents: Vec<Document>) -> impl Iterator<Item = Value> {
    documents.into_iter().map(|document| objects::document(&document, document.version()))
}

async fn create(
    State(stripe): State<Arc<Stripe>>,
    mut request: StripeRequest,
    operation: Operation,
    kind: Kind,
    fields: Fields,
) -> Result<Response, Problem> {
    expand::check(&request.expand, false)?;
    let (order, expand) = (request.order(), std::mem::take(&mut request.expand));
    let call = request.into_call(operation, &stripe.deps.catalogue)?;
    let reply = stripe.service.create_document(call, CreateDocument { kind, fields, order }).await;
    Ok(stripe.answer_document(reply, expand, objects::document).await)
}

async fn update(
    State(stripe): State<Arc<Stripe>>,
    mut request: StripeRequest,
    operation: Operation,
    id: String,
    change: impl FnOnce(&Document) -> Result<Option<Fields>, StripeError> + Send + 'static,
) -> Result<Response, Problem> {
    expand::check(&request.expand, false)?;
    let expand = std::mem::take(&mut request.expand);
    let call = request.into_call(operation, &stripe.deps.catalogue)?;
    let reply = stripe.service.change_document(call, id, change).await;
    Ok(stripe.answer_document(reply, expand, objects::document).await)
}

async fn delete(
    State(stripe): State<Arc<Stripe>>,
    mut request: StripeRequest,
    operation: Operation,
    id: String,
) -> Result<Response, Problem> {
    std::mem::take(&mut request.params).finish(&[])?;
    let call = request.into_call(operation, &stripe.deps.catalogue)?;
    let reply = stripe.service.change_document(call, id, |_| Ok(None)).await;
    Ok(stripe.answer_document(reply, Vec::new(), |document, _| objects::deleted(document)).await)
}

/// Reads the attributes of a customer.
fn customer_fields(params: &mut Params) -> Result<Fields, Problem> {
    let mut fields = Fields::new();
    for name in ["name", "email", "phone", "description", "address", "shipping"] {
        fields.extend(params.take(name).map(|value| (name.to_owned(), value)));
        fields.extend(params.members(name));
    }
    fields.extend(metadata_fields(params)?);
    std::mem::take(params).finish(&CUSTOMER_IGNORED)?;
    Ok(fields)
}

fn method_fields(params: &mut Params) -> Result<Fields, Problem> {
    let mut fields = params.members("billing_details");
    fields.extend(metadata_fields(params)?);
    Ok(fields)
}

fn endpoint_fields(params: &mut Params) -> Result<Fields, Problem> {
    let mut fields = Fields::new();
    if let Some(url) = params.text("url") {
        let is_http = url
            .parse::<axum::http::Uri>()
            .is_ok_and(|uri| uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https")));
        if !is_http {
            let why = "Invalid URL: An explicit scheme (such as http) must be provided.".to_owned();
            return Err(problems::invalid(StripeCode::ParameterInvalid, "url", why));
        }
        fields.insert("url".to_owned(), url);
    }
    for (index, event) in params.list("enabled_events").into_iter().enumerate() {
        // Stripe has many more events than this provider sends.
        if event != "*" && !is_event_name(&event) {
            let why = format!("Invalid enabled_events[{index}]: {event} is no name of an event.");
            return Err(problems::invalid(StripeCode::ParameterInvalid, "enabled_events", why));
        }
        fields.insert(format!("enabled_events[{index}]"), event);
    }
    for name in ["description", "api_version"] {
        fields.extend(params.take(name).map(|value| (name.to_owned(), value)));
    }
    fields.extend(metadata_fields(params)?);
    Ok(fields)
}

/// Returns true for names such as `charge.dispute.created`.
fn is_event_name(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    name.contains('.') && name.split('.').all(is_word)
}

/// Reads metadata as fields, after their limits are checked.
fn metadata_fields(params: &mut Params) -> Result<Fields, Problem> {
    params.clone().metadata()?;
    let mut fields = params.members("metadata");
    fields.extend(params.take("metadata").map(|value| ("metadata".to_owned(), value)));
    Ok(fields)
}

/// Returns the test card of `card[number]` or `card[token]`.
///
/// # Errors
/// Fails if the data name no test card.
pub(super) fn card_of(data: &Fields, param: &str) -> Result<&'static TestCard, Problem> {
    let field = |name: &str| data.get(&format!("{param}[{name}]"));
    let token = field("token").map(|token| {
        TestCard::of_token(token).ok_or_else(|| problems::no_such("token", token, &format!("{param}[token]")))
    });
    let number = || {
        let number =
            field("number").ok_or_else(|| problems::parameter_missing(&format!("{param}[number]")))?;
        TestCard::numbered(number).ok_or_else(|| {
            // The number is never repeated, since it may be a real one.
            let why =
                "Your card number is not one of the test cards that fake-stripe-chaos knows.".to_owned();
            problems::invalid(StripeCode::IncorrectNumber, &format!("{param}[number]"), why)
        })
    };
    token.unwrap_or_else(number)
}
