//! Runs one order under one schedule: plans, places and follows it, records its outcome, reads the verdict.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::{
    finding::FindingKind,
    planner::Catalogue,
    poll,
    provider::{Contradiction, JournalEntry, Provider, ProviderError, reached},
    schedule::{Reached, Schedule},
    system::{End, System},
};

/// An ended order without a further call for this long makes no more calls.
const QUIET_PERIOD: Duration = Duration::from_millis(250);

/// Holds the result of one order under one schedule.
#[derive(Debug, Clone)]
pub struct Trial {
    pub order: String,
    pub schedule: Schedule,
    pub end: End,
    pub refused: Option<String>,
    pub journal: Vec<JournalEntry>,
    pub reached: Reached,
    pub contradictions: Vec<Contradiction>,
    /// The kinds of findings; empty when the order passed.
    pub kinds: BTreeSet<FindingKind>,
    pub elapsed: Duration,
}

impl Trial {
    #[must_use]
    pub fn passed(&self) -> bool {
        self.kinds.is_empty()
    }
}

/// Runs trials.
#[derive(Debug)]
pub struct TrialRunner {
    pub provider: Provider,
    pub system: System,
    pub catalogue: Catalogue,
    /// The time that a contradiction may last, since some systems report a final status before their compensations
    /// end.
    pub settle: Duration,
}

impl TrialRunner {
    /// Runs one order under a schedule.
    ///
    /// # Errors
    /// Returns an error when the provider fails. A failure of the system under test is the trial's result.
    pub async fn run(&self, order: String, schedule: Schedule) -> Result<Trial, ProviderError> {
        let started_at = Instant::now();
        let plan = schedule.plan(self.catalogue.keys().map(String::as_str));
        self.provider.plan(&order, &plan).await?;
        let placed = self.system.place(&order).await;
        let elapsed = started_at.elapsed();
        let journal = self.journal_when_quiet(&order).await?;
        let mut trial = Trial {
            reached: reached(&journal),
            order,
            schedule,
            end: placed.end,
            refused: placed.refused,
            journal,
            contradictions: Vec::new(),
            kinds: BTreeSet::new(),
            elapsed,
        };
        match &trial.end {
            End::Ended(ended) => {
                self.provider.report_outcome(&trial.order, ended.shipped).await?;
                self.judge(&mut trial, self.settle).await?;
            }
            End::Never(_) => {
                trial.kinds.insert(FindingKind::NeverEnds);
            }
        }
        Ok(trial)
    }

    /// Asks for the verdict of an ended order until it has no contradiction, or `settle` is over.
    ///
    /// # Errors
    /// Returns an error when the provider fails.
    pub async fn judge(&self, trial: &mut Trial, settle: Duration) -> Result<(), ProviderError> {
        let mut contradictions = Vec::new();
        poll::until_some(settle, async || {
            contradictions = self.provider.contradictions(&trial.order).await?;
            Ok::<_, ProviderError>(contradictions.is_empty().then_some(()))
        })
        .await?;
        if contradictions.is_empty() {
            return Ok(());
        }
        let ledger = self.provider.entries(&trial.order).await?;
        trial.kinds = contradictions.iter().map(|found| FindingKind::classify(found, &ledger)).collect();
        trial.contradictions = contradictions;
        Ok(())
    }

    /// Returns the order's calls, once none is in progress and no other follows.
    async fn journal_when_quiet(&self, order: &str) -> Result<Vec<JournalEntry>, ProviderError> {
        let mut journal = self.provider.journal(order).await?;
        let mut since = Instant::now();
        poll::until_some(self.system.time_limit, async || {
            let now = self.provider.journal(order).await?;
            if now != journal || now.iter().any(|line| line.response.is_none()) {
                journal = now;
                since = Instant::now();
            }
            Ok::<_, ProviderError>((since.elapsed() >= QUIET_PERIOD).then_some(()))
        })
        .await?;
        Ok(journal)
    }
}
