//! The OpenAPI document and Swagger UI, both served from the binary.

use std::fmt::Write as _;

use axum::{Router, response::Html, routing::get};
use utoipa::{
    OpenApi, ToSchema,
    openapi::{
        self, ContentBuilder, Ref, RefOr, ResponseBuilder,
        path::{Operation, PathItem},
    },
};
use utoipa_swagger_ui::SwaggerUi;

use crate::problem::{CATALOGUE_PATH, CONTENT, CodeInfo, Fault, ProblemBody};

pub const UI_PATH: &str = "/api/docs";
pub const DOCUMENT_PATH: &str = "/api/docs/openapi.json";

#[derive(OpenApi)]
#[openapi(components(schemas(ProblemBody, Fault)))]
struct Common;

/// Adds what is the same for every service: the problem schema, and on each operation the `default`
/// response that says every error has it.
pub(crate) fn complete(mut api: openapi::OpenApi) -> openapi::OpenApi {
    api.merge(Common::openapi());
    let problem = ResponseBuilder::new()
        .description("Any error: see the catalogue of codes at `/api/docs/errors`.")
        .content(
            CONTENT,
            ContentBuilder::new()
                .schema(Some(RefOr::Ref(Ref::from_schema_name(ProblemBody::name()))))
                .build(),
        )
        .build();
    for operation in api.paths.paths.values_mut().flat_map(operations) {
        operation
            .responses
            .responses
            .entry("default".to_owned())
            .or_insert_with(|| RefOr::T(problem.clone()));
    }
    api
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch]
        .into_iter()
        .filter_map(Option::as_mut)
}

/// The pages under `/api/docs`.
pub(crate) fn pages(api: openapi::OpenApi, service: &str, codes: &[CodeInfo]) -> Router {
    let catalogue = Html(catalogue(service, codes));
    Router::from(SwaggerUi::new(UI_PATH).url(DOCUMENT_PATH, api))
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
