//! The architecture's rules, held against the tree. A failure names the rule, the place and the reason.
//!
//! Rules 5, 7 and 8 speak of what the product is built from: code under `#[cfg(test)]` is exempt, since a
//! test sets up, looks at statuses and waits. Rules 1 to 4 leave dev-dependencies alone, for only tests
//! may link two services. Rule 6 has no exemption.

mod manifests;
mod rules;
mod source;

use std::collections::BTreeSet;

use manifests::Package;
use rules::{Breach, LICENCES, Layer, PROVIDER, Standing, standing};
use source::File;

/// The tools that start the services and look at them from outside speak HTTP and wait for processes.
const OUTSIDE: &[&str] = &["e2e", "xtask"];

fn files(package: &Package) -> Vec<File> {
    source::read(&package.src(), &package.library(), &package.externs)
}

fn provider() -> Vec<File> {
    files(manifests::packages().iter().find(|package| package.name == PROVIDER).unwrap())
}

/// The product's crates and their files.
fn product() -> Vec<(String, Vec<File>)> {
    let mut packages = manifests::packages();
    packages.retain(|package| !OUTSIDE.contains(&package.name.as_str()));
    packages.into_iter().map(|package| (package.name.clone(), files(&package))).collect()
}

fn across_the_product(rule: impl Fn(&str, &File) -> Vec<Breach>) -> Vec<Breach> {
    let product = product();
    let of_crate = |(krate, files): &(String, Vec<File>)| {
        files.iter().flat_map(|file| rule(krate, file)).collect::<Vec<_>>()
    };
    product.iter().flat_map(of_crate).collect()
}

#[track_caller]
fn assert_kept(breaches: &[Breach]) {
    assert!(breaches.is_empty(), "{}", rules::report(breaches));
}

#[test]
fn rule_1_the_service_kit_stands_on_no_crate_of_ours() {
    assert_kept(&manifests::service_kit_on_ours(&manifests::packages()));
}

#[test]
fn rule_2_the_workflows_can_reach_nothing_outside() {
    assert_kept(&manifests::workflows_on_the_world(&manifests::packages()));
}

#[test]
fn rule_3_the_sdk_is_the_workers_and_the_client_is_for_who_talks_to_the_server() {
    assert_kept(&manifests::sdk_elsewhere(&manifests::packages()));
}

#[test]
fn rule_4_no_service_depends_on_another() {
    assert_kept(&manifests::services_on_services(&manifests::packages()));
}

#[test]
fn rule_5_layers_point_inwards_and_domains_are_pure() {
    assert_kept(&provider().iter().flat_map(rules::layers).collect::<Vec<_>>());
}

#[test]
fn rule_6_no_context_knows_another_and_shared_knows_none() {
    assert_kept(&provider().iter().flat_map(rules::strangers).collect::<Vec<_>>());
}

#[test]
fn rule_7_statuses_live_only_where_http_is_spoken() {
    assert_kept(&across_the_product(rules::statuses));
}

#[test]
fn rule_8_chance_and_sleeping_are_chaos_alone() {
    assert_kept(&across_the_product(rules::chance_and_waiting));
}

#[test]
fn the_environment_is_read_in_one_place() {
    assert_kept(&across_the_product(rules::environment));
}

#[test]
fn every_licence_to_wait_or_to_draw_is_needed() {
    let product = product();
    let is_used = |licence: &&rules::Licence| {
        product.iter().any(|(krate, files)| files.iter().any(|file| licence.is_used(krate, file)))
    };
    let idle: Vec<_> = LICENCES.iter().filter(|licence| !is_used(licence)).collect();
    assert!(idle.is_empty(), "nothing needs these any more; remove them from LICENCES: {idle:#?}");
}

#[test]
fn every_crate_takes_the_workspaces_lints() {
    assert_kept(&manifests::without_lints(&manifests::packages()));
}

/// Else rules 5 and 6 could be kept by looking at nothing.
#[test]
fn the_four_contexts_have_the_four_layers() {
    let files = provider();
    for context in ["payment", "inventory", "shipping", "notification"] {
        for layer in ["domain", "application", "infrastructure", "presentation"] {
            let expected = Standing::Context(context, Layer::named(layer));
            assert!(files.iter().any(|file| standing(file) == expected), "there is no {context}/{layer}");
        }
    }
}

#[test]
fn the_services_are_those_we_know() {
    let packages = manifests::packages();
    let services: BTreeSet<_> =
        packages.iter().filter(|package| package.is_service).map(|p| p.name.as_str()).collect();
    let known = ["fake-stripe-chaos", "founder", "temporal-api", "temporal-worker"].into();
    assert!(services.is_subset(&known), "{services:?}");
    assert!(services.len() >= 3, "{services:?}");
}
