//! The explorer: learns from a happy order what there is to fault, tries it, wave by wave, and shrinks
//! what fails.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use super::{
    http::humantime,
    meaning::Meaning,
    planner::{Candidate, Catalogue, Passed, Planner},
    provider::{Contradiction, Line, ProviderError},
    schedule::{Fault, Reached, Schedule},
    screen::{Screen, say},
    shrink::Shrink,
    stop::Stop,
    system::End,
    trial::{Laboratory, Trial},
};

/// The context without which a rule has nothing to judge: who makes no labels can't owe one.
const NEEDS: [(&str, &str); 3] = [
    ("shipped_is_paid_once_in_full", "payment."),
    ("shipped_has_one_reservation", "inventory."),
    ("shipped_has_one_label", "shipping."),
];

/// Why there is nothing to explore.
#[derive(Debug, thiserror::Error)]
pub enum ExploreError {
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("the system didn't take the order {order}: {answer}")]
    Refused { order: String, answer: String },
    #[error("{}", silent(order, others))]
    Silent { order: String, others: Vec<Line> },
    #[error(
        "the happy order {order} doesn't ship, though nothing fails: the system says {said}. \
         Without one that ships there is nothing to learn from (is it among --shipped?)"
    )]
    NotShipped { order: String, said: String },
    #[error(
        "the happy order {order} never ends: after {} the last that was heard is {heard}. \
         Do --status and --pointer lead to the status, and are its final values among --shipped and --not-shipped?",
        humantime(*patience)
    )]
    NeverEnds { order: String, heard: String, patience: Duration },
    #[error("the provider has no {what} {name:?}; it has {}", known.join(", "))]
    Unknown { what: &'static str, name: String, known: Vec<String> },
    #[error("nothing is left to fault: the happy order calls {}, and the choice leaves none of it", happy.join(", "))]
    Nothing { happy: Vec<String> },
}

fn silent(order: &str, others: &[Line]) -> String {
    let begun = format!("the provider was never called for the order {order}");
    let named: BTreeSet<_> = others.iter().filter_map(|line| line.order_id.as_deref()).collect();
    let Some(call) = others.first() else {
        return format!(
            "{begun}, nor for any other: does the system call this provider, by this address, and did it take the order?"
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

/// Which faults are wanted; empty means all.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    pub operations: Vec<String>,
    pub scenarios: Vec<String>,
}

impl Choice {
    fn of(&self, catalogue: &Catalogue) -> Result<Catalogue, ExploreError> {
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

/// How it is gone about.
#[derive(Debug, Clone)]
pub struct Way {
    /// What every order's id begins with.
    pub prefix: String,
    pub jobs: usize,
    pub lasting: u32,
    pub pairs: bool,
    pub choice: Choice,
}

/// All that was found out.
#[derive(Debug)]
pub struct Findings {
    pub happy: Trial,
    /// The operations that no happy order needs, but one that fails.
    pub undos: BTreeSet<String>,
    /// Of these undos nothing was tried: whatever reaches them is a finding already.
    pub unreached: BTreeSet<String>,
    /// Rules that don't bind this system, since it never calls what they are about.
    pub waived: BTreeSet<String>,
    /// How many orders were placed.
    pub orders: usize,
    /// How many schedules were tried, of those that were to be as far as it was known.
    pub tried: usize,
    pub planned: usize,
    /// Somebody had seen enough before all was done: what failed is not shrunk, and more may.
    pub cut_short: bool,
    pub took: Duration,
    /// The smallest schedules that fail, the worst first.
    pub failures: Vec<Trial>,
    /// The provider's own profile has no faults, so plans need not be told in full.
    pub calm: bool,
}

impl Findings {
    #[must_use]
    pub const fn is_cut_short(&self) -> bool {
        self.cut_short
    }
}

/// See the module.
pub struct Explorer<'a> {
    pub laboratory: Laboratory,
    pub way: Way,
    pub screen: &'a Screen,
    stop: Stop,
    placed: AtomicUsize,
    planned: AtomicUsize,
    tried: AtomicUsize,
    waived: BTreeSet<String>,
    known: Mutex<BTreeMap<Schedule, BTreeSet<Meaning>>>,
}

impl<'a> Explorer<'a> {
    #[must_use]
    pub fn new(laboratory: Laboratory, way: Way, screen: &'a Screen, stop: Stop) -> Self {
        Self {
            laboratory,
            way,
            screen,
            stop,
            placed: AtomicUsize::new(0),
            planned: AtomicUsize::new(0),
            tried: AtomicUsize::new(0),
            waived: BTreeSet::new(),
            known: Mutex::default(),
        }
    }

    /// All that was found; nothing where it was stopped before the happy order had ended.
    ///
    /// # Errors
    /// When there is nothing to explore, or the provider fails on the way.
    pub async fn explore(mut self) -> Result<Option<Findings>, ExploreError> {
        let begun = Instant::now();
        let catalogue = self.way.choice.of(&self.laboratory.catalogue)?;
        let calm = self.laboratory.provider.never_fails_by_itself(&self.laboratory.catalogue).await?;
        let stop = self.stop.clone();
        let happy = tokio::select! {
            happy = self.happy() => happy?,
            _ = stop.come() => return Ok(None),
        };
        let mut planner = Planner::new(catalogue, self.way.lasting);
        let (mut failures, mut passed) = (Vec::new(), Vec::new());
        if happy.passed() {
            let singles = planner.singles(&happy.reached);
            if singles.is_empty() {
                return Err(ExploreError::Nothing { happy: happy.reached.keys().cloned().collect() });
            }
            self.announce(&singles, &happy, "single faults");
            let mut wave = self.wave(singles, &mut failures).await?;
            while !wave.is_empty() && !stop.has_come() {
                let next = planner.follow(&wave);
                passed.append(&mut wave);
                if !next.is_empty() {
                    self.announce(
                        &next,
                        &happy,
                        "more: faults that last, and faults of undos that showed up",
                    );
                    wave = self.wave(next, &mut failures).await?;
                }
            }
            passed.append(&mut wave);
            if self.way.pairs && !stop.has_come() {
                let pairs = planner.pairs(&passed);
                self.announce(&pairs, &happy, "pairs of faults");
                passed.extend(self.wave(pairs, &mut failures).await?);
            }
            // Whoever stops it wants to see what there is, now.
            failures = self.unless_stopped(failures.clone(), self.shrink(failures)).await?;
            failures.extend(self.unless_stopped(Vec::new(), self.look_again(&passed)).await?);
        } else {
            failures.push(happy.clone());
        }
        failures.sort_by_key(|trial| trial.schedule.clone());
        failures.dedup_by(|a, b| a.schedule == b.schedule);
        // The worst first, and of these the simplest.
        failures.sort_by_key(|trial| (trial.meanings.clone(), trial.schedule.len()));
        let seen: BTreeSet<_> = failures.iter().flat_map(|trial| trial.reached.keys()).cloned().collect();
        let learned =
            |operation: &String| happy.reached.contains_key(operation) || planner.undos().contains(operation);
        Ok(Some(Findings {
            undos: planner.undos().clone(),
            unreached: seen.into_iter().filter(|operation| !learned(operation)).collect(),
            waived: self.waived,
            orders: self.placed.into_inner(),
            tried: self.tried.into_inner(),
            planned: self.planned.into_inner(),
            cut_short: stop.has_come(),
            took: begun.elapsed(),
            failures,
            calm,
            happy,
        }))
    }

    /// What `work` gives, or what there is without it where somebody has seen enough.
    async fn unless_stopped<T>(
        &self,
        without: T,
        work: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        tokio::select! {
            biased;
            _ = self.stop.come() => Ok(without),
            done = work => done,
        }
    }

    /// An order that nothing happens to: what it calls is what there is to fault.
    async fn happy(&mut self) -> Result<Trial, ExploreError> {
        let before = self.laboratory.provider.latest(1).await?.last().map(|line| line.number);
        let mut happy = self.laboratory.run(self.next_order(), Schedule::happy()).await?;
        let order = happy.order.clone();
        if happy.journal.is_empty() {
            if let Some(answer) = happy.refused {
                return Err(ExploreError::Refused { order, answer });
            }
            let mut others = self.laboratory.provider.latest(50).await?;
            others.retain(|line| before.is_none_or(|before| line.number > before));
            return Err(ExploreError::Silent { order, others });
        }
        match &happy.end {
            End::Ended(ended) if !ended.shipped => {
                return Err(ExploreError::NotShipped { order, said: ended.said.clone() });
            }
            End::Never(heard) => {
                let patience = self.laboratory.system.patience;
                return Err(ExploreError::NeverEnds { order, heard: heard.clone(), patience });
            }
            End::Ended(_) => {}
        }
        let binds = |contradiction: &Contradiction| {
            let need = NEEDS.iter().find(|(rule, _)| *rule == contradiction.rule);
            need.is_none_or(|(_, context)| {
                happy.reached.keys().any(|operation| operation.starts_with(context))
            })
        };
        let waived = happy.contradictions.iter().filter(|found| !binds(found));
        self.waived = waived.map(|contradiction| contradiction.rule.clone()).collect();
        self.waive(&mut happy).await?;
        Ok(happy)
    }

    async fn trial(&self, schedule: Schedule) -> Result<Trial, ProviderError> {
        let mut trial = self.laboratory.run(self.next_order(), schedule).await?;
        self.waive(&mut trial).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(trial.schedule.clone(), trial.meanings.clone());
        Ok(trial)
    }

    /// Leaves out what doesn't bind this system.
    async fn waive(&self, trial: &mut Trial) -> Result<(), ProviderError> {
        if trial.contradictions.iter().any(|found| self.waived.contains(&found.rule)) {
            trial.contradictions.retain(|found| !self.waived.contains(&found.rule));
            let ledger = self.laboratory.provider.entries(&trial.order).await?;
            trial.meanings = trial.contradictions.iter().map(|found| Meaning::of(found, &ledger)).collect();
        }
        Ok(())
    }

    fn next_order(&self) -> String {
        format!("{}-{}", self.way.prefix, self.placed.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn announce(&self, wave: &[Candidate], happy: &Trial, what: &str) {
        self.planned.fetch_add(wave.len(), Ordering::Relaxed);
        let rounds = wave.len().div_ceil(self.way.jobs.max(1));
        let time = happy.took * u32::try_from(rounds).unwrap_or(u32::MAX);
        say(&format!(
            "{} {what}, {} at a time: {} if each takes as long as the happy order",
            wave.len(),
            self.way.jobs,
            humantime(time)
        ));
    }

    /// Tries each schedule, or as many as there is time for, and gives those that passed; in their own order,
    /// however they finished.
    async fn wave(
        &self,
        wave: Vec<Candidate>,
        failures: &mut Vec<Trial>,
    ) -> Result<Vec<Passed>, ProviderError> {
        let bar = self.screen.bar(wave.len());
        let trials = stream::iter(wave).enumerate().map(|(place, candidate)| {
            let bar = &bar;
            async move {
                let trial = self.trial(candidate.schedule.clone()).await?;
                self.tried.fetch_add(1, Ordering::Relaxed);
                bar.tried(&trial);
                Ok::<_, ProviderError>((place, candidate, trial))
            }
        });
        let trials = trials.buffer_unordered(self.way.jobs.max(1)).take_until(self.stop.come().boxed());
        let mut tried: Vec<_> = trials.try_collect().await?;
        tried.sort_by_key(|(place, ..)| *place);
        let mut passed = Vec::new();
        for (_, candidate, trial) in tried {
            if trial.passed() {
                passed.push(Passed { candidate, order: trial.order, reached: trial.reached });
            } else {
                failures.push(trial);
            }
        }
        Ok(passed)
    }

    /// Replaces each schedule by the smallest part of it that fails alike.
    async fn shrink(&self, failures: Vec<Trial>) -> Result<Vec<Trial>, ProviderError> {
        let shrunk = stream::iter(failures).map(|failure| self.smallest(failure));
        shrunk.buffered(self.way.jobs.max(1)).try_collect().await
    }

    async fn smallest(&self, failure: Trial) -> Result<Trial, ProviderError> {
        let entries = failure.schedule.entries(&failure.reached);
        // That it doesn't end takes all our patience each time, and is a finding whatever its size.
        if entries.len() < 2 || failure.meanings.contains(&Meaning::NeverEnds) {
            return Ok(failure);
        }
        say(&format!("shrinking {}", failure.schedule));
        let mut smallest = failure;
        let mut shrink: Shrink<Fault> = Shrink::new(entries);
        while let Some(candidate) = shrink.candidate() {
            let schedule = Schedule::of_entries(&candidate);
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&schedule).cloned();
            let alike = |meanings: &BTreeSet<Meaning>| !meanings.is_disjoint(&smallest.meanings);
            // What is known to pass needs no other order; what fails has to be had, to be shown.
            if known.is_some_and(|meanings| !alike(&meanings)) {
                shrink.tell(false);
                continue;
            }
            let trial = self.trial(schedule).await?;
            let fails = alike(&trial.meanings);
            shrink.tell(fails);
            if fails {
                smallest = trial;
            }
        }
        Ok(smallest)
    }

    /// What passed may have been spoilt since, by something that came late.
    async fn look_again(&self, passed: &[Passed]) -> Result<Vec<Trial>, ProviderError> {
        let looks = stream::iter(passed).map(|passed| async move {
            let found = self.laboratory.provider.contradictions(&passed.order).await?;
            if found.iter().all(|found| self.waived.contains(&found.rule)) {
                return Ok(None);
            }
            let mut trial = self.trial(passed.candidate.schedule.clone()).await?;
            let ledger = self.laboratory.provider.entries(&passed.order).await?;
            trial.order.clone_from(&passed.order);
            trial.meanings = found.iter().map(|found| Meaning::of(found, &ledger)).collect();
            trial.contradictions = found;
            Ok::<_, ProviderError>(Some(trial))
        });
        let looked: Vec<_> = looks.buffered(self.way.jobs.max(1)).try_collect().await?;
        Ok(looked.into_iter().flatten().collect())
    }
}

/// The operations of an order, in words.
#[must_use]
pub fn in_words(reached: &Reached) -> String {
    let calls = reached.iter().map(|(operation, attempts)| match attempts {
        1 => operation.clone(),
        attempts => format!("{operation} ×{attempts}"),
    });
    calls.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(order: Option<&str>) -> Line {
        Line {
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
    fn a_provider_that_was_not_called_for_the_order_is_told_with_what_it_was_called_for() {
        assert!(silent("o", &[]).contains("nor for any other"));
        assert!(silent("o", &[call(None)]).contains("without any order's id (payment.authorize)"));
        assert!(silent("o", &[call(None), call(Some("other-o"))]).contains("but for other-o"));
    }

    #[test]
    fn a_choice_of_what_is_not_there_is_refused_with_what_is() {
        let catalogue =
            Catalogue::from([("a.b".to_owned(), vec!["success".to_owned(), "timeout".to_owned()])]);
        let choice = |operations: &[&str], scenarios: &[&str]| {
            let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            Choice { operations: own(operations), scenarios: own(scenarios) }.of(&catalogue)
        };
        assert_eq!(choice(&[], &[]).unwrap(), catalogue);
        assert_eq!(choice(&["a.b"], &["timeout"]).unwrap()["a.b"], ["timeout"]);
        let refused = choice(&["a.c"], &[]).unwrap_err().to_string();
        assert_eq!(refused, "the provider has no operation \"a.c\"; it has a.b");
        assert!(choice(&[], &["nonsense"]).unwrap_err().to_string().ends_with("it has success, timeout"));
    }
}
