//! One order under one schedule: planned, placed, followed to its end, told, judged.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{
    meaning::Meaning,
    patience,
    planner::Catalogue,
    provider::{Contradiction, Line, Provider, ProviderError, reached},
    schedule::{Reached, Schedule},
    system::{End, System},
};

/// This long without another call to the provider, and an order that has ended is at rest.
const REST: Duration = Duration::from_millis(250);

/// What became of an order.
#[derive(Debug, Clone)]
pub struct Trial {
    pub order: String,
    pub schedule: Schedule,
    pub end: End,
    pub refused: Option<String>,
    pub journal: Vec<Line>,
    pub reached: Reached,
    pub contradictions: Vec<Contradiction>,
    /// What is wrong with it; empty where all is well.
    pub meanings: BTreeSet<Meaning>,
    pub took: Duration,
}

impl Trial {
    #[must_use]
    pub fn passed(&self) -> bool {
        self.meanings.is_empty()
    }
}

/// Where trials are made.
#[derive(Debug)]
pub struct Laboratory {
    pub provider: Provider,
    pub system: System,
    pub catalogue: Catalogue,
    /// How long a contradiction may take to vanish: some systems tell an order's end before they have
    /// cleaned up behind it.
    pub settle: Duration,
}

impl Laboratory {
    /// # Errors
    /// When the provider fails; whatever the system under test does is the trial's result.
    pub async fn run(&self, order: String, schedule: Schedule) -> Result<Trial, ProviderError> {
        let begun = Instant::now();
        let plan = schedule.plan(self.catalogue.keys().map(String::as_str));
        self.provider.plan(&order, &plan).await?;
        let placed = self.system.place(&order).await;
        let took = begun.elapsed();
        let journal = self.at_rest(&order).await?;
        let mut trial = Trial {
            reached: reached(&journal),
            order,
            schedule,
            end: placed.end,
            refused: placed.refused,
            journal,
            contradictions: Vec::new(),
            meanings: BTreeSet::new(),
            took,
        };
        match &trial.end {
            End::Ended(ended) => {
                self.provider.tell(&trial.order, ended.shipped).await?;
                self.judge(&mut trial, self.settle).await?;
            }
            End::Never(_) => {
                trial.meanings.insert(Meaning::NeverEnds);
            }
        }
        Ok(trial)
    }

    /// Asks for the verdict of an order that has ended, for as long as it is bad.
    ///
    /// # Errors
    /// When the provider fails.
    pub async fn judge(&self, trial: &mut Trial, settle: Duration) -> Result<(), ProviderError> {
        let mut contradictions = Vec::new();
        patience::until(settle, async || {
            contradictions = self.provider.contradictions(&trial.order).await?;
            Ok::<_, ProviderError>(contradictions.is_empty().then_some(()))
        })
        .await?;
        if contradictions.is_empty() {
            return Ok(());
        }
        let ledger = self.provider.entries(&trial.order).await?;
        trial.meanings = contradictions.iter().map(|found| Meaning::of(found, &ledger)).collect();
        trial.contradictions = contradictions;
        Ok(())
    }

    /// The order's calls once none is being executed and no other follows.
    async fn at_rest(&self, order: &str) -> Result<Vec<Line>, ProviderError> {
        let mut journal = self.provider.journal(order).await?;
        let mut since = Instant::now();
        patience::until(self.system.patience, async || {
            let now = self.provider.journal(order).await?;
            if now != journal || now.iter().any(|line| line.response.is_none()) {
                journal = now;
                since = Instant::now();
            }
            Ok::<_, ProviderError>((since.elapsed() >= REST).then_some(()))
        })
        .await?;
        Ok(journal)
    }
}
