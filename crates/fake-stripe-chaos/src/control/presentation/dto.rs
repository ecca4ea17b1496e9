//! The bodies of control.

use std::collections::BTreeMap;

use serde::Serialize;
use service_kit::{
    json::{Faults, FromJson, Node},
    problem::{Fault, Problem},
};
use utoipa::ToSchema;

use crate::shared::{
    chaos::{Catalogue, Scenario, scenario},
    ids::OrderId,
    operation::Operation,
};

/// More would be no plan but a profile.
const LONGEST_SCRIPT: usize = 100;

/// Operation → scenarios, one for each attempt from now on. An empty object takes the plan back.
#[derive(Debug, ToSchema)]
#[schema(
    value_type = std::collections::BTreeMap<String, Vec<String>>,
    example = json!({"payment.capture": ["timeout_after_commit", "success"]})
)]
pub struct PlanRequest(Vec<Script>);

/// The scenarios of one operation as they were written, and where.
#[derive(Debug)]
struct Script {
    pointer: String,
    operation: String,
    scenarios: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    pointer: String,
    name: String,
}

impl FromJson for Step {
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
                Some(Script {
                    pointer: node.pointer().to_owned(),
                    operation: name.to_owned(),
                    scenarios: node.list(1..=LONGEST_SCRIPT, faults)?,
                })
            });
            scripts.push(script);
        }
        scripts.into_iter().collect::<Option<_>>().map(Self)
    }
}

impl PlanRequest {
    /// # Errors
    /// 422 with every operation and scenario that isn't known, and the valid ones.
    pub fn scripts(self, catalogue: &Catalogue) -> Result<BTreeMap<Operation, Vec<Scenario>>, Problem> {
        let (mut scripts, mut faults) = (BTreeMap::new(), Vec::new());
        for script in self.0 {
            let Some(operation) = catalogue.operation(&script.operation) else {
                let valid: Vec<_> = catalogue.operations().map(|entry| entry.operation.name()).collect();
                let message = format!("is not an operation; there are {}", valid.join(", "));
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
    pub fn new(order: &OrderId, scripts: &BTreeMap<Operation, Vec<Scenario>>) -> Self {
        let names = |scenarios: &Vec<Scenario>| scenarios.iter().map(|scenario| scenario.name).collect();
        let plan = scripts.iter().map(|(operation, scenarios)| (operation.name(), names(scenarios)));
        Self { success: true, order_id: order.to_string(), plan: plan.collect() }
    }
}

/// What each operation can be made to meet, whatever the profile in force draws.
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
    /// What happens to the ledger: `apply` or `skip`.
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
