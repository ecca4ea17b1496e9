//! What the crates' manifests say, and the rules they can break: which crate may stand on which.

use std::{collections::BTreeSet, env, fs, path::PathBuf, process::Command};

use serde_json::Value;

use crate::rules::{Breach, Rule};

/// A crate of the workspace.
#[derive(Debug)]
pub struct Package {
    pub name: String,
    /// Has a binary, and isn't the tool that runs the others.
    pub is_service: bool,
    /// Packages that the product is built from: normal and build dependencies.
    pub built_from: Vec<String>,
    /// The names under which its source knows other crates, in tests too.
    pub externs: BTreeSet<String>,
    pub folder: PathBuf,
}

impl Package {
    pub fn src(&self) -> PathBuf {
        self.folder.join("src")
    }

    /// The crate's own name as source spells it.
    pub fn library(&self) -> String {
        self.name.replace('-', "_")
    }

    fn breach(&self, rule: Rule, dependency: &str) -> Breach {
        Breach {
            rule,
            place: format!("crates/{}/Cargo.toml", self.name),
            what: format!("depends on `{dependency}`"),
        }
    }
}

/// Every crate of the workspace, as cargo reads the manifests.
pub fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

fn package(manifest: &Value) -> Package {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let name = text(&manifest["name"]);
    let mut targets = manifest["targets"].as_array().unwrap().iter();
    let has_binary = targets.any(|target| target["kind"].as_array().unwrap().contains(&"bin".into()));
    let dependencies = manifest["dependencies"].as_array().unwrap();
    let known_as = |dependency: &Value| {
        let name = dependency["rename"].as_str().or(dependency["name"].as_str());
        name.unwrap().replace('-', "_")
    };
    Package {
        is_service: has_binary && name != "xtask",
        built_from: dependencies
            .iter()
            .filter(|dependency| dependency["kind"] != "dev")
            .map(|dependency| text(&dependency["name"]))
            .collect(),
        externs: dependencies
            .iter()
            .map(known_as)
            .chain(["std", "core", "alloc"].map(str::to_owned))
            .collect(),
        folder: PathBuf::from(text(&manifest["manifest_path"])).parent().unwrap().to_owned(),
        name,
    }
}

/// Rule 1.
pub fn service_kit_on_ours(packages: &[Package]) -> Vec<Breach> {
    let kit = packages.iter().filter(|package| package.name == "service-kit");
    kit.flat_map(|kit| {
        let ours = |name: &&String| packages.iter().any(|package| package.name == **name);
        kit.built_from.iter().filter(ours).map(|name| kit.breach(Rule::KitStandsAlone, name))
    })
    .collect()
}

/// What code may be built from that runs again from its history. The SDK's `-wasm` and `-workflow` crates
/// are its parts for exactly that; `futures` is only combinators here, and `jiff` has no clock without `std`.
const DETERMINISTIC: &[&str] = &[
    "futures",
    "jiff",
    "serde",
    "serde_json",
    "temporalio-common-wasm",
    "temporalio-macros",
    "temporalio-protos",
    "temporalio-workflow",
    "thiserror",
];

/// Rule 2, as far as manifests tell.
pub fn workflows_on_the_world(packages: &[Package]) -> Vec<Breach> {
    let workflows = packages.iter().filter(|package| package.name == "workflows");
    workflows
        .flat_map(|workflows| {
            let others = workflows.built_from.iter().filter(|name| !DETERMINISTIC.contains(&name.as_str()));
            others.map(|name| workflows.breach(Rule::WorkflowsAreDeterministic, name))
        })
        .collect()
}

/// Rule 3: who may stand on the SDK's own crates.
const SDK_USERS: &[(&str, &[&str])] = &[
    ("temporalio-sdk", &["temporal-worker"]),
    ("temporalio-client", &["temporal-api", "temporal-connection", "temporal-worker", "xtask"]),
];

pub fn sdk_elsewhere(packages: &[Package]) -> Vec<Breach> {
    let uses = |package: &Package, dependency: &str| package.built_from.iter().any(|name| name == dependency);
    SDK_USERS
        .iter()
        .flat_map(|(dependency, users)| {
            packages
                .iter()
                .filter(|package| uses(package, dependency) && !users.contains(&package.name.as_str()))
                .map(|package| package.breach(Rule::SdkStaysAtTheEdge, dependency))
        })
        .collect()
}

/// Rule 4. No crate at all may stand on a service, so none can reach one through a third.
pub fn services_on_services(packages: &[Package]) -> Vec<Breach> {
    let is_service = |name: &&String| packages.iter().any(|known| known.is_service && known.name == **name);
    packages
        .iter()
        .flat_map(|package| {
            let services = package.built_from.iter().filter(is_service);
            services.map(|name| package.breach(Rule::ServicesMeetOverTheWire, name))
        })
        .collect()
}

/// Whether a manifest takes the workspace's lints as they are.
pub fn inherits_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    lines.find(|line| !line.is_empty()) == Some("workspace = true")
}

pub fn without_lints(packages: &[Package]) -> Vec<Breach> {
    packages
        .iter()
        .filter(|package| !inherits_lints(&fs::read_to_string(package.folder.join("Cargo.toml")).unwrap()))
        .map(|package| Breach {
            rule: Rule::LintsHoldEverywhere,
            place: format!("crates/{}/Cargo.toml", package.name),
            what: "has no `[lints] workspace = true`".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Dependencies are `name`, or `dev:name`.
    fn workspace(crates: &[(&str, &str, &[&str])]) -> Vec<Package> {
        let dependency = |name: &&str| match name.split_once(':') {
            Some((kind, name)) => json!({ "name": name, "kind": kind, "rename": null }),
            None => json!({ "name": name, "kind": null, "rename": null }),
        };
        let manifest = |(name, kind, dependencies): &(&str, &str, &[&str])| {
            package(&json!({
                "name": name,
                "manifest_path": format!("/crates/{name}/Cargo.toml"),
                "targets": [{ "kind": [kind] }],
                "dependencies": dependencies.iter().map(dependency).collect::<Vec<_>>(),
            }))
        };
        crates.iter().map(manifest).collect()
    }

    fn told(breaches: &[Breach]) -> Vec<String> {
        breaches.iter().map(|breach| format!("{} {}", breach.place, breach.what)).collect()
    }

    #[test]
    fn a_kit_on_a_crate_of_ours_breaks_rule_1() {
        let packages = workspace(&[
            ("service-kit", "lib", &["axum", "workflows", "dev:xtask"]),
            ("workflows", "lib", &[]),
        ]);
        assert_eq!(
            told(&service_kit_on_ours(&packages)),
            ["crates/service-kit/Cargo.toml depends on `workflows`"]
        );
    }

    #[test]
    fn workflows_on_a_runtime_break_rule_2_but_their_tests_may_have_one() {
        let packages = workspace(&[("workflows", "lib", &["serde", "tokio", "dev:temporalio-sdk"])]);
        assert_eq!(
            told(&workflows_on_the_world(&packages)),
            ["crates/workflows/Cargo.toml depends on `tokio`"]
        );
    }

    #[test]
    fn the_sdk_in_the_api_and_the_client_in_the_workflows_break_rule_3() {
        let packages = workspace(&[
            ("temporal-api", "bin", &["temporalio-sdk", "temporalio-client"]),
            ("temporal-worker", "bin", &["temporalio-sdk", "temporalio-client"]),
            ("workflows", "lib", &["temporalio-client", "dev:temporalio-sdk"]),
        ]);
        assert_eq!(
            told(&sdk_elsewhere(&packages)),
            [
                "crates/temporal-api/Cargo.toml depends on `temporalio-sdk`",
                "crates/workflows/Cargo.toml depends on `temporalio-client`"
            ]
        );
    }

    #[test]
    fn a_service_on_a_service_breaks_rule_4_and_a_test_of_two_does_not() {
        let packages = workspace(&[
            ("fake-stripe-chaos", "bin", &["service-kit"]),
            ("temporal-worker", "bin", &["dev:fake-stripe-chaos"]),
            ("temporal-api", "bin", &["fake-stripe-chaos"]),
            ("temporal-connection", "lib", &["temporal-worker"]),
        ]);
        assert_eq!(
            told(&services_on_services(&packages)),
            [
                "crates/temporal-api/Cargo.toml depends on `fake-stripe-chaos`",
                "crates/temporal-connection/Cargo.toml depends on `temporal-worker`"
            ]
        );
    }

    #[test]
    fn lints_are_inherited_whole_or_not_at_all() {
        assert!(inherits_lints("[package]\n\n[lints]\nworkspace = true\n"));
        assert!(!inherits_lints("[lints.clippy]\npedantic = \"allow\"\n"));
        assert!(!inherits_lints("[package]\nworkspace = true\n"));
    }
}
