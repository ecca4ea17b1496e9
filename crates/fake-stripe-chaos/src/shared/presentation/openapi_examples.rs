//! What chaos can answer, in the OpenAPI document: an example for each scenario of each operation.

use std::fmt::Write as _;

use service_kit::{
    openapi::Fails,
    problem::{CONTENT, Problem, ProblemBody},
};
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{
        ContentBuilder, Ref, RefOr, Response as Documented, ResponseBuilder, example::ExampleBuilder,
        path::Operation as Endpoint,
    },
};
use utoipa_axum::router::OpenApiRouter;

use super::{problems, respond::Present};
use crate::shared::{
    chaos::{Catalogue, Effect, Response, Scenario},
    operation::Operation,
};

const CORRELATION: &str = "0197a5c0-f3d2-7e0f-8b1c-2d3e4f506172";

/// Adds the scenarios of a context's operations to the document of its routes.
#[must_use]
pub fn with_scenario_examples<R: Present>(
    mut router: OpenApiRouter,
    context: &str,
    catalogue: &Catalogue,
) -> OpenApiRouter {
    let operations = catalogue.operations().map(|entry| entry.operation);
    for operation in operations.filter(|operation| operation.context() == context) {
        let path = path(operation);
        let paths = &mut router.get_openapi_mut().paths.paths;
        if let Some(endpoint) = paths.get_mut(&path).and_then(|item| item.post.as_mut()) {
            for scenario in catalogue.scenarios(operation) {
                add::<R>(endpoint, &path, scenario);
            }
            // Any key can be in use, used for something else or buried.
            for (status, response) in Fails::<409>::responses() {
                endpoint.responses.responses.entry(status).or_insert(response);
            }
        }
    }
    router
}

fn path(operation: Operation) -> String {
    format!("/{}/{}", operation.context(), operation.action())
}

fn add<R: Present>(endpoint: &mut Endpoint, path: &str, scenario: Scenario) {
    let Some(problem) = answer::<R>(scenario) else {
        if let Some(fault) = scenario.wire_fault() {
            let text = endpoint.description.get_or_insert_default();
            let effect = told(scenario.effect);
            // Writing to a string can't fail.
            let _ = write!(text, "\n\n`{}`: {} ({effect}).", scenario.name, fault.meaning());
        }
        return;
    };
    let status = problem.status();
    let body = problem.body(path, CORRELATION);
    let responses = &mut endpoint.responses.responses;
    let response = responses
        .entry(status.as_str().to_owned())
        .or_insert_with(|| RefOr::T(ResponseBuilder::new().description(body.title.clone()).build()));
    let RefOr::T(Documented { content, .. }) = response else { return };
    let content = content.entry(CONTENT.to_owned()).or_insert_with(|| {
        let schema = RefOr::Ref(Ref::from_schema_name(ProblemBody::name()));
        RefOr::T(ContentBuilder::new().schema(Some(schema)).build())
    });
    let RefOr::T(content) = content else { return };
    let example =
        ExampleBuilder::new().summary(told(scenario.effect)).value(serde_json::to_value(&body).ok()).build();
    content.examples.insert(scenario.name.to_owned(), RefOr::T(example));
}

const fn told(effect: Effect) -> &'static str {
    match effect {
        Effect::Apply => "the operation is executed",
        Effect::Skip => "nothing is executed",
    }
}

/// What a scenario answers where that isn't the operation's own answer, or none.
fn answer<R: Present>(scenario: Scenario) -> Option<Problem> {
    match scenario.response {
        Response::Real | Response::WireFault(_) => None,
        Response::Refusal => R::refusal(scenario).map(|error| R::problem(&error)),
        Response::Failure | Response::Timeout | Response::RateLimited => {
            Some(problems::scenario_problem(scenario))
        }
    }
}
