//! `fake-stripe-chaos explore` as a process, against sagas with known mistakes: it finds each, and says so
//! where it can't look.

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

/// A provider without chaos of its own, and a shop that uses it.
struct TestBench {
    stack: Stack,
    shop: Shop,
    _folder: TempDir,
}

impl TestBench {
    async fn start(mistake: Mistake) -> Self {
        Self::start_with(mistake, "off").await
    }

    async fn start_with(mistake: Mistake, profile: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = Temporal::External("127.0.0.1:1".to_owned());
        let mut options = Options::new(folder.path().to_owned(), Ports::free().unwrap(), nowhere);
        options.services = vec![&PROVIDER];
        options.chaos = profile.to_owned();
        options.environment = vec![
            (&PROVIDER, "SHIPPING_LABEL_DURATION", "50ms".to_owned()),
            (&PROVIDER, "CHAOS_TIMEOUT_DELAY", "50ms".to_owned()),
        ];
        let stack = Stack::start(options).await.unwrap();
        let shop = Shop::open(mistake, stack.url(&PROVIDER)).await;
        Self { stack, shop, _folder: folder }
    }

    fn command(&self, extra: &[&str]) -> Command {
        let body = r#"{"orderId": "{orderId}", "amount": 5998}"#;
        let mut command =
            Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/debug/fake-stripe-chaos"));
        command.args([
            "explore",
            "--provider",
            &self.stack.url(&PROVIDER),
            "--body",
            body,
            "--settle",
            "300ms",
        ]);
        command.args(["--post", &format!("{}/orders", self.shop.url)]);
        command.args(extra);
        command
    }

    async fn run(&self, extra: &[&str]) -> Output {
        self.command(extra).output().await.unwrap()
    }

    /// The report of an exploration that has to end with this exit code.
    async fn explore(&self, code: i32, extra: &[&str]) -> Value {
        let output = self.run(&[extra, &["--json"]].concat()).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{errors}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"))
    }

    /// What is said of a system that can't be explored.
    async fn refusal(&self, extra: &[&str]) -> String {
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

/// The finding that one schedule led to.
#[track_caller]
fn under<'a>(report: &'a Value, schedule: &Value) -> &'a Value {
    let found = findings(report).iter().find(|finding| finding["schedule"] == *schedule);
    found.unwrap_or_else(|| panic!("nothing was found under {schedule}: {report:#}"))
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

    let twice = under(&report, &json!({"payment.capture": ["timeout_after_commit"]}));
    assert_eq!(
        (&twice["meanings"], &twice["outcome"]),
        (&json!(["double_charge"]), &json!("shipped")),
        "{twice:#}"
    );
    assert_eq!(twice["contradictions"][0]["rule"], "shipped_is_paid_once_in_full");

    let stranded = under(&report, &json!({"payment.authorize": ["timeout_after_commit"]}));
    assert_eq!(stranded["meanings"], json!(["stranded_hold"]), "{stranded:#}");

    let unknown = under(&report, &json!({"inventory.reserve": ["timeout_after_commit"]}));
    assert_eq!(unknown["meanings"], json!(["stranded_reservation"]), "{unknown:#}");

    let again: Vec<_> =
        twice["reproduce"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert!(
        again[1].contains(r#"/chaos/plans/$ORDER" "#) && again[1].contains("timeout_after_commit"),
        "{again:#?}"
    );
    // A declined card, and a fault that did nothing, are no findings: the saga is wrong about lost answers.
    let harmless = ["insufficient_funds", "out_of_stock"];
    for finding in findings(&report) {
        let schedule = finding["schedule"].to_string();
        assert!(!harmless.iter().any(|scenario| schedule.contains(scenario)), "{finding:#}");
    }
    bench.stop().await;
}

#[tokio::test]
async fn a_saga_with_keys_and_undos_by_key_leaves_nothing_to_find_even_in_pairs() {
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
async fn an_abandoned_undo_is_found_though_no_happy_order_needs_it() {
    let bench = TestBench::start(Mistake::UndoTriedOnce).await;
    let report = bench.explore(1, &["--scenario", "timeout,out_of_stock,address_error"]).await;
    let found: Vec<_> = findings(&report).iter().map(|finding| &finding["schedule"]).collect();
    assert!(found.iter().any(|schedule| schedule.get("payment.refund").is_some()), "{found:#?}");
    assert!(meanings(&report).contains("charged_for_nothing"), "{report:#}");
    bench.stop().await;
}

#[tokio::test]
async fn two_faults_that_only_hurt_together_are_found_in_pairs_and_shrunk_to_the_two() {
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
    let few = ["--status", &status, "--patience", "2s", "--scenario", "out_of_stock,internal_error"];
    let report = bench.explore(1, &few).await;
    let stuck = under(&report, &json!({"inventory.reserve": ["out_of_stock"]}));
    assert_eq!((&stuck["meanings"], &stuck["outcome"]), (&json!(["never_ends"]), &Value::Null), "{stuck:#}");
    assert_eq!(stuck["said"], "processing, to the last");
    bench.stop().await;
}

/// Explores until the first finding, and then ends the process by a signal.
async fn cut_short(bench: &TestBench, signal: &str, extra: &[&str]) -> Output {
    let mut command = bench.command(&[&["--jobs", "1"], extra].concat());
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(process.stderr.take().unwrap()).lines();
    while let Some(line) = said.next_line().await.unwrap() {
        if line.starts_with("!!") {
            break;
        }
    }
    let pid = process.id().unwrap().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
    // Nobody reads on, and that must not matter.
    drop(said);
    process.wait_with_output().await.unwrap()
}

#[tokio::test]
async fn an_interrupted_exploration_reports_its_findings() {
    let bench = TestBench::start(Mistake::AllOfThem).await;
    let output = cut_short(&bench, "-INT", &["--json"]).await;
    assert_eq!(output.status.code(), Some(130));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["cutShort"], true);
    assert!(!findings(&report).is_empty(), "{report:#}");
    let count = |name: &str| report["schedules"][name].as_u64().unwrap();
    assert!((1..count("planned")).contains(&count("tried")), "{report:#}");

    let output = cut_short(&bench, "-TERM", &[]).await;
    assert_eq!(output.status.code(), Some(143));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("cut short after ") && text.contains("   again\n"), "{text}");
    bench.stop().await;
}

#[tokio::test]
async fn a_provider_with_its_own_faults_changes_no_finding() {
    let bench = TestBench::start_with(Mistake::AllOfThem, "seed").await;
    let few = ["--operation", "payment.capture", "--scenario", "timeout_after_commit"];
    let report = bench.explore(1, &few).await;
    let [found] = &findings(&report)[..] else { panic!("{report:#}") };
    assert_eq!(found["meanings"], json!(["double_charge"]));
    // To make it again, every call has to be planned.
    assert!(found["reproduce"][1].as_str().unwrap().contains("shipping.create-label"), "{found:#}");
    bench.stop().await;
}

#[tokio::test]
async fn a_system_without_order_ids_gets_an_explanation() {
    let bench = TestBench::start(Mistake::NoOrderId).await;
    let said = bench.refusal(&[]).await;
    assert!(
        said.contains("without any order's id (payment.authorize)") && said.contains("X-Order-Id"),
        "{said}"
    );
    bench.stop().await;
}

#[tokio::test]
async fn a_system_that_cannot_be_explored_gets_a_reason() {
    let bench = TestBench::start(Mistake::None).await;
    let said = bench.refusal(&["--shipped", "sent", "--not-shipped", "shipped"]).await;
    assert!(said.contains("doesn't ship, though nothing fails: the system says shipped"), "{said}");
    let said = bench.refusal(&["--scenario", "nonsense"]).await;
    assert!(said.contains(r#"the provider has no scenario "nonsense"; it has "#), "{said}");
    let said = bench.refusal(&["--header", "x-refuse: yes"]).await;
    assert!(said.contains("didn't take the order") && said.contains("403"), "{said}");
    let said = bench.refusal(&["--provider-is-missing"]).await;
    assert!(said.contains("unexpected argument"), "{said}");
    bench.stop().await;
}

#[tokio::test]
async fn the_report_for_people_has_each_finding_in_words_and_a_table() {
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
        assert!(text.contains(part), "{part:?} isn't in:\n{text}");
    }
    bench.stop().await;
}

#[tokio::test]
async fn a_decision_of_the_running_provider_is_replayed_from_its_header() {
    let bench = TestBench::start_with(Mistake::None, "seed").await;
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
