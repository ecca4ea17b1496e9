//! Checks the rules of `docs/architecture.md` that neither cargo-deny nor clippy can hold.
//!
//! Rules 5, 7 and 8 don't apply to code under `#[cfg(test)]`, since tests set up data, read statuses and wait. Rule 6
//! applies to tests too, since they move with their context.

mod rules;
mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use rules::{CONTEXTS, FLAT, LAYERS};
use source::File;

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn names() -> Vec<String> {
    let folders = fs::read_dir(crates()).unwrap().map(|entry| entry.unwrap().path());
    let manifests = folders.filter(|folder| folder.join("Cargo.toml").exists());
    manifests.map(|folder| folder.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

fn toml(path: &Path) -> toml::Table {
    fs::read_to_string(path).unwrap().parse().unwrap()
}

/// Returns the package names of a crate's dependencies, including renamed ones.
fn dependencies(name: &str) -> BTreeSet<String> {
    let manifest = toml(&crates().join(name).join("Cargo.toml"));
    let dependencies = manifest["dependencies"].as_table().unwrap().iter();
    let package = |value: &toml::Value| Some(value.get("package")?.as_str()?.to_owned());
    dependencies.map(|(name, value)| package(value).unwrap_or_else(|| name.clone())).collect()
}

/// Returns the source files of all crates except `e2e` and `xtask`.
fn files() -> Vec<File> {
    let inside = names().into_iter().filter(|name| !["e2e", "xtask"].contains(&name.as_str()));
    inside.flat_map(|name| source::read(&crates(), &name)).collect()
}

#[track_caller]
fn assert_kept(rule: impl Fn(&File) -> Vec<String>) {
    let violations: Vec<_> = files().iter().flat_map(rule).collect();
    assert!(violations.is_empty(), "{} violations:\n  {}", violations.len(), violations.join("\n  "));
}

/// cargo-deny only checks the crates that it lists.
#[test]
fn rules_1_and_4_deny_toml_lists_the_users_of_every_crate_of_ours() {
    let deny = toml(&crates().parent().unwrap().join("deny.toml"));
    let listed: Vec<_> =
        deny["bans"]["deny"].as_array().unwrap().iter().map(|entry| &entry["crate"]).collect();
    for folder in names().iter().filter(|name| *name != "e2e") {
        // Two packages have another name than their folder and their library.
        let name = toml(&crates().join(folder).join("Cargo.toml"))["package"]["name"].clone();
        assert!(listed.contains(&&name), "deny.toml has no entry for {name}");
    }
}

/// A workflow must be deterministic, since it is replayed from its history. The SDK's `-wasm` and `-workflow` crates
/// are made for that. `futures` gives only combinators here, `strum` only derives.
/// `jiff` without `std` and `chrono` without `clock` read no time, and `croner` calculates with given times.
#[test]
fn rule_2_workflows_depends_on_no_crate_with_side_effects() {
    let known = [
        "chrono",
        "croner",
        "futures",
        "jiff",
        "serde",
        "serde_json",
        "strum",
        "temporalio-common-wasm",
        "temporalio-macros",
        "temporalio-protos",
        "temporalio-workflow",
        "thiserror",
    ];
    let unknown: Vec<_> =
        dependencies("workflows").into_iter().filter(|name| !known.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "workflows depends on {unknown:?}");
}

#[test]
fn rule_5_layers_depend_inwards_and_domains_are_pure() {
    let crates: BTreeSet<_> =
        dependencies(rules::PROVIDER).iter().map(|name| name.replace('-', "_")).collect();
    assert_kept(|file| rules::layers(file, &crates));
}

#[test]
fn rule_6_no_context_imports_another_and_shared_imports_none() {
    assert_kept(rules::siblings);
}

#[test]
fn rule_7_statuses_are_only_in_presentation() {
    assert_kept(rules::statuses);
}

#[test]
fn rule_8_the_provider_measures_no_time_outside_chaos() {
    assert_kept(rules::time);
}

#[test]
fn every_crate_inherits_the_workspaces_lints() {
    for name in names() {
        let manifest = toml(&crates().join(&name).join("Cargo.toml"));
        let inherited = toml::Value::Table("workspace = true".parse().unwrap());
        assert_eq!(manifest.get("lints"), Some(&inherited), "{name} has no `[lints] workspace = true`");
    }
}

/// Rule 5 would not apply to a folder that is in none of the lists.
#[test]
fn every_folder_of_the_provider_has_layers_or_is_flat() {
    let known: Vec<_> = CONTEXTS.iter().chain(&FLAT).chain(&["shared"]).copied().collect();
    let files = source::read(&crates(), rules::PROVIDER);
    let folders: BTreeSet<_> = files.iter().filter_map(|file| Some(file.place.split_once('/')?.0)).collect();
    assert_eq!(folders, known.into_iter().collect());
}

/// Ensures that rules 5 and 6 have files to check.
#[test]
fn the_four_contexts_have_the_four_layers() {
    let files = source::read(&crates(), rules::PROVIDER);
    for folder in CONTEXTS.iter().flat_map(|context| LAYERS.map(|layer| format!("{context}/{layer}/"))) {
        assert!(files.iter().any(|file| file.place.starts_with(&folder)), "there is no {folder}");
    }
}

/// Stacks of the same name share a task queue and the ids of their orders on the tests' Temporal server.
#[test]
fn every_stack_of_the_tests_has_a_name_of_its_own() {
    const STARTERS: [&str; 6] =
        ["start(", "start_with(", "start_stack(", "start_slow_stack(", "explored(", "contradictions("];
    let mut names = BTreeMap::<String, Vec<String>>::new();
    let tests = crates().join("e2e/tests");
    for file in source::files_in(&tests) {
        let text = fs::read_to_string(&file).unwrap();
        let place = file.strip_prefix(&tests).unwrap().display().to_string();
        if place.starts_with("architecture") {
            continue;
        }
        for starter in STARTERS {
            for after in text.split(starter).skip(1) {
                let argument = after.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
                let Some(name) = argument else { continue };
                names.entry(name.to_owned()).or_default().push(place.clone());
            }
        }
    }
    assert!(names.len() > 50, "the tests start their stacks in another way: {names:?}");
    names.retain(|_, places| places.len() > 1);
    assert!(names.is_empty(), "stacks share names: {names:?}");
}
