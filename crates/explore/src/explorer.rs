//! The explorer: learns the operations from an order without faults, and tries the faults in batches. It shrinks
//! each schedule that fails.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::{
    finding::FindingKind,
    http::human_duration,
    planner::{Candidate, Catalogue, PassedTrial, Planner},
    progress::{Progress, print_line},
    provider::{Contradiction, JournalEntry, ProviderError},
    schedule::{Fault, Reached, Schedule},
    shrink::Shrink,
    stop::StopSignal,
    system::End,
    trial::{Trial, TrialRunner},
};

/// Names the contexts that each rule is about. A rule doesn't apply to a system that calls none of them.
const RULE_CONTEXTS: [(&str, &[&str]); 3] = [
    ("shipped_is_paid_once_in_full", &["payment.", "stripe."]),
    ("shipped_has_one_reservation", &["inventory."]),
    ("shipped_has_one_label", &["shipping."]),
];

/// Lists the reasons why a system can't be explored.
#[derive(Debug, thiserror::Error)]
pub enum ExploreError {
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("the system didn't take the order {order}: {answer}. Check the request of --post or --request")]
    Refused { order: String, answer: String },
    #[error("{}", not_called_message(order, others))]
    NotCalled { order: String, others: Vec<JournalEntry> },
    #[error(
        "the happy order {order} doesn't ship, though nothing fails: the system says {status}. \
         Exploring needs an order that ships; check that --shipped lists this status"
    )]
    NotShipped { order: String, status: String },
    #[error(
        "the happy order {order} never ends: its last status after {} is {last_status}. \
         Check that --status and --pointer lead to the status, and that --shipped and --not-shipped list its final values",
        human_duration(*time_limit)
    )]
    NeverEnds { order: String, last_status: String, time_limit: Duration },
    #[error("the provider has no {what} {name:?}; it has {}", known.join(", "))]
    Unknown { what: &'static str, name: String, known: Vec<String> },
    #[error("no fault is left to try: the happy order calls {}; --operation and --scenario exclude all of these calls", happy.join(", "))]
    NothingToTry { happy: Vec<String> },
}

fn not_called_message(order: &str, others: &[JournalEntry]) -> String {
    let begun = format!("the provider was never called for the order {order}");
    let named: BTreeSet<_> = others.iter().filter_map(|line| line.order_id.as_deref()).collect();
    let Some(call) = others.first() else {
        return format!(
            "{begun}, nor for any other: check that the system calls this provider at this address, and that it took the order"
        );
    };
    if named.is_empty() {
        return format!(
            "{begun}, but without any order's id ({}): the system has to send the id that the order was placed with, \
             as `orderId` in the body or as header `X-Order-Id`, in each call",
            call.operation
        );
    }
    let named: Vec<_> = named.into_iter().take(3).collect();
    format!(
        "{begun}, but for {}: the system has to send the id that the order was placed with, \
         as `orderId` in the body or as header `X-Order-Id`",
        named.join(", ")
    )
}

/// Selects operations and scenarios; an empty list selects all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    pub operations: Vec<String>,
    pub scenarios: Vec<String>,
}

impl Selection {
    fn apply(&self, catalogue: &Catalogue) -> Result<Catalogue, ExploreError> {
        let all: BTreeSet<&String> = catalogue.values().flatten().collect();
        let unknown = |what, name: &String, known: Vec<String>| {
            Err(ExploreError::Unknown { what, name: name.clone(), known })
        };
        if let Some(name) = self.operations.iter().find(|name| !catalogue.contains_key(*name)) {
            return unknown("operation", name, catalogue.keys().cloned().collect());
        }
        if let Some(name) = self.scenarios.iter().find(|name| !all.contains(name)) {
            return unknown("scenario", name, all.into_iter().cloned().collect());
        }
        let is_in = |list: &[String], name: &String| list.is_empty() || list.contains(name);
        let operations = catalogue.iter().filter(|(operation, _)| is_in(&self.operations, operation));
        Ok(operations
            .map(|(operation, scenarios)| {
                let wanted = scenarios.iter().filter(|scenario| is_in(&self.scenarios, scenario));
                (operation.clone(), wanted.cloned().collect())
            })
            .collect())
    }
}

/// Holds the settings of one exploration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The prefix of every order's id.
    pub prefix: String,
    pub jobs: usize,
    pub lasting: u32,
    pub pairs: bool,
    pub selection: Selection,
}

/// Holds the results of one exploration.
#[derive(Debug)]
pub struct Findings {
    pub happy: Trial,
    /// The operations that only a failing order calls.
    pub undos: BTreeSet<String>,
    /// The undo operations without a trial: every order that reaches one is a finding already.
    pub unreached_undos: BTreeSet<String>,
    /// The rules that don't apply, since the system never calls their context.
    pub skipped_rules: BTreeSet<String>,
    /// The number of placed orders.
    pub orders: usize,
    /// The number of tried schedules.
    pub tried: usize,
    pub planned: usize,
    /// A signal ended the exploration early: failures are not shrunk, and more may exist.
    pub cut_short: bool,
    pub elapsed: Duration,
    /// The smallest schedules that fail, the worst first.
    pub failures: Vec<Trial>,
    /// The schedules that pass, in the order in which they were tried.
    pub passed: Vec<Schedule>,
    /// The provider's own profile has no faults, so a plan needs only the faults of the schedule.
    pub provider_is_fault_free: bool,
}

/// Explores one system.
pub struct Explorer<'a> {
    pub runner: TrialRunner,
    pub settings: Settings,
    pub progress: &'a Progress,
    stop: StopSignal,
    placed: AtomicUsize,
    planned: AtomicUsize,
    tried: AtomicUsize,
    skipped_rules: BTreeSet<String>,
    known: Mutex<BTreeMap<Schedule, BTreeSet<FindingKind>>>,
}

impl<'a> Explorer<'a> {
    #[must_use]
    pub fn new(runner: TrialRunner, settings: Settings, progress: &'a Progress, stop: StopSignal) -> Self {
        Self {
            runner,
            settings,
            progress,
            stop,
            placed: AtomicUsize::new(0),
            planned: AtomicUsize::new(0),
            tried: AtomicUsize::new(0),
            skipped_rules: BTreeSet::new(),
            known: Mutex::default(),
        }
    }

    /// Returns the findings, or none when a signal came before the happy order had ended.
    ///
    /// # Errors
    /// Returns an error when the system can't be explored, or when the provider fails.
    pub async fn explore(mut self) -> Result<Option<Findings>, ExploreError> {
        let started_at = Instant::now();
        let catalogue = self.settings.selection.apply(&self.runner.catalogue)?;
        let provider_is_fault_free = self.runner.provider.is_fault_free(&self.runner.catalogue).await?;
        let stop = self.stop.clone();
        let happy = tokio::select! {
            happy = self.run_happy_order() => happy?,
            _ = stop.received() => return Ok(None),
        };
        let mut planner = Planner::new(catalogue, self.settings.lasting);
        let (mut failures, mut passed) = (Vec::new(), Vec::new());
        if happy.passed() {
            let singles = planner.singles(&happy.reached);
            if singles.is_empty() {
                return Err(ExploreError::NothingToTry { happy: happy.reached.keys().cloned().collect() });
            }
            self.log_batch(&singles, &happy, "single faults");
            let mut batch = self.run_batch(singles, &mut failures).await?;
            while !batch.is_empty() && !stop.is_received() {
                let next = planner.follow_ups(&batch);
                passed.append(&mut batch);
                if !next.is_empty() {
                    self.log_batch(&next, &happy, "more: lasting faults, and faults of undo operations");
                    batch = self.run_batch(next, &mut failures).await?;
                }
            }
            passed.append(&mut batch);
            if self.settings.pairs && !stop.is_received() {
                let pairs = planner.pairs(&passed);
                self.log_batch(&pairs, &happy, "pairs of faults");
                passed.extend(self.run_batch(pairs, &mut failures).await?);
            }
            // After a signal the report must come at once.
            failures = self.unless_stopped(failures.clone(), self.shrink(failures)).await?;
            failures.extend(self.unless_stopped(Vec::new(), self.recheck_passed(&passed)).await?);
        } else {
            failures.push(happy.clone());
        }
        failures.sort_by_key(|trial| trial.schedule.clone());
        failures.dedup_by(|a, b| a.schedule == b.schedule);
        // The worst first, and of these the simplest.
        failures.sort_by_key(|trial| (trial.kinds.clone(), trial.schedule.len()));
        let schedules = passed.into_iter().map(|trial| trial.candidate.schedule);
        let passed =
            schedules.filter(|schedule| failures.iter().all(|failed| failed.schedule != *schedule)).collect();
        let seen: BTreeSet<_> = failures.iter().flat_map(|trial| trial.reached.keys()).cloned().collect();
        let learned =
            |operation: &String| happy.reached.contains_key(operation) || planner.undos().contains(operation);
        Ok(Some(Findings {
            undos: planner.undos().clone(),
            unreached_undos: seen.into_iter().filter(|operation| !learned(operation)).collect(),
            skipped_rules: self.skipped_rules,
            orders: self.placed.into_inner(),
            tried: self.tried.into_inner(),
            planned: self.planned.into_inner(),
            cut_short: stop.is_received(),
            elapsed: started_at.elapsed(),
            failures,
            passed,
            provider_is_fault_free,
            happy,
        }))
    }

    /// Returns the result of `work`, or `fallback` when a signal ends the exploration.
    async fn unless_stopped<T>(
        &self,
        fallback: T,
        work: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        tokio::select! {
            biased;
            _ = self.stop.received() => Ok(fallback),
            done = work => done,
        }
    }

    /// Runs an order without faults, to learn which operations it calls.
    async fn run_happy_order(&mut self) -> Result<Trial, ExploreError> {
        let before = self.runner.provider.latest(1).await?.last().map(|line| line.number);
        let mut happy = self.runner.run(self.next_order(), Schedule::without_faults()).await?;
        let order = happy.order.clone();
        if happy.journal.is_empty() {
            if let Some(answer) = happy.refused {
                return Err(ExploreError::Refused { order, answer });
            }
            let mut others = self.runner.provider.latest(50).await?;
            others.retain(|line| before.is_none_or(|before| line.number > before));
            return Err(ExploreError::NotCalled { order, others });
        }
        match &happy.end {
            End::Ended(ended) if !ended.shipped => {
                return Err(ExploreError::NotShipped { order, status: ended.status.clone() });
            }
            End::Never(last_status) => {
                let time_limit = self.runner.system.time_limit;
                return Err(ExploreError::NeverEnds { order, last_status: last_status.clone(), time_limit });
            }
            End::Ended(_) => {}
        }
        let applies = |contradiction: &Contradiction| {
            let context = RULE_CONTEXTS.iter().find(|(rule, _)| *rule == contradiction.rule);
            context.is_none_or(|(_, contexts)| {
                let is_called =
                    |context: &&str| happy.reached.keys().any(|operation| operation.starts_with(*context));
                contexts.iter().any(is_called)
            })
        };
        let skipped_rules = happy.contradictions.iter().filter(|found| !applies(found));
        self.skipped_rules = skipped_rules.map(|contradiction| contradiction.rule.clone()).collect();
        self.skip_inapplicable_rules(&mut happy).await?;
        Ok(happy)
    }

    async fn run_trial(&self, schedule: Schedule) -> Result<Trial, ProviderError> {
        let mut trial = self.runner.run(self.next_order(), schedule).await?;
        self.skip_inapplicable_rules(&mut trial).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(trial.schedule.clone(), trial.kinds.clone());
        Ok(trial)
    }

    /// Removes the contradictions of skipped rules from a trial.
    async fn skip_inapplicable_rules(&self, trial: &mut Trial) -> Result<(), ProviderError> {
        if trial.contradictions.iter().any(|found| self.skipped_rules.contains(&found.rule)) {
            trial.contradictions.retain(|found| !self.skipped_rules.contains(&found.rule));
            let ledger = self.runner.provider.entries(&trial.order).await?;
            trial.kinds =
                trial.contradictions.iter().map(|found| FindingKind::classify(found, &ledger)).collect();
        }
        Ok(())
    }

    fn next_order(&self) -> String {
        format!("{}-{}", self.settings.prefix, self.placed.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn log_batch(&self, batch: &[Candidate], happy: &Trial, kind: &str) {
        self.planned.fetch_add(batch.len(), Ordering::Relaxed);
        let rounds = batch.len().div_ceil(self.settings.jobs.max(1));
        let time = happy.elapsed * u32::try_from(rounds).unwrap_or(u32::MAX);
        print_line(&format!(
            "{} {kind}, {} at a time: {} if each takes as long as the happy order",
            batch.len(),
            self.settings.jobs,
            human_duration(time)
        ));
    }

    /// Tries each schedule until a signal comes. Returns those that passed, in the order of the batch.
    async fn run_batch(
        &self,
        batch: Vec<Candidate>,
        failures: &mut Vec<Trial>,
    ) -> Result<Vec<PassedTrial>, ProviderError> {
        let bar = self.progress.bar(batch.len());
        let trials = stream::iter(batch).enumerate().map(|(place, candidate)| {
            let bar = &bar;
            async move {
                let trial = self.run_trial(candidate.schedule.clone()).await?;
                self.tried.fetch_add(1, Ordering::Relaxed);
                bar.record(&trial);
                Ok::<_, ProviderError>((place, candidate, trial))
            }
        });
        let trials =
            trials.buffer_unordered(self.settings.jobs.max(1)).take_until(self.stop.received().boxed());
        let mut tried: Vec<_> = trials.try_collect().await?;
        tried.sort_by_key(|(place, ..)| *place);
        let mut passed = Vec::new();
        for (_, candidate, trial) in tried {
            if trial.passed() {
                passed.push(PassedTrial { candidate, order: trial.order, reached: trial.reached });
            } else {
                failures.push(trial);
            }
        }
        Ok(passed)
    }

    /// Replaces each schedule by its smallest part with the same kind of finding.
    async fn shrink(&self, failures: Vec<Trial>) -> Result<Vec<Trial>, ProviderError> {
        let shrunk = stream::iter(failures).map(|failure| self.shrink_one(failure));
        shrunk.buffered(self.settings.jobs.max(1)).try_collect().await
    }

    async fn shrink_one(&self, failure: Trial) -> Result<Trial, ProviderError> {
        let entries = failure.schedule.entries(&failure.reached);
        // Each trial of an order that never ends takes the whole time limit, so it isn't shrunk.
        if entries.len() < 2 || failure.kinds.contains(&FindingKind::NeverEnds) {
            return Ok(failure);
        }
        print_line(&format!("shrinking {}", failure.schedule));
        let mut smallest = failure;
        let mut shrink: Shrink<Fault> = Shrink::new(entries);
        while let Some(candidate) = shrink.candidate() {
            let schedule = Schedule::from_entries(&candidate);
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&schedule).cloned();
            let same_kind = |kinds: &BTreeSet<FindingKind>| !kinds.is_disjoint(&smallest.kinds);
            // A known pass needs no new order; a known failure does, since the report shows its calls.
            if known.is_some_and(|kinds| !same_kind(&kinds)) {
                shrink.record(false);
                continue;
            }
            let trial = self.run_trial(schedule).await?;
            let fails = same_kind(&trial.kinds);
            shrink.record(fails);
            if fails {
                smallest = trial;
            }
        }
        Ok(smallest)
    }

    /// Asks for the verdict of passed orders again: a late call may have changed their ledger.
    async fn recheck_passed(&self, passed: &[PassedTrial]) -> Result<Vec<Trial>, ProviderError> {
        let checks = stream::iter(passed).map(|passed| async move {
            let found = self.runner.provider.contradictions(&passed.order).await?;
            if found.iter().all(|found| self.skipped_rules.contains(&found.rule)) {
                return Ok(None);
            }
            let mut trial = self.run_trial(passed.candidate.schedule.clone()).await?;
            let ledger = self.runner.provider.entries(&passed.order).await?;
            trial.order.clone_from(&passed.order);
            trial.kinds = found.iter().map(|found| FindingKind::classify(found, &ledger)).collect();
            trial.contradictions = found;
            Ok::<_, ProviderError>(Some(trial))
        });
        let checked: Vec<_> = checks.buffered(self.settings.jobs.max(1)).try_collect().await?;
        Ok(checked.into_iter().flatten().collect())
    }
}

/// Returns the operations of an order as one line of text.
#[must_use]
pub fn describe_operations(reached: &Reached) -> String {
    let calls = reached.iter().map(|(operation, attempts)| match attempts {
        1 => operation.clone(),
        attempts => format!("{operation} ×{attempts}"),
    });
    calls.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(order: Option<&str>) -> JournalEntry {
        JournalEntry {
            number: 1,
            operation: "payment.authorize".to_owned(),
            order_id: order.map(str::to_owned),
            idempotency_key: None,
            decision: None,
            replayed: false,
            response: None,
        }
    }

    #[test]
    fn an_order_without_calls_is_reported_with_the_calls_of_others() {
        assert!(not_called_message("o", &[]).contains("nor for any other"));
        assert!(
            not_called_message("o", &[call(None)]).contains("without any order's id (payment.authorize)")
        );
        assert!(not_called_message("o", &[call(None), call(Some("other-o"))]).contains("but for other-o"));
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_names() {
        let catalogue =
            Catalogue::from([("a.b".to_owned(), vec!["success".to_owned(), "timeout".to_owned()])]);
        let selection = |operations: &[&str], scenarios: &[&str]| {
            let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            Selection { operations: own(operations), scenarios: own(scenarios) }.apply(&catalogue)
        };
        assert_eq!(selection(&[], &[]).unwrap(), catalogue);
        assert_eq!(selection(&["a.b"], &["timeout"]).unwrap()["a.b"], ["timeout"]);
        let refused = selection(&["a.c"], &[]).unwrap_err().to_string();
        assert_eq!(refused, "the provider has no operation \"a.c\"; it has a.b");
        assert!(selection(&[], &["nonsense"]).unwrap_err().to_string().ends_with("it has success, timeout"));
    }
}
