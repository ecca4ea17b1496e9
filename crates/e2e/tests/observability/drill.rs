//! Observes a stack with a real Prometheus and a real Jaeger: one trace, the data of every panel and rule, an alert that
//! fires and resolves. `.ci/observability` runs it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use reqwest::{Method, Url};
use serde_json::{Value, json};
use xtask::{
    observers::Observers,
    services::{API, FOUNDER, JAEGER, PROMETHEUS, PROVIDER, State, WORKER},
    workspace::Workspace,
};

use crate::{
    support::{POLL_INTERVAL, TIMEOUT, TestStack},
    traces::call,
};

const TRACE: &str = "4bf92f3577134da6a3ce929d0e0e47d1";
/// The processes that one order crosses. The last one is Temporal's server, which has several services.
const PROCESSES: [&str; 5] =
    ["fake-stripe-chaos", "founder", "temporal-api", "temporal-worker", "io.temporal.frontend"];
const ALERT: &str = "OrderCompensationFailed";

/// Panels of failures that no healthy worker has. An empty panel is their good state.
const EMPTY_WITHOUT_FAULTS: [&str; 1] = ["Failed workflow tasks"];

/// Copies the configuration, with scrapes each second and alerts that wait two seconds.
fn quick_configuration(from: &Path, to: &Path) {
    let text = fs::read_to_string(from.join("prometheus.yml")).unwrap();
    let text =
        text.replace("_interval: 5s", "_interval: 1s").replace("scrape_timeout: 4s", "scrape_timeout: 1s");
    fs::write(to.join("prometheus.yml"), text).unwrap();
    fs::create_dir(to.join("rules")).unwrap();
    for file in fs::read_dir(from.join("rules")).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|kind| kind == "yaml") {
            let quick: Vec<_> = fs::read_to_string(&file).unwrap().lines().map(quick_line).collect();
            fs::write(to.join("rules").join(file.file_name().unwrap()), quick.join("\n")).unwrap();
        }
    }
}

fn quick_line(line: &str) -> String {
    match line.split_once("for: ") {
        Some((indent, _)) if indent.trim().is_empty() => format!("{indent}for: 2s"),
        _ => line.to_owned(),
    }
}

/// Returns every panel's title with its query, with each variable at "all".
fn panels(configuration: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for file in fs::read_dir(configuration.join("grafana/dashboards")).unwrap() {
        let dashboard: Value = serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap();
        collect(&dashboard["panels"], &mut found);
    }
    found
}

fn collect(panels: &Value, found: &mut Vec<(String, String)>) {
    for panel in panels.as_array().into_iter().flatten() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
            let query = ["status", "operation", "currency", "job", "route", "task_queue"]
                .iter()
                .fold(query, |query, variable| query.replace(&format!("${variable}"), ".*"));
            assert!(!query.contains('$'), "unknown variable: {query}");
            found.push((panel["title"].as_str().unwrap().to_owned(), query));
        }
        collect(&panel["panels"], found);
    }
}

/// Asks Prometheus or Jaeger, and returns the member `data` of the answer.
async fn ask(test: &TestStack, of: &xtask::services::Service, path: &str, query: &[(&str, &str)]) -> Value {
    let url = Url::parse_with_params(&format!("{}{path}", test.stack.url(of)), query).unwrap();
    let response = reqwest::get(url).await.unwrap();
    let (status, body) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, 200, "{path} {query:?}: {body}");
    serde_json::from_str::<Value>(&body).unwrap()["data"].take()
}

async fn rows(test: &TestStack, query: &str) -> usize {
    let data = ask(test, &PROMETHEUS, "/api/v1/query", &[("query", query)]).await;
    data["result"].as_array().map_or(1, Vec::len)
}

/// Waits until every query of every panel returns data.
async fn assert_panels(test: &TestStack, configuration: &Path) -> usize {
    let panels = panels(configuration);
    assert!(panels.len() > 80, "{} queries", panels.len());
    let deadline = Instant::now() + TIMEOUT;
    for (title, query) in &panels {
        while rows(test, query).await == 0 && !EMPTY_WITHOUT_FAULTS.contains(&title.as_str()) {
            assert!(Instant::now() < deadline, "{title} has no data: {query}");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
    panels.len()
}

/// Asserts that Prometheus evaluates every rule without an error. Every recording rule has data.
async fn assert_rules(test: &TestStack) -> usize {
    let groups = ask(test, &PROMETHEUS, "/api/v1/rules", &[]).await;
    let rules: Vec<_> = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect();
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
        if rule["type"] == "recording" {
            assert_ne!(rows(test, rule["name"].as_str().unwrap()).await, 0, "{rule}");
        }
    }
    rules.len()
}

/// Returns the names of the alerts that fire now.
async fn firing(test: &TestStack) -> BTreeSet<String> {
    let alerts = ask(test, &PROMETHEUS, "/api/v1/alerts", &[]).await;
    let alerts = alerts["alerts"].as_array().unwrap().iter().filter(|alert| alert["state"] == "firing");
    alerts.map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned()).collect()
}

/// Waits until the trace has the end of the order, and asserts that it crosses all services with its failed attempt.
async fn assert_trace(test: &TestStack) -> usize {
    let deadline = Instant::now() + TIMEOUT;
    let spans = loop {
        let path = format!("/api/traces/{TRACE}");
        let (_, body) = test.call(&JAEGER, Method::GET, &path, None).await;
        let spans = body["data"][0]["spans"].as_array().cloned().unwrap_or_default();
        if spans.iter().any(|span| span["operationName"] == "RunWorkflow:orderFulfillmentWorkflow") {
            let processes = body["data"][0]["processes"].as_object().unwrap();
            let services: BTreeSet<_> = processes
                .values()
                .map(|process| process["serviceName"].as_str().unwrap().to_owned())
                .collect();
            let missing: Vec<_> = PROCESSES.iter().filter(|process| !services.contains(**process)).collect();
            if missing.is_empty() {
                break spans;
            }
            assert!(Instant::now() < deadline, "{missing:?} are missing in {services:?}");
        }
        assert!(Instant::now() < deadline, "the trace has no end: {body}");
        tokio::time::sleep(POLL_INTERVAL).await;
    };
    let is_error = |span: &&Value| {
        let mut tags = span["tags"].as_array().unwrap().iter();
        tags.any(|tag| tag["key"] == "error" && tag["value"] == true)
    };
    let attempts: Vec<_> =
        spans.iter().filter(|span| span["operationName"] == "RunActivity:capturePayment").collect();
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    assert_eq!(attempts.into_iter().filter(is_error).count(), 1);
    spans.len()
}

#[tokio::test]
#[ignore = "needs Prometheus and Jaeger; `.ci/observability` installs both and runs it"]
async fn drill_of_traces_panels_rules_and_an_alert_that_fires_and_resolves() {
    let observers = Observers::from_env(&Workspace::locate().unwrap()).unwrap();
    let (source, quick) = (observers.configuration.clone(), tempfile::tempdir().unwrap());
    quick_configuration(&source, quick.path());
    let test = start(Observers { configuration: quick.path().to_owned(), ..observers }).await;
    println!("Prometheus {}, Jaeger {}", test.stack.url(&PROMETHEUS), test.stack.url(&JAEGER));

    test.plan("shipped", &json!({"payment.capture": ["internal_error"]})).await;
    call(&test, TRACE, &FOUNDER, Method::GET, "/api/v1/user-context?strategy=rxjs", None).await;
    call(&test, TRACE, &API, Method::POST, "/api/v1/order", Some(&test.order("shipped"))).await;
    assert_eq!(test.wait_for_end("shipped").await["status"], "shipped");
    let mut cancelled = test.order("cancelled");
    cancelled["requiresApproval"] = json!(true);
    test.place(&cancelled).await;
    test.wait_for_step("cancelled", "awaiting_approval").await;
    test.signal_by_api("cancelled", "cancel", None).await;
    assert_eq!(test.wait_for_end("cancelled").await["status"], "cancelled");
    println!("one trace of {} spans through {PROCESSES:?}", assert_trace(&test).await);

    test.plan(
        "stuck",
        &json!({"inventory.reserve": ["out_of_stock"], "payment.release": vec!["internal_error"; 100]}),
    )
    .await;
    test.place(&test.order("stuck")).await;
    test.wait_until(ALERT, || async { firing(&test).await.contains(ALERT) }).await;
    println!("{} rules are evaluated, {:?} fire", assert_rules(&test).await, firing(&test).await);
    println!("{} queries of panels have data", assert_panels(&test, &source).await);

    test.plan("stuck", &json!({})).await;
    assert_eq!(test.wait_for_end("stuck").await["status"], "failed");
    test.wait_until("the end of the alert", || async { !firing(&test).await.contains(ALERT) }).await;
    println!("{ALERT} fired and is resolved; {:?} fire", firing(&test).await);
    if let Some(file) = std::env::var_os("DRILL_WAITS_FOR").map(PathBuf::from) {
        // A person looks at the pages, and then makes the file.
        while !file.exists() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
    test.stop().await;
}

async fn start(observers: Observers) -> TestStack {
    TestStack::start_with_own_server("drill", |options| {
        options.state = State::Fresh;
        options.observers = Some(observers);
        options.services.push(&FOUNDER);
        options.environment.push((&FOUNDER, "FOUNDER_OFFLINE", "true".to_owned()));
        options.environment.push((&API, "RECONCILIATION_EVERY", "5s".to_owned()));
        for service in [&API, &WORKER, &PROVIDER, &FOUNDER] {
            options.environment.push((service, "OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()));
        }
    })
    .await
}
