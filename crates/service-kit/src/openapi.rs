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
    /// What a client that reconnects sends as `Last-Event-ID`.
    id: String,
    /// A document in JSON; the operation says which.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// That an operation can fail with a status which doesn't follow from what it takes:
/// `responses((status = 200, ...), Fails<404>)`.
pub struct Fails<const STATUS: u16>;

impl<const STATUS: u16> IntoResponses for Fails<STATUS> {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        BTreeMap::from([(STATUS.to_string(), RefOr::T(failure(STATUS)))])
    }
}

/// The problem document that any error is.
fn failure(status: u16) -> openapi::Response {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let schema = RefOr::Ref(Ref::from_schema_name(ProblemBody::name()));
    ResponseBuilder::new()
        .description(format!("{}: see the codes at `{CATALOGUE_PATH}`.", reason.unwrap_or("Error")))
        .content(CONTENT, ContentBuilder::new().schema(Some(schema)).build())
        .build()
}

/// Adds what is the same for every service: the problem schema, and to each operation the failures that
/// follow from what it takes. A parameter may not fit, nor may a body, and any service can fail.
pub(crate) fn complete(mut api: openapi::OpenApi) -> openapi::OpenApi {
    api.merge(Common::openapi());
    for operation in api.paths.paths.values_mut().flat_map(operations) {
        let takes_parameters = operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty());
        let takes_a_body = operation.request_body.is_some();
        fails_with(operation, &[500]);
        if takes_parameters || takes_a_body {
            fails_with(operation, &[400]);
        }
        if takes_a_body {
            fails_with(operation, &[408, 413, 415, 422]);
        }
    }
    close_bodies(&mut api);
    api
}

/// Says that the bodies of requests have no members but those that are known. What is part of a response,
/// too, stays open: a client must bear a member that a later version adds.
fn close_bodies(api: &mut openapi::OpenApi) {
    let Some(mut components) = api.components.take() else { return };
    let (mut taken, mut given) = (BTreeSet::new(), BTreeSet::new());
    for operation in api.paths.paths.values_mut().flat_map(operations) {
        let bodies = operation.request_body.iter_mut().filter_map(written_out_mut);
        let contents = bodies.flat_map(|body| body.content.values_mut()).filter_map(written_out_mut);
        for schema in contents.filter_map(|content| content.schema.as_mut()) {
            close(schema);
            named(schema, &components.schemas, &mut taken);
        }
        let responses = operation.responses.responses.values().filter_map(written_out);
        let contents = responses.flat_map(|response| response.content.values()).filter_map(written_out);
        for schema in contents.filter_map(|content| content.schema.as_ref()) {
            named(schema, &components.schemas, &mut given);
        }
    }
    for name in taken.difference(&given) {
        if let Some(schema) = components.schemas.get_mut(name) {
            close(schema);
        }
    }
    api.components = Some(components);
}

fn written_out<T>(part: &RefOr<T>) -> Option<&T> {
    match part {
        RefOr::T(part) => Some(part),
        RefOr::Ref(_) => None,
    }
}

fn written_out_mut<T>(part: &mut RefOr<T>) -> Option<&mut T> {
    match part {
        RefOr::T(part) => Some(part),
        RefOr::Ref(_) => None,
    }
}

/// Refuses further members in every object that is written out in this schema and names its members.
fn close(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            object.properties.values_mut().for_each(close);
            match object.additional_properties.as_deref_mut() {
                Some(AdditionalProperties::RefOr(schema)) => close(schema),
                Some(AdditionalProperties::FreeForm(_)) => {}
                None if object.properties.is_empty() => {}
                None => object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false))),
            }
        }
        RefOr::T(Schema::Array(array)) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                close(items);
            }
        }
        RefOr::T(Schema::OneOf(one)) => one.items.iter_mut().for_each(close),
        RefOr::T(Schema::AnyOf(any)) => any.items.iter_mut().for_each(close),
        // A part of a whole doesn't know the members of the other parts.
        RefOr::T(_) | RefOr::Ref(_) => {}
    }
}

/// Adds the names of the schemas that this one refers to, and so on.
fn named(schema: &RefOr<Schema>, all: &BTreeMap<String, RefOr<Schema>>, found: &mut BTreeSet<String>) {
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
        named(part, all, found);
    }
}

/// Adds that the operations of a document fail when their time is up.
pub(crate) fn timed(api: &mut openapi::OpenApi) {
    for operation in api.paths.paths.values_mut().flat_map(operations) {
        fails_with(operation, &[503]);
    }
}

fn fails_with(operation: &mut Operation, statuses: &[u16]) {
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

/// The statuses that a document knows for a request; none where it knows no such operation. Tests hold what
/// is answered to it.
#[must_use]
pub fn statuses(api: &openapi::OpenApi, method: &Method, path: &str) -> Option<BTreeSet<u16>> {
    let path = path.split('?').next().unwrap_or_default();
    let same = |template: &str| {
        let (template, path) = (template.split('/'), path.split('/'));
        template.clone().count() == path.clone().count()
            && template.zip(path).all(|(known, asked)| known == asked || known.starts_with('{'))
    };
    // Of two that fit, the one with fewer parameters is the one that is routed to.
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

/// The pages under `/api/docs`.
pub(crate) fn pages(api: openapi::OpenApi, service: &str, codes: &[CodeInfo]) -> Router {
    let catalogue = Html(catalogue(service, codes));
    Router::from(SwaggerUi::new(UI_PATH).url(DOCUMENT_PATH, api))
        .route("/", get(|| std::future::ready(Redirect::temporary(UI_PATH))))
        .route(CATALOGUE_PATH, get(move || std::future::ready(catalogue.clone())))
}

/// The codes, each once: two contexts may mean the same by one.
fn once_each(codes: &[CodeInfo]) -> impl Iterator<Item = &CodeInfo> {
    let is_first = |(index, info): &(usize, &CodeInfo)| {
        codes.iter().take(*index).all(|earlier| earlier.code != info.code)
    };
    codes.iter().enumerate().filter(is_first).map(|(_, info)| info)
}

/// All that a code can mean.
fn titles(codes: &[CodeInfo], code: &str) -> String {
    let titles: Vec<_> = codes.iter().filter(|info| info.code == code).map(|info| info.title).collect();
    titles.join("; ")
}

fn catalogue(service: &str, codes: &[CodeInfo]) -> String {
    let mut rows = String::new();
    for CodeInfo { code, status, retryable, .. } in once_each(codes) {
        let title = titles(codes, code);
        let retry = if *retryable { "yes" } else { "no" };
        // Writing to a string can't fail.
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
    fn a_code_of_two_contexts_has_one_entry_with_both_meanings() {
        let info = |title| CodeInfo { code: "already", status: 409, title, retryable: false };
        let page = catalogue("service", &[info("The one is"), info("The other is")]);
        assert_eq!(page.matches("id=\"already\"").count(), 1);
        assert!(page.contains("The one is; The other is"));
    }
}
