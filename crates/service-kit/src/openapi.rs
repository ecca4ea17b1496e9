//! The OpenAPI document and Swagger UI, both served from the binary.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use axum::{
    Router,
    http::{Method, StatusCode},
    response::{Html, Redirect},
    routing::get,
};
use utoipa::{
    IntoResponses, OpenApi, ToSchema,
    openapi::{
        self, ContentBuilder, Ref, RefOr, ResponseBuilder, Schema,
        path::{Operation, PathItem},
        schema::{AdditionalProperties, ArrayItems},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_swagger_ui::SwaggerUi;

use crate::problem::{CATALOGUE_PATH, CONTENT, CodeInfo, Fault, ProblemBody};

pub const UI_PATH: &str = "/api/docs";
pub const DOCUMENT_PATH: &str = "/api/docs/openapi.json";

#[derive(OpenApi)]
#[openapi(components(schemas(ProblemBody, Fault)))]
struct Common;

/// One server-sent event, as the document describes what a stream consists of.
#[derive(ToSchema)]
#[schema(as = ServerSentEvent)]
#[allow(dead_code, reason = "the schema alone is used")]
pub struct ServerSentEvent {
    /// The name of the event.
    event: String,
    /// Names the event. A reconnecting client sends it as `Last-Event-ID`.
    id: String,
    /// A document in JSON; the operation says which.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// Documents a further error status of an operation: `responses((status = 200, ...), Fails<404>)`.
pub struct Fails<const STATUS: u16>;

impl<const STATUS: u16> IntoResponses for Fails<STATUS> {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        BTreeMap::from([(STATUS.to_string(), RefOr::T(failure(STATUS)))])
    }
}

/// Returns the documentation of an error response.
fn failure(status: u16) -> openapi::Response {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let schema = RefOr::Ref(Ref::from_schema_name(ProblemBody::name()));
    ResponseBuilder::new()
        .description(format!("{}: see the codes at `{CATALOGUE_PATH}`.", reason.unwrap_or("Error")))
        .content(CONTENT, ContentBuilder::new().schema(Some(schema)).build())
        .build()
}

/// Adds the parts that all services share: the problem schema, and the failures of each operation. Every operation
/// can fail with 500. Parameters and bodies can be invalid.
pub(crate) fn add_common_failures(mut api: openapi::OpenApi) -> openapi::OpenApi {
    api.merge(Common::openapi());
    for operation in api.paths.paths.values_mut().flat_map(operations) {
        let takes_parameters = operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty());
        let takes_a_body = operation.request_body.is_some();
        add_failures(operation, &[500]);
        if takes_parameters || takes_a_body {
            add_failures(operation, &[400]);
        }
        if takes_a_body {
            add_failures(operation, &[408, 413, 415, 422]);
        }
    }
    close_request_bodies(&mut api);
    api
}

/// Forbids unknown members in the bodies of requests. Schemas that responses use too stay open, since a later
/// version may add members to them.
fn close_request_bodies(api: &mut openapi::OpenApi) {
    let Some(mut components) = api.components.take() else { return };
    let (mut in_requests, mut in_responses) = (BTreeSet::new(), BTreeSet::new());
    for operation in api.paths.paths.values_mut().flat_map(operations) {
        let bodies = operation.request_body.iter_mut().filter_map(inline_mut);
        let contents = bodies.flat_map(|body| body.content.values_mut()).filter_map(inline_mut);
        for schema in contents.filter_map(|content| content.schema.as_mut()) {
            forbid_other_members(schema);
            add_schema_names(schema, &components.schemas, &mut in_requests);
        }
        let responses = operation.responses.responses.values().filter_map(inline);
        let contents = responses.flat_map(|response| response.content.values()).filter_map(inline);
        for schema in contents.filter_map(|content| content.schema.as_ref()) {
            add_schema_names(schema, &components.schemas, &mut in_responses);
        }
    }
    for name in in_requests.difference(&in_responses) {
        if let Some(schema) = components.schemas.get_mut(name) {
            forbid_other_members(schema);
        }
    }
    api.components = Some(components);
}

fn inline<T>(part: &RefOr<T>) -> Option<&T> {
    match part {
        RefOr::T(part) => Some(part),
        RefOr::Ref(_) => None,
    }
}

fn inline_mut<T>(part: &mut RefOr<T>) -> Option<&mut T> {
    match part {
        RefOr::T(part) => Some(part),
        RefOr::Ref(_) => None,
    }
}

/// Forbids further members in every inline object of this schema that lists its members.
fn forbid_other_members(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            object.properties.values_mut().for_each(forbid_other_members);
            match object.additional_properties.as_deref_mut() {
                Some(AdditionalProperties::RefOr(schema)) => forbid_other_members(schema),
                Some(AdditionalProperties::FreeForm(_)) => {}
                None if object.properties.is_empty() => {}
                None => object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false))),
            }
        }
        RefOr::T(Schema::Array(array)) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                forbid_other_members(items);
            }
        }
        RefOr::T(Schema::OneOf(one)) => one.items.iter_mut().for_each(forbid_other_members),
        RefOr::T(Schema::AnyOf(any)) => any.items.iter_mut().for_each(forbid_other_members),
        // One part of an `allOf` doesn't list the members of the other parts.
        RefOr::T(_) | RefOr::Ref(_) => {}
    }
}

/// Adds the names of all schemas that this one refers to, directly or indirectly.
fn add_schema_names(
    schema: &RefOr<Schema>,
    all: &BTreeMap<String, RefOr<Schema>>,
    found: &mut BTreeSet<String>,
) {
    let parts: Vec<&RefOr<Schema>> = match schema {
        RefOr::Ref(reference) => {
            let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
            let is_new = found.insert(name.to_owned());
            all.get(name).filter(|_| is_new).into_iter().collect()
        }
        RefOr::T(Schema::Object(object)) => {
            let free = match object.additional_properties.as_deref() {
                Some(AdditionalProperties::RefOr(schema)) => Some(schema),
                _ => None,
            };
            object.properties.values().chain(free).collect()
        }
        RefOr::T(Schema::Array(array)) => match &array.items {
            ArrayItems::RefOrSchema(items) => vec![&**items],
            ArrayItems::False => Vec::new(),
        },
        RefOr::T(Schema::OneOf(one)) => one.items.iter().collect(),
        RefOr::T(Schema::AllOf(all)) => all.items.iter().collect(),
        RefOr::T(Schema::AnyOf(any)) => any.items.iter().collect(),
        RefOr::T(_) => Vec::new(),
    };
    for part in parts {
        add_schema_names(part, all, found);
    }
}

/// Adds 401 to every change among the operations of a document.
pub fn add_unauthenticated(api: &mut openapi::OpenApi) {
    for item in api.paths.paths.values_mut() {
        let changes = [&mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in changes.into_iter().filter_map(Option::as_mut) {
            add_failures(operation, &[401]);
        }
    }
}

/// Adds the failures of authentication to every operation of the API, and its scheme: a token is sent if the service
/// requires one.
pub(crate) fn add_access(api: &mut openapi::OpenApi) {
    const SCHEME: &str = "bearer";
    let paths = api.paths.paths.iter_mut().filter(|(path, _)| path.starts_with("/api/v1"));
    for operation in paths.flat_map(|(_, item)| operations(item)) {
        add_failures(operation, &[401, 403, 429, 503]);
        let bearer = SecurityRequirement::new(SCHEME, Vec::<String>::new());
        operation.security = Some(vec![SecurityRequirement::default(), bearer]);
    }
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let components = api.components.get_or_insert_default();
    components.add_security_scheme(SCHEME, SecurityScheme::Http(scheme));
}

/// Adds the failure of the request timeout to every operation of a document.
pub(crate) fn add_timeout_failure(api: &mut openapi::OpenApi) {
    for operation in api.paths.paths.values_mut().flat_map(operations) {
        add_failures(operation, &[503]);
    }
}

fn add_failures(operation: &mut Operation, statuses: &[u16]) {
    for status in statuses {
        let known = operation.responses.responses.entry(status.to_string());
        known.or_insert_with(|| RefOr::T(failure(*status)));
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch]
        .into_iter()
        .filter_map(Option::as_mut)
}

/// Returns the statuses that a document lists for a request, or none for an unknown operation. Tests compare real
/// answers with them.
#[must_use]
pub fn statuses(api: &openapi::OpenApi, method: &Method, path: &str) -> Option<BTreeSet<u16>> {
    let path = path.split('?').next().unwrap_or_default();
    let same = |template: &str| {
        let (template, path) = (template.split('/'), path.split('/'));
        template.clone().count() == path.clone().count()
            && template.zip(path).all(|(known, asked)| known == asked || known.starts_with('{'))
    };
    // Of two matching templates, the router uses the one with fewer parameters.
    let items = api.paths.paths.iter().filter(|(template, _)| same(template));
    let (_, item) = items.min_by_key(|(template, _)| template.matches('{').count())?;
    let operation = match *method {
        Method::GET => item.get.as_ref(),
        Method::PUT => item.put.as_ref(),
        Method::POST => item.post.as_ref(),
        Method::DELETE => item.delete.as_ref(),
        Method::PATCH => item.patch.as_ref(),
        _ => None,
    }?;
    Some(operation.responses.responses.keys().filter_map(|status| status.parse().ok()).collect())
}

/// Returns the operation ids that several operations have. Tests require none: links and generated clients name an
/// operation by its id.
#[must_use]
pub fn repeated_operation_ids(api: &openapi::OpenApi) -> BTreeSet<String> {
    let mut api = api.clone();
    let mut known = BTreeSet::new();
    let ids = api.paths.paths.values_mut().flat_map(operations).filter_map(|one| one.operation_id.take());
    ids.filter(|id| !known.insert(id.clone())).collect()
}

/// Returns the routes under `/api/docs`.
pub(crate) fn docs_routes(api: openapi::OpenApi, service: &str, codes: &[CodeInfo]) -> Router {
    let catalogue = Html(catalogue_page(service, codes));
    Router::from(SwaggerUi::new(UI_PATH).url(DOCUMENT_PATH, api))
        .route(CATALOGUE_PATH, get(move || std::future::ready(catalogue.clone())))
}

/// Returns the path `/` of a service without pages. It leads to the documentation.
pub(crate) fn home() -> Router {
    Router::new().route("/", get(|| std::future::ready(Redirect::temporary(UI_PATH))))
}

/// Returns each code once, since two contexts may declare the same code.
fn unique_codes(codes: &[CodeInfo]) -> impl Iterator<Item = &CodeInfo> {
    let is_first = |(index, info): &(usize, &CodeInfo)| {
        codes.iter().take(*index).all(|earlier| earlier.code != info.code)
    };
    codes.iter().enumerate().filter(is_first).map(|(_, info)| info)
}

/// Returns all titles of a code.
fn joined_titles(codes: &[CodeInfo], code: &str) -> String {
    let titles: Vec<_> = codes.iter().filter(|info| info.code == code).map(|info| info.title).collect();
    titles.join("; ")
}

fn catalogue_page(service: &str, codes: &[CodeInfo]) -> String {
    let mut rows = String::new();
    for CodeInfo { code, status, retryable, .. } in unique_codes(codes) {
        let title = joined_titles(codes, code);
        let retry = if *retryable { "yes" } else { "no" };
        // Writing to a string never fails.
        let _ = write!(
            rows,
            "<tr id=\"{code}\"><td><code>{code}</code></td><td>{status}</td><td>{title}</td><td>{retry}</td></tr>"
        );
    }
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{service}: error codes</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}}\
         table{{border-collapse:collapse;width:100%}}td,th{{border-bottom:1px solid #ccc;padding:.4rem;text-align:left}}\
         tr:target{{background:#fff3c4}}</style><h1>{service}: error codes</h1>\
         <p>Every error is an <code>application/problem+json</code> document; its <code>type</code> points here.</p>\
         <table><tr><th>code</th><th>status</th><th>meaning</th><th>retryable</th></tr>{rows}</table></html>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_two_contexts_has_one_row_with_both_titles() {
        let info = |title| CodeInfo { code: "already", status: 409, title, retryable: false };
        let page = catalogue_page("service", &[info("The one is"), info("The other is")]);
        assert_eq!(page.matches("id=\"already\"").count(), 1);
        assert!(page.contains("The one is; The other is"));
    }
}
