//! Plans: the scenarios of the next attempts of one order, and the list of the scenarios that exist.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;
use service_kit::{
    json::{Faults, FromJson, Node, ValidJson},
    openapi::Fails,
    problem::{Fault, Problem},
};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::shared::{
    chaos::{Catalogue, PlannedScript, Scenario, scenario},
    deps::Deps,
    ids::OrderId,
    operation::Operation,
    presentation::problems,
    store::StoreError,
};

/// The most attempts that a plan fixes for one operation. A profile is the way to fix more.
const MAX_SCRIPT_LENGTH: usize = 100;

/// The scenarios of an order's next attempts, by operation.
type Scripts = BTreeMap<Operation, Vec<Scenario>>;

pub fn routes(deps: &Arc<Deps>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(put_plan)).routes(routes!(get_scenarios)).with_state(Arc::clone(deps))
}

/// Plan the scenarios of an order's next attempts, for callers that cannot set headers.
#[utoipa::path(
    put, path = "/chaos/plans/{orderId}", tag = "chaos", params(("orderId" = String, Path)),
    request_body = PlanRequest, responses((status = 200, description = "The plan.", body = PlanResponse), Fails<409>)
)]
async fn put_plan(
    State(deps): State<Arc<Deps>>,
    Path(order): Path<String>,
    ValidJson { value, .. }: ValidJson<PlanRequest>,
) -> Result<Json<PlanResponse>, Problem> {
    let order: OrderId = order.parse().map_err(|error| problems::invalid_path("orderId", error))?;
    let scripts = value.scripts(&deps.catalogue)?;
    let response = PlanResponse::new(&order, &scripts);
    replace_plan(&deps, order, scripts).await?;
    Ok(Json(response))
}

/// List every operation and its scenarios, which a header or a plan can choose.
#[utoipa::path(
    get, path = "/chaos/scenarios", tag = "chaos",
    responses((status = 200, description = "The scenarios of each operation.", body = ScenariosResponse))
)]
async fn get_scenarios(State(deps): State<Arc<Deps>>) -> Json<ScenariosResponse> {
    Json(ScenariosResponse::from(&*deps.catalogue))
}

/// Replaces the order's plan. It begins with the next attempt of each operation.
async fn replace_plan(deps: &Deps, order: OrderId, scripts: Scripts) -> Result<(), StoreError> {
    deps.store
        .transact(move |tx| {
            let mut planned = BTreeMap::new();
            for (operation, scenarios) in scripts {
                let after_attempt = tx.attempts(operation, order.as_str())?;
                planned.insert(operation, PlannedScript { after_attempt, scenarios });
            }
            tx.set_plan(&order, planned)
        })
        .await
}

/// Operation → scenarios, one for each attempt from now on. An empty object removes the plan.
#[derive(Debug, ToSchema)]
#[schema(
    value_type = std::collections::BTreeMap<String, Vec<String>>,
    example = json!({"payment.capture": ["timeout_after_commit", "success"]})
)]
pub struct PlanRequest(Vec<ScriptRequest>);

/// The scenarios of one operation as the body has them, with their places.
#[derive(Debug)]
struct ScriptRequest {
    pointer: String,
    operation: String,
    scenarios: Vec<StepRequest>,
}

#[derive(Debug)]
struct StepRequest {
    pointer: String,
    name: String,
}

impl FromJson for StepRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        Some(Self { name: node.string(faults)?, pointer: node.pointer().to_owned() })
    }
}

impl FromJson for PlanRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.map(faults)?;
        let mut scripts = Vec::new();
        for name in object.names() {
            let script = object.required_with(name, faults, |node, faults| {
                Some(ScriptRequest {
                    pointer: node.pointer().to_owned(),
                    operation: name.to_owned(),
                    scenarios: node.list(1..=MAX_SCRIPT_LENGTH, faults)?,
                })
            });
            scripts.push(script);
        }
        scripts.into_iter().collect::<Option<_>>().map(Self)
    }
}

impl PlanRequest {
    /// Returns the scenarios by operation.
    ///
    /// # Errors
    /// 422 with every unknown operation and scenario, and the valid ones.
    fn scripts(self, catalogue: &Catalogue) -> Result<Scripts, Problem> {
        let (mut scripts, mut faults) = (BTreeMap::new(), Vec::new());
        for script in self.0 {
            let Some(operation) = catalogue.operation(&script.operation) else {
                let valid: Vec<_> = catalogue.operations().map(|entry| entry.operation.name()).collect();
                let message = format!("is not an operation; the operations are {}", valid.join(", "));
                faults.push(Fault { pointer: script.pointer, message });
                continue;
            };
            let mut scenarios = Vec::new();
            for step in script.scenarios {
                match scenario(&step.name, operation, catalogue) {
                    Ok(known) => scenarios.push(known),
                    Err(error) => {
                        faults.push(Fault { pointer: step.pointer, message: error.to_string() });
                    }
                }
            }
            scripts.insert(operation, scenarios);
        }
        if faults.is_empty() { Ok(scripts) } else { Err(Problem::invalid(faults)) }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanResponse {
    #[schema(example = true)]
    success: bool,
    order_id: String,
    /// The plan as it is now.
    #[schema(example = json!({"payment.capture": ["timeout_after_commit", "success"]}))]
    plan: BTreeMap<&'static str, Vec<&'static str>>,
}

impl PlanResponse {
    pub fn new(order: &OrderId, scripts: &Scripts) -> Self {
        let names = |scenarios: &Vec<Scenario>| scenarios.iter().map(|scenario| scenario.name).collect();
        let plan = scripts.iter().map(|(operation, scenarios)| (operation.name(), names(scenarios)));
        Self { success: true, order_id: order.to_string(), plan: plan.collect() }
    }
}

/// The scenarios that a caller can choose for each operation. They do not depend on the active profile.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScenariosResponse {
    #[schema(example = true)]
    success: bool,
    /// Operation → its scenarios, `success` first.
    operations: BTreeMap<&'static str, Vec<ScenarioView>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ScenarioView {
    #[schema(example = "timeout_after_commit")]
    name: &'static str,
    /// `apply` if the effect reaches the ledger, `skip` if not.
    #[schema(example = "apply")]
    effect: &'static str,
}

impl From<&Catalogue> for ScenariosResponse {
    fn from(catalogue: &Catalogue) -> Self {
        let view = |scenario: Scenario| ScenarioView { name: scenario.name, effect: scenario.effect.name() };
        let operations = catalogue.operations().map(|entry| {
            let scenarios = catalogue.scenarios(entry.operation);
            (entry.operation.name(), scenarios.into_iter().map(view).collect())
        });
        Self { success: true, operations: operations.collect() }
    }
}
