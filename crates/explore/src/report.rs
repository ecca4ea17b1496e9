//! Writes the report. Each finding has its explanation, its calls, and the shell lines that reproduce it. A table
//! lists all findings.

use std::fmt::{self, Write as _};

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use crate::{
    explorer::{Findings, describe_operations},
    finding::FindingKind,
    http::human_duration,
    progress::{BAD, GOOD},
    provider::{JournalEntry, outcome},
    schedule::Schedule,
    system::{End, ORDER_ID, System, Template},
    trial::Trial,
};

/// Holds the findings, and the requests that reproduce them.
#[derive(Debug)]
pub struct Report<'a> {
    pub findings: &'a Findings,
    pub system: &'a System,
    /// The provider's address.
    pub provider: &'a str,
}

impl Report<'_> {
    /// Returns the report as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let Findings {
            happy,
            undos,
            unreached_undos,
            skipped_rules,
            orders,
            tried,
            planned,
            cut_short,
            elapsed,
            failures,
            ..
        } = self.findings;
        let findings = failures.iter().map(|trial| {
            json!({
                "meanings": trial.kinds,
                "schedule": trial.schedule.short_plan(),
                "orderId": trial.order,
                "said": status(&trial.end),
                "outcome": outcome_of(&trial.end),
                "contradictions": trial.contradictions,
                "calls": trial.journal,
                "reproduce": self.reproduction(trial),
            })
        });
        json!({
            "provider": self.provider,
            "happy": {"orderId": happy.order, "operations": happy.reached},
            "undos": undos,
            "undosNotReached": unreached_undos,
            "rulesLeftOut": skipped_rules,
            "orders": orders,
            "schedules": {"tried": tried, "planned": planned},
            "cutShort": cut_short,
            "seconds": elapsed.as_secs_f64(),
            "findings": findings.collect::<Vec<_>>(),
        })
    }

    /// Returns the report as JUnit's XML: a test case for each schedule.
    #[must_use]
    pub fn junit(&self) -> quick_junit::Report {
        let Findings { happy, passed, failures, elapsed, .. } = self.findings;
        let mut suite = TestSuite::new("fake-stripe-chaos explore");
        let happy = [&happy.schedule].into_iter().filter(|_| happy.passed());
        for schedule in happy.chain(passed) {
            suite.add_test_case(case(schedule, TestCaseStatus::success()));
        }
        for trial in failures {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(titles(trial)).set_type("contradiction");
            let details =
                trial.contradictions.iter().map(|found| format!("{} ({})", found.detail, found.rule));
            let calls = trial.journal.iter().map(call_line);
            let lines = details.chain(calls).chain(self.reproduction(trial));
            status.set_description(lines.collect::<Vec<_>>().join("\n"));
            let mut case = case(&trial.schedule, status);
            case.set_time(trial.elapsed);
            suite.add_test_case(case);
        }
        let mut report = quick_junit::Report::new("explore");
        report.set_time(*elapsed).add_test_suite(suite);
        report
    }

    /// Returns shell lines that place the order again, under another id, and ask for the verdict.
    #[must_use]
    pub fn reproduction(&self, trial: &Trial) -> Vec<String> {
        let provider = self.provider;
        let plan = if self.findings.provider_is_fault_free {
            trial.schedule.short_plan()
        } else {
            // The script is long enough that no draw decides an attempt.
            let mut plan = trial.schedule.plan(trial.reached.keys().map(String::as_str));
            for script in plan.values_mut() {
                script.truncate(20);
            }
            plan
        };
        let json = "-H 'content-type: application/json'";
        let mut lines = vec!["ORDER=again-$(date +%s)".to_owned()];
        if !plan.is_empty() {
            lines.push(format!(r#"curl -X PUT "{provider}/chaos/plans/$ORDER" {json} -d '{}'"#, json!(plan)));
        }
        lines.push(curl(&self.system.order));
        match (&trial.end, &self.system.status_rules.status) {
            (End::Ended(ended), status) => {
                if let Some(status) = status {
                    lines.push(format!("{}   # until it says {}", curl(status), one_line(&ended.status)));
                }
                let outcome = json!({"outcome": outcome(ended.shipped)});
                lines.push(format!(
                    r#"curl -X PUT "{provider}/ledger/orders/$ORDER/outcome" {json} -d '{outcome}'"#
                ));
                lines.push(format!(r#"curl "{provider}/verdict?orderId=$ORDER""#));
            }
            (End::Never(_), Some(status)) => lines.push(format!("{}   # again and again", curl(status))),
            (End::Never(_), None) => {}
        }
        lines.push(format!(r#"curl "{provider}/ledger/orders/$ORDER""#));
        lines
    }

    fn finding(&self, f: &mut fmt::Formatter<'_>, number: usize, trial: &Trial) -> fmt::Result {
        writeln!(f, "{BAD}{number}. {}{BAD:#}", titles(trial))?;
        for kind in &trial.kinds {
            writeln!(f, "   {}", kind.explanation())?;
        }
        writeln!(f, "   fault     {}", trial.schedule)?;
        writeln!(f, "   it said   {}", status(&trial.end))?;
        for found in &trial.contradictions {
            writeln!(f, "   ledger    {} ({})", found.detail, found.rule)?;
        }
        writeln!(f, "   calls     of {}, {}/ledger/orders/{}", trial.order, self.provider, trial.order)?;
        for line in &trial.journal {
            writeln!(f, "             {}", call_line(line))?;
        }
        writeln!(f, "   again")?;
        for line in self.reproduction(trial) {
            writeln!(f, "     {line}")?;
        }
        writeln!(f)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings {
            happy,
            undos,
            unreached_undos,
            skipped_rules,
            orders,
            tried,
            planned,
            cut_short,
            elapsed,
            failures,
            ..
        } = self.findings;
        for (number, trial) in (1..).zip(failures) {
            self.finding(f, number, trial)?;
        }
        if !failures.is_empty() {
            f.write_str(&table(failures))?;
            writeln!(f)?;
        }
        writeln!(f, "happy     {}", describe_operations(&happy.reached))?;
        let listed =
            |names: &std::collections::BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
        if !undos.is_empty() {
            writeln!(f, "undos     {}", listed(undos))?;
        }
        if !unreached_undos.is_empty() {
            writeln!(
                f,
                "untried   {}: every order that calls it is a finding already; fix these and explore again",
                listed(unreached_undos)
            )?;
        }
        if !skipped_rules.is_empty() {
            writeln!(f, "left out  {}: the happy order never calls its context", listed(skipped_rules))?;
        }
        if *cut_short {
            writeln!(
                f,
                "cut short after {tried} of {planned} schedules: failed schedules are not shrunk, and more may fail"
            )?;
        }
        let elapsed = human_duration(*elapsed);
        let stuck = failures.iter().filter(|trial| trial.kinds.contains(&FindingKind::NeverEnds)).count();
        match failures.len() {
            0 if *cut_short => {
                writeln!(
                    f,
                    "-- {orders} orders in {elapsed}, and none of these schedules leaves a contradiction"
                )
            }
            0 => writeln!(
                f,
                "{GOOD}ok{GOOD:#} {orders} orders in {elapsed}, and no schedule leaves a contradiction"
            ),
            found => writeln!(
                f,
                "{BAD}!!{BAD:#} {orders} orders in {elapsed}: {} leave a contradiction, {stuck} never end",
                found - stuck
            ),
        }
    }
}

fn case(schedule: &Schedule, status: TestCaseStatus) -> TestCase {
    let name = if schedule.is_empty() { "no fault".to_owned() } else { schedule.to_string() };
    let mut case = TestCase::new(name, status);
    case.set_classname("explore");
    case
}

fn titles(trial: &Trial) -> String {
    trial.kinds.iter().map(FindingKind::title).collect::<Vec<_>>().join(", ")
}

fn status(end: &End) -> String {
    match end {
        End::Ended(ended) => ended.status.clone(),
        End::Never(last_status) => format!("{last_status}, to the last"),
    }
}

const fn outcome_of(end: &End) -> Option<&'static str> {
    match end {
        End::Ended(ended) => Some(outcome(ended.shipped)),
        End::Never(_) => None,
    }
}

/// Formats a call as `payment.capture  timeout_after_commit -> timeout, key o-1/capture`.
fn call_line(line: &JournalEntry) -> String {
    let scenario = line.decision.as_ref().map_or("-", |decision| decision.scenario.as_str());
    let response = line.response.as_deref().unwrap_or("no answer yet");
    let key = line.idempotency_key.as_ref().map_or("no key".to_owned(), |key| format!("key {key}"));
    let replayed = if line.replayed { ", replayed" } else { "" };
    format!("{:<22} {scenario} -> {response}{replayed} ({key})", line.operation)
}

fn table(failures: &[Trial]) -> String {
    let rows: Vec<_> = failures
        .iter()
        .map(|trial| (titles(trial), outcome_label(trial), trial.schedule.to_string()))
        .collect();
    let width =
        |column: fn(&(String, &'static str, String)) -> usize| rows.iter().map(column).max().unwrap_or(0);
    let (first, second) = (width(|row| row.0.len()).max(7), width(|row| row.1.len()).max(7));
    let mut text = String::new();
    let _ = writeln!(text, " {:>3}  {:first$}  {:second$}  fault", "#", "finding", "outcome");
    for (number, (titles, outcome, schedule)) in (1..).zip(&rows) {
        let _ = writeln!(text, " {number:>3}  {titles:first$}  {outcome:second$}  {schedule}");
    }
    text
}

fn outcome_label(trial: &Trial) -> &'static str {
    outcome_of(&trial.end).unwrap_or("nothing")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Formats a request as a shell line, with `$ORDER` in place of the order's id.
fn curl(template: &Template) -> String {
    let Template { method, url, headers, body } = template;
    let mut line = "curl".to_owned();
    if method != reqwest::Method::GET {
        let _ = write!(line, " -X {method}");
    }
    let _ = write!(line, " {}", shell(url));
    for (name, value) in headers {
        let _ = write!(line, " -H {}", shell(&format!("{name}: {value}")));
    }
    if let Some(body) = body {
        let _ = write!(line, " --data-raw {}", shell(&compact(body)));
    }
    line
}

/// Quotes a text as one word of a shell, with `$ORDER` for `{orderId}`.
fn shell(text: &str) -> String {
    let quoted = text.split(ORDER_ID).map(|part| match part {
        "" => String::new(),
        part => format!("'{}'", part.replace('\'', r"'\''")),
    });
    quoted.collect::<Vec<_>>().join(r#""$ORDER""#)
}

/// Puts JSON on one line, and leaves any other text as it is.
fn compact(body: &str) -> String {
    serde_json::from_str::<Value>(body).map_or_else(|_| body.to_owned(), |json| json.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_becomes_one_quoted_shell_line() {
        let template = Template {
            method: reqwest::Method::POST,
            url: "http://host/orders".to_owned(),
            headers: vec![("x-a".to_owned(), "it's".to_owned())],
            body: Some("{\"orderId\": \"{orderId}\",\n \"n\": 1}".to_owned()),
        };
        assert_eq!(
            curl(&template),
            r#"curl -X POST 'http://host/orders' -H 'x-a: it'\''s' --data-raw '{"n":1,"orderId":"'"$ORDER"'"}'"#
        );
    }
}
