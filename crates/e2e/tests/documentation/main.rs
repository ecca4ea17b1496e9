//! Compares documents with the code: `docs/configuration.md`, `.env.example`, `docs/errors.md`, `docs/docker.md`, the
//! compose files, and each service's catalogue of codes. A failure shows the expected text.

mod codes;
mod compose;
mod tables;
mod variables;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use codes::{CodeList, code_lists};
use fake_stripe_chaos::app;
use serde_json::json;
use service_kit::process::Configuration;
use tables::assert_tables;
use workflows::{
    activities::refusal::Refusal, order_fulfillment::state::FailureCode, payment::state::PaymentFailure,
    user_context::state::UserContextFailure,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn document(name: &str) -> String {
    // A missing document counts as empty, so that the failure shows its expected text.
    fs::read_to_string(root().join(name)).unwrap_or_default()
}

#[test]
fn the_documented_variables_are_those_of_the_services() {
    let services = variables::services();
    let expected = services
        .iter()
        .map(|service| (service.name.to_owned(), variables::table(service)))
        .collect::<Vec<_>>();
    assert_tables("docs/configuration.md", &document("docs/configuration.md"), variables::HEADER, &expected);
}

#[test]
fn the_example_of_an_environment_has_every_variable_with_its_default() {
    let (text, expected) = (document(".env.example"), variables::example(&variables::services()));
    assert!(text.ends_with(&expected), ".env.example has to end with:\n\n{expected}");
    let before = text.trim_end_matches(&expected);
    assert!(
        before.lines().all(|line| ["", "#"].contains(&line) || line.starts_with("# ")),
        "before the variables: {before}"
    );
}

#[test]
fn the_local_stack_and_the_services_have_the_same_source_urls() {
    use xtask::sources::{CAT_FACT, LOCATION, OFFLINE, WEATHER, WEATHER_BY_KEY};
    let default = |name: &str| {
        let variable = user_context::VARIABLES.iter().find(|variable| variable.name == name);
        variable.unwrap_or_else(|| panic!("no service reads {name}")).default
    };
    for source in [LOCATION, WEATHER, WEATHER_BY_KEY, CAT_FACT] {
        assert_eq!(default(source.variable), Some(source.default), "{}", source.variable);
    }
    assert_eq!(default(OFFLINE), Some("false"));
}

#[test]
fn every_variable_that_is_read_is_declared_and_every_declared_one_is_read() {
    for service in variables::services() {
        let declared: BTreeSet<_> =
            service.variables.iter().map(|variable| variable.name.to_owned()).collect();
        assert_eq!(service.read, declared, "{}: what it reads, what it declares", service.name);
        assert_eq!(declared.len(), service.variables.len(), "{} declares one twice", service.name);
    }
}

fn containers() -> Vec<compose::Container> {
    compose::FILES.iter().flat_map(|file| compose::containers(file, &document(file))).collect()
}

#[test]
fn every_service_has_a_container_in_both_stacks_and_is_built_from_the_stage_of_its_name() {
    let services: BTreeSet<_> = variables::services().iter().map(|service| service.name.to_owned()).collect();
    for file in compose::FILES {
        let of_file = compose::containers(file, &document(file));
        let names: BTreeSet<_> = of_file.iter().map(|container| container.name.clone()).collect();
        assert!(names.is_superset(&services), "{file} has {names:?}, and the services are {services:?}");
    }
    let built: Vec<_> =
        containers().iter().filter_map(|it| Some((it.name.clone(), it.target()?.to_owned()))).collect();
    assert_eq!(built, built.iter().map(|(name, _)| (name.clone(), name.clone())).collect::<Vec<_>>());
    assert_eq!(built.into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>(), services);
}

#[test]
fn a_container_sets_only_variables_that_its_binary_reads() {
    let stages = compose::stages(&document("Dockerfile"));
    for service in variables::services() {
        let known: BTreeSet<_> = service.variables.iter().map(|variable| variable.name).collect();
        let of_image = &stages[service.name].environment;
        for container in containers().iter().filter(|container| container.name == service.name) {
            let environment: Vec<_> = of_image.clone().into_iter().chain(container.environment()).collect();
            let unknown: Vec<_> =
                environment.iter().filter(|(name, _)| !known.contains(name.as_str())).collect();
            assert_eq!(unknown, Vec::<&(String, String)>::new(), "{}: unknown variables", container.at());
            // The compose file overrides the image.
            let lookup = |name: &str| {
                environment.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.clone())
            };
            assert_eq!((service.configure)(&lookup), Ok(()), "{}", container.at());
        }
    }
}

#[test]
fn every_port_is_published_on_loopback_and_can_be_changed() {
    for container in containers() {
        for port in container.ports() {
            assert!(
                compose::published(port).is_some(),
                "{} has {port}; write ${{BIND_ADDR:-127.0.0.1}}:${{…_PORT:-N}}:N",
                container.at()
            );
        }
    }
}

#[test]
fn the_published_port_of_a_service_is_the_port_that_it_listens_on() {
    for container in containers().iter().filter(|container| container.target().is_some()) {
        let environment = container.environment();
        let listens: Vec<_> =
            ["LISTEN_ADDR", "METRICS_ADDR"].iter().filter_map(|name| environment.get(*name)).collect();
        let ports: Vec<_> = container.ports().into_iter().filter_map(compose::published).collect();
        let inside: Vec<_> = ports.iter().map(|port| format!("0.0.0.0:{port}")).collect();
        assert_eq!(listens, inside.iter().collect::<Vec<_>>(), "{}", container.at());
    }
}

#[test]
fn every_long_running_container_has_a_health_check() {
    let stages = compose::stages(&document("Dockerfile"));
    for container in containers().iter().filter(|container| !container.is_extended()) {
        match container.target() {
            Some(target) => {
                let live = format!("[\"{target}\", \"healthcheck\", \"--live\"]");
                assert_eq!(stages[target].health_check, Some(live), "the stage {target}");
                let ready = json!(["CMD", target, "healthcheck"]);
                assert_eq!(container.health_check(), Some(&ready), "{}", container.at());
                assert!(container.is_long_running(), "{} needs a restart policy", container.at());
            }
            None => assert_eq!(
                container.health_check().is_some(),
                container.is_long_running(),
                "{}",
                container.at()
            ),
        }
    }
}

#[test]
fn the_documented_variables_of_the_compose_files_are_complete() {
    let read: BTreeSet<_> =
        compose::FILES.iter().flat_map(|file| compose::variables(file, &document(file))).collect();
    let text = document("docs/docker.md");
    let found = tables::tables(&text, compose::HEADER);
    let rows = found.iter().flat_map(|(_, table)| table.lines().skip(2));
    let documented: BTreeSet<_> = rows
        .map(|row| {
            row.trim_matches('|').split('|').map(|column| column.trim().replace('`', "")).collect::<Vec<_>>()
        })
        .inspect(|row| assert!(!row[2].is_empty(), "docs/docker.md: {} has no meaning", row[0]))
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert_eq!(documented, read, "docs/docker.md, the compose files");
}

#[test]
fn the_documented_error_codes_are_those_that_the_services_declare() {
    let lists = code_lists(&root());
    let expected = lists.iter().map(|list| (list.heading(), list.table())).collect::<Vec<_>>();
    assert_tables("docs/errors.md", &document("docs/errors.md"), codes::HEADER, &expected);
}

/// Compares the columns of codes and outcomes. The last column is free text.
fn assert_failures(of: &str, codes: &[(&str, bool)]) {
    let header = format!("| {of} | outcome of the business | when |");
    let text = document("docs/errors.md");
    let found = tables::tables(&text, &header);
    let [(_, table)] = found.as_slice() else { panic!("docs/errors.md has to have one table {header}") };
    let documented: Vec<_> = table
        .lines()
        .skip(2)
        .map(|row| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>())
        .collect();
    let expected: Vec<_> =
        codes.iter().map(|(code, is_benign)| (format!("`{code}`"), yes(*is_benign))).collect();
    let listed: Vec<_> = documented.iter().map(|row| (row[0].to_owned(), row[1])).collect();
    assert_eq!(listed, expected);
    assert!(documented.iter().all(|row| !row[2].is_empty()), "{header}: each needs its `when`");
}

#[test]
fn the_documented_failures_are_those_of_the_workflows() {
    assert_failures(
        "code",
        &FailureCode::ALL.iter().map(|code| (code.name(), code.is_benign())).collect::<Vec<_>>(),
    );
    assert_failures(
        "a payment's code",
        &PaymentFailure::ALL.iter().map(|code| (code.name(), code.is_benign())).collect::<Vec<_>>(),
    );
    assert_failures(
        "a user context's code",
        &UserContextFailure::ALL.iter().map(|code| (code.name(), code.is_benign())).collect::<Vec<_>>(),
    );
}

/// Returns every code of the provider, with the refusal that it means as the last answer to a step.
fn ends() -> Vec<(CodeList, Vec<(String, Refusal)>)> {
    let of_provider = |list: &CodeList| list.krate == app::NAME || list.krate == "service-kit";
    let end = |row: &codes::Row| (row.code.clone(), Refusal::from_failure(Some(&row.code), row.retryable));
    code_lists(&root())
        .into_iter()
        .filter(of_provider)
        .map(|list| {
            let ends = list.rows.iter().map(end).collect();
            (list, ends)
        })
        .collect()
}

#[test]
fn the_documented_ends_of_an_order_by_a_step_are_those_of_the_workflow() {
    const HEADER: &str = "| the provider's last answer to a step | nothing to undo | the order ends with |";
    let distinguished: BTreeSet<_> = ends()
        .into_iter()
        .flat_map(|(_, ends)| ends)
        .filter(|(_, refusal)| !matches!(refusal, Refusal::NoAnswer | Refusal::Unexpected))
        .map(|(code, refusal)| row(&format!("`{code}`"), refusal))
        .collect();
    let others = [
        ("`already_…` about something that isn't this order's", Refusal::LedgerMismatch),
        ("any other that is retryable, or none", Refusal::NoAnswer),
        ("any other", Refusal::Unexpected),
    ];
    let rows: Vec<_> =
        distinguished.into_iter().chain(others.map(|(answer, refusal)| row(answer, refusal))).collect();
    let table = tables::table(HEADER, &rows);
    assert_tables(
        "docs/errors.md",
        &document("docs/errors.md"),
        HEADER,
        &[("How an answer of the provider ends an order".to_owned(), table)],
    );
}

fn row(answer: &str, refusal: Refusal) -> String {
    format!("| {answer} | {} | `{}` |", yes(refusal.is_definitive()), FailureCode::from(refusal).name())
}

/// Compares the codes of two crates that don't depend on each other.
#[test]
fn the_provider_can_give_every_refusal_that_the_workflow_distinguishes() {
    let given: Vec<_> = ends().into_iter().flat_map(|(_, ends)| ends).map(|(_, refusal)| refusal).collect();
    for refusal in [
        Refusal::InsufficientFunds,
        Refusal::OutOfStock,
        Refusal::AddressError,
        Refusal::AuthorizationExpired,
    ] {
        assert!(
            given.contains(&refusal),
            "no code of the provider is read as {refusal:?}, so no order ever ends with {}",
            FailureCode::from(refusal).name()
        );
    }
}

fn yes(answer: bool) -> &'static str {
    if answer { "yes" } else { "no" }
}

/// A problem's `type` is a link to this page.
#[tokio::test]
async fn the_provider_serves_every_code_that_it_declares() {
    let config = configured::<fake_stripe_chaos::config::Config>(&[("LISTEN_ADDR", "127.0.0.1:0")]);
    let listener = service_kit::serve::bind(config.listen).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (router, _) = app::build(&config, app::Ports::from_config(&config).await.unwrap());
    let serving =
        tokio::spawn(service_kit::serve::run(listener, router, std::future::pending(), Duration::ZERO));
    assert_eq!(served(&address.to_string()).await, declared(app::NAME));
    serving.abort();
}

#[tokio::test]
async fn the_api_serves_every_code_that_it_declares() {
    let [port] = xtask::ports::free_ports().unwrap();
    let address = format!("127.0.0.1:{port}");
    // The catalogue doesn't wait for Temporal, so no server is needed.
    let config = configured(&[("LISTEN_ADDR", &address), ("TEMPORAL_ADDRESS", "127.0.0.1:1")]);
    let serving = tokio::spawn(temporal_api::run(config));
    assert_eq!(served(&address).await, declared("temporal-api"));
    serving.abort();
}

#[tokio::test]
async fn founder_serves_every_code_that_it_declares() {
    let [port] = xtask::ports::free_ports().unwrap();
    let address = format!("127.0.0.1:{port}");
    let config = configured(&[("LISTEN_ADDR", &address), ("FOUNDER_OFFLINE", "true")]);
    let serving = tokio::spawn(founder::run(config));
    assert_eq!(served(&address).await, declared("founder"));
    serving.abort();
}

#[test]
fn no_other_service_declares_codes() {
    let declaring: BTreeSet<_> = code_lists(&root()).into_iter().map(|list| list.krate).collect();
    assert_eq!(
        declaring,
        ["console", "fake-stripe-chaos", "founder", "service-kit", "temporal-api"].map(str::to_owned).into()
    );
}

fn configured<C: Configuration>(variables: &[(&str, &str)]) -> C {
    let lookup =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    C::from_lookup(&lookup).unwrap_or_else(|faults| panic!("{faults}"))
}

fn declared(krate: &str) -> BTreeSet<String> {
    let lists = code_lists(&root());
    // The API serves the console.
    let parts = if krate == "temporal-api" { ["service-kit", "console"] } else { ["service-kit"; 2] };
    let of_service = lists.iter().filter(|list| list.krate == krate || parts.contains(&list.krate.as_str()));
    of_service.flat_map(|list| &list.rows).map(|row| row.code.clone()).collect()
}

async fn served(address: &str) -> BTreeSet<String> {
    let http = service_kit::client::build(Duration::from_secs(5)).unwrap();
    let url = format!("http://{address}{}", service_kit::problem::CATALOGUE_PATH);
    let deadline = Instant::now() + Duration::from_secs(20);
    let page = loop {
        match http.get(&url).send().await {
            Ok(answer) => break answer.error_for_status().unwrap().text().await.unwrap(),
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    page.split("<tr id=\"")
        .skip(1)
        .filter_map(|row| row.split_once('"'))
        .map(|(code, _)| code.to_owned())
        .collect()
}
