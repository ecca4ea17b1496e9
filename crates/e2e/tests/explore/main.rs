//! Tests `fake-stripe-chaos explore` as a process against sagas with known mistakes. It finds each mistake, and explains
//! why it can't explore a system.

mod naive;

use std::{
    collections::BTreeSet,
    process::{Output, Stdio},
};

use naive::{Mistake, Shop};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};
use xtask::{
    services::{Options, PROVIDER, Ports, Temporal},
    stack::Stack,
};

/// A provider and a shop that uses it.
struct TestBench {
    stack: Stack,
    /// The provider's URL, or that of one of its runs.
    provider: String,
    shop: Shop,
    folder: TempDir,
}

impl TestBench {
    async fn start(mistake: Mistake) -> Self {
        Self::start_with(mistake, "off", "").await
    }

    async fn start_with(mistake: Mistake, profile: &str, run: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let no_server = Temporal::External("127.0.0.1:1".to_owned());
        let mut options = Options::new(folder.path().to_owned(), Ports::free().unwrap(), no_server);
        options.services = vec![&PROVIDER];
        options.chaos = profile.to_owned();
        options.environment = vec![
            (&PROVIDER, "SHIPPING_LABEL_DURATION", "50ms".to_owned()),
            (&PROVIDER, "CHAOS_TIMEOUT_DELAY", "50ms".to_owned()),
        ];
        let stack = Stack::start(options).await.unwrap();
        let provider = format!("{}{run}", stack.url(&PROVIDER));
        let shop = Shop::open(mistake, provider.clone()).await;
        Self { stack, provider, shop, folder }
    }

    fn command(&self, extra: &[&str]) -> Command {
        let body = r#"{"orderId": "{orderId}", "amount": 5998}"#;
        let mut command =
            Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/debug/fake-stripe-chaos"));
        command.args(["explore", "--provider", &self.provider, "--body", body, "--settle", "300ms"]);
        command.args(["--post", &format!("{}/orders", self.shop.url)]);
        command.args(extra);
        command
    }

    async fn run(&self, extra: &[&str]) -> Output {
        self.command(extra).output().await.unwrap()
    }

    /// Runs an exploration that must end with an exit code, and returns its report.
    async fn explore(&self, code: i32, extra: &[&str]) -> Value {
        let output = self.run(&[extra, &["--json"]].concat()).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{errors}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"))
    }

    /// Returns the error text for a system that can't be explored.
    async fn usage_error(&self, extra: &[&str]) -> String {
        let output = self.run(extra).await;
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    }

    async fn stop(mut self) {
        self.stack.stop(|_, _| ()).await.unwrap();
    }
}

fn findings(report: &Value) -> &Vec<Value> {
    report["findings"].as_array().unwrap()
}

/// Returns the finding of a schedule.
#[track_caller]
fn finding_of<'a>(report: &'a Value, schedule: &Value) -> &'a Value {
    let found = findings(report).iter().find(|finding| finding["schedule"] == *schedule);
    found.unwrap_or_else(|| panic!("no finding for {schedule}: {report:#}"))
}

fn meanings(report: &Value) -> BTreeSet<&str> {
    findings(report)
        .iter()
        .flat_map(|finding| finding["meanings"].as_array().unwrap())
        .filter_map(Value::as_str)
        .collect()
}

#[tokio::test]
async fn the_naive_saga_charges_twice_and_strands_an_authorization() {
    let bench = TestBench::start(Mistake::AllOfThem).await;
    let report = bench.explore(1, &[]).await;
    assert_eq!(report["happy"]["operations"].as_object().unwrap().len(), 5, "{report:#}");

    let twice = finding_of(&report, &json!({"payment.capture": ["timeout_after_commit"]}));
    assert_eq!(
        (&twice["meanings"], &twice["outcome"]),
        (&json!(["double_charge"]), &json!("shipped")),
        "{twice:#}"
    );
    assert_eq!(twice["contradictions"][0]["rule"], "shipped_is_paid_once_in_full");

    let stranded = finding_of(&report, &json!({"payment.authorize": ["timeout_after_commit"]}));
    assert_eq!(stranded["meanings"], json!(["stranded_hold"]), "{stranded:#}");

    let unknown = finding_of(&report, &json!({"inventory.reserve": ["timeout_after_commit"]}));
    assert_eq!(unknown["meanings"], json!(["stranded_reservation"]), "{unknown:#}");

    let reproduction: Vec<_> =
        twice["reproduce"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert!(
        reproduction[1].contains(r#"/chaos/plans/$ORDER" "#)
            && reproduction[1].contains("timeout_after_commit"),
        "{reproduction:#?}"
    );
    // The saga handles refusals correctly. Its mistakes are about lost answers.
    let harmless = ["insufficient_funds", "out_of_stock"];
    for finding in findings(&report) {
        let schedule = finding["schedule"].to_string();
        assert!(!harmless.iter().any(|scenario| schedule.contains(scenario)), "{finding:#}");
    }
    bench.stop().await;
}

#[tokio::test]
async fn a_correct_saga_has_no_findings_even_in_pairs() {
    let bench = TestBench::start(Mistake::None).await;
    let few = ["--pairs", "--scenario", "timeout,timeout_after_commit,internal_error,out_of_stock"];
    let report = bench.explore(0, &few).await;
    assert_eq!(findings(&report), &Vec::<Value>::new());
    assert_eq!(report["cutShort"], false);
    assert_eq!(report["schedules"]["tried"], report["schedules"]["planned"], "{report:#}");
    let undos: Vec<_> = report["undos"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(undos, ["inventory.release", "payment.refund", "payment.release", "shipping.cancel"]);
    assert!(report["orders"].as_u64().unwrap() > 60, "{report:#}");
    bench.stop().await;
}

#[tokio::test]
async fn a_run_that_does_not_exist_yet_is_explored() {
    let bench = TestBench::start_with(Mistake::None, "off", "/runs/first-use").await;
    let report = bench.explore(0, &["--scenario", "out_of_stock"]).await;
    assert_eq!(report["cutShort"], false, "{report:#}");
    bench.stop().await;
}

#[tokio::test]
async fn an_abandoned_undo_is_found_though_no_happy_order_needs_it() {
    let bench = TestBench::start(Mistake::UndoTriedOnce).await;
    let report = bench.explore(1, &["--scenario", "timeout,out_of_stock,address_error"]).await;
    let found: Vec<_> = findings(&report).iter().map(|finding| &finding["schedule"]).collect();
    assert!(found.iter().any(|schedule| schedule.get("payment.refund").is_some()), "{found:#?}");
    assert!(meanings(&report).contains("charged_for_nothing"), "{report:#}");
    bench.stop().await;
}

#[tokio::test]
async fn two_faults_that_matter_only_together_are_found_in_pairs() {
    let bench = TestBench::start(Mistake::NewKeyAfterTwoFailures).await;
    let few = ["--operation", "payment.capture", "--scenario", "internal_error,timeout_after_commit"];
    let single = bench.explore(0, &[&few[..], &["--lasting", "1"]].concat()).await;
    assert_eq!(findings(&single), &Vec::<Value>::new());
    let pairs = bench.explore(1, &[&few[..], &["--lasting", "1", "--pairs"]].concat()).await;
    let found: Vec<_> = findings(&pairs).iter().map(|finding| &finding["schedule"]).collect();
    assert_eq!(
        found,
        [
            &json!({"payment.capture": ["internal_error", "timeout_after_commit"]}),
            &json!({"payment.capture": ["timeout_after_commit", "internal_error"]}),
        ],
        "{pairs:#}"
    );
    bench.stop().await;
}

#[tokio::test]
async fn an_order_that_never_ends_is_a_finding() {
    let bench = TestBench::start(Mistake::ForgetsFailedOrders).await;
    let status = format!("{}/orders/{{orderId}}", bench.shop.url);
    let few = ["--status", &status, "--order-timeout", "2s", "--scenario", "out_of_stock,internal_error"];
    let report = bench.explore(1, &few).await;
    let stuck = finding_of(&report, &json!({"inventory.reserve": ["out_of_stock"]}));
    assert_eq!((&stuck["meanings"], &stuck["outcome"]), (&json!(["never_ends"]), &Value::Null), "{stuck:#}");
    assert_eq!(stuck["said"], "processing, to the last");
    bench.stop().await;
}

/// Explores until the first finding, and then sends a signal to the process.
async fn interrupt_exploration(bench: &TestBench, signal: &str, extra: &[&str]) -> Output {
    let mut command = bench.command(&[&["--jobs", "1"], extra].concat());
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut errors = BufReader::new(process.stderr.take().unwrap()).lines();
    while let Some(line) = errors.next_line().await.unwrap() {
        if line.starts_with("!!") {
            break;
        }
    }
    let pid = process.id().unwrap().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
    // The process must still write its report when nothing reads its standard error.
    drop(errors);
    process.wait_with_output().await.unwrap()
}

#[tokio::test]
async fn an_interrupted_exploration_reports_its_findings() {
    let bench = TestBench::start(Mistake::AllOfThem).await;
    let output = interrupt_exploration(&bench, "-INT", &["--json"]).await;
    assert_eq!(output.status.code(), Some(130));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["cutShort"], true);
    assert!(!findings(&report).is_empty(), "{report:#}");
    let count = |name: &str| report["schedules"][name].as_u64().unwrap();
    assert!((1..count("planned")).contains(&count("tried")), "{report:#}");

    let output = interrupt_exploration(&bench, "-TERM", &[]).await;
    assert_eq!(output.status.code(), Some(143));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("cut short after ") && text.contains("   again\n"), "{text}");
    bench.stop().await;
}

#[tokio::test]
async fn a_provider_with_its_own_faults_changes_no_finding() {
    let bench = TestBench::start_with(Mistake::AllOfThem, "seed", "").await;
    let few = ["--operation", "payment.capture", "--scenario", "timeout_after_commit"];
    let report = bench.explore(1, &few).await;
    let [found] = &findings(&report)[..] else { panic!("{report:#}") };
    assert_eq!(found["meanings"], json!(["double_charge"]));
    // A reproduction plans every call, since the provider draws faults.
    assert!(found["reproduce"][1].as_str().unwrap().contains("shipping.create-label"), "{found:#}");
    bench.stop().await;
}

#[tokio::test]
async fn a_system_without_order_ids_gets_an_explanation() {
    let bench = TestBench::start(Mistake::NoOrderId).await;
    let error = bench.usage_error(&[]).await;
    assert!(
        error.contains("without any order's id (payment.authorize)") && error.contains("X-Order-Id"),
        "{error}"
    );
    bench.stop().await;
}

#[tokio::test]
async fn a_system_that_cannot_be_explored_gets_a_reason() {
    let bench = TestBench::start(Mistake::None).await;
    let error = bench.usage_error(&["--shipped", "sent", "--not-shipped", "shipped"]).await;
    assert!(error.contains("doesn't ship, though nothing fails: the system says shipped"), "{error}");
    let error = bench.usage_error(&["--scenario", "nonsense"]).await;
    assert!(error.contains(r#"the provider has no scenario "nonsense"; it has "#), "{error}");
    let error = bench.usage_error(&["--header", "x-refuse: yes"]).await;
    assert!(error.contains("didn't take the order") && error.contains("403"), "{error}");
    let error = bench.usage_error(&["--provider-is-missing"]).await;
    assert!(error.contains("unexpected argument"), "{error}");
    bench.stop().await;
}

#[tokio::test]
async fn the_text_report_describes_each_finding_and_has_a_table() {
    let bench = TestBench::start(Mistake::AllOfThem).await;
    let output = bench.run(&["--operation", "payment.capture", "--scenario", "timeout_after_commit"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "1. double charge",
        "The customer paid more than once.",
        "fault     payment.capture: timeout_after_commit",
        "it said   shipped",
        "2 payments are captured",
        "payment.capture        timeout_after_commit -> timeout (no key)",
        "ORDER=again-$(date +%s)",
        "   1  double charge  shipped  payment.capture: timeout_after_commit",
        "1 leave a contradiction, 0 never end",
    ] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
    bench.stop().await;
}

#[tokio::test]
async fn a_decision_of_the_running_provider_is_replayed_from_its_header() {
    let bench = TestBench::start_with(Mistake::None, "seed", "").await;
    let url = format!("{}/payment/authorize", bench.stack.url(&PROVIDER));
    let body = json!({"amount": 1, "currency": "usd", "orderId": "any"}).to_string();
    let answer =
        reqwest::Client::new().post(url).header("content-type", "application/json").body(body).send();
    let answer = answer.await.unwrap();
    let decision = answer.headers()["x-chaos-decision"].to_str().unwrap().to_owned();
    let replay = async |decision: &str| {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/debug/fake-stripe-chaos");
        Command::new(program).args(["replay", decision]).output().await.unwrap()
    };
    let output = replay(&decision).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("the draw, made again, is the same"), "{text}");
    let output = replay("seed=1").await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("not a decision: it has no profile"));
    bench.stop().await;
}

#[tokio::test]
async fn a_ci_system_gets_a_test_case_for_each_schedule() {
    let bench = TestBench::start(Mistake::AllOfThem).await;
    let file = bench.folder.path().join("explore.xml");
    let report =
        bench.explore(1, &["--junit", file.to_str().unwrap(), "--operation", "payment.capture"]).await;
    let xml = std::fs::read_to_string(&file).unwrap();
    let junit =
        quick_junit::Report::deserialize_from_str(&xml).unwrap_or_else(|error| panic!("{error}: {xml}"));
    let cases = &junit.test_suites[0].test_cases;
    let passed =
        |case: &quick_junit::TestCase| matches!(case.status, quick_junit::TestCaseStatus::Success { .. });
    let failed: Vec<_> = cases.iter().filter(|case| !passed(case)).collect();
    assert_eq!(failed.len(), findings(&report).len());
    assert!(failed.iter().any(|case| case.name.as_str() == "payment.capture: timeout_after_commit"), "{xml}");
    assert!(cases.iter().any(|case| case.name.as_str() == "no fault" && passed(case)), "{xml}");
    let unwritable = ["--junit", "/nowhere/explore.xml", "--operation", "payment.capture"];
    assert!(bench.usage_error(&unwritable).await.contains("--junit: cannot write /nowhere/explore.xml"));
    bench.stop().await;
}
