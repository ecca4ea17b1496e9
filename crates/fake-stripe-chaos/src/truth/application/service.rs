//! The use cases of the truth.

use std::{collections::BTreeMap, sync::Arc};

use super::commands::{JournalQuery, TellOutcome, VerdictQuery};
use crate::{
    shared::{
        clock::{Clock, Timestamp},
        deps::Deps,
        ids::OrderId,
        journal::JournalEntry,
        ledger::{Entry, NewEntry, Posting, Totals},
        orders::{Outcome, RecordedOutcome},
        store::{Store, StoreError, Transaction},
    },
    truth::domain::{Expired, Facts, Standing, TruthError, Verdict},
};

/// How many orders are judged in one transaction.
const PAGE: usize = 200;

pub struct TruthService {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

/// All that one order ever caused.
#[derive(Debug, Clone)]
pub struct OrderHistory {
    pub told: Option<RecordedOutcome>,
    pub entries: Vec<Entry>,
}

impl TruthService {
    #[must_use]
    pub fn new(deps: &Deps) -> Self {
        Self { store: Arc::clone(&deps.store), clock: Arc::clone(&deps.clock) }
    }

    /// The sums of all entries, and what of them has ended by itself.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn totals(&self) -> Result<(Totals, Expired), StoreError> {
        let now = self.clock.now();
        self.store
            .transact(move |tx| {
                let mut standing = Standing::default();
                tx.visit_entries(&mut |entry| standing.see(&entry.entry))?;
                Ok((tx.totals()?, standing.expired(now)))
            })
            .await
    }

    /// # Errors
    /// When the store fails, or [`TruthError::UnknownOrder`] inside.
    pub async fn history(&self, order: OrderId) -> Result<Result<OrderHistory, TruthError>, StoreError> {
        self.store
            .transact(move |tx| {
                if !tx.has_order(&order)? {
                    return Ok(Err(TruthError::UnknownOrder(order.to_string())));
                }
                Ok(Ok(OrderHistory { told: tx.outcome(&order)?, entries: tx.entries_for(Some(&order))? }))
            })
            .await
    }

    /// Notes how an order ended. The reservation of an order that shipped is used by that, and no longer
    /// expires. The same again changes nothing; an order that didn't ship, or is paid, may
    /// go on, and ship.
    ///
    /// # Errors
    /// When the store fails, or [`TruthError::AlreadyShipped`] inside.
    pub async fn tell(
        &self,
        command: TellOutcome,
    ) -> Result<Result<RecordedOutcome, TruthError>, StoreError> {
        let now = self.clock.now();
        self.store
            .transact(move |tx| {
                let TellOutcome { order_id: order, outcome } = command;
                match tx.outcome(&order)? {
                    Some(told) if told.outcome == outcome => return Ok(Ok(told)),
                    Some(RecordedOutcome { outcome: Outcome::Shipped, .. }) => {
                        return Ok(Err(TruthError::AlreadyShipped));
                    }
                    Some(RecordedOutcome { outcome: Outcome::Paid | Outcome::NotShipped, .. }) | None => {}
                }
                let told = RecordedOutcome { outcome, at: now };
                tx.set_outcome(&order, told)?;
                if outcome == Outcome::Shipped {
                    fulfil(tx, &order, now)?;
                }
                Ok(Ok(told))
            })
            .await
    }

    /// # Errors
    /// When the store fails, or [`TruthError::UnknownOrder`] inside: of an order that nobody ever asked or
    /// told anything for, there is nothing to judge.
    pub async fn verdict(&self, query: VerdictQuery) -> Result<Result<Verdict, TruthError>, StoreError> {
        let (now, final_too) = (self.clock.now(), query.everything_is_over);
        if let Some(order) = query.order_id {
            return self.store.transact(move |tx| judged(tx, order, now, final_too)).await;
        }
        // Page by page: each order is judged in one piece, and no request waits for all of them.
        let mut orders = self.store.transact(|tx| tx.orders()).await?.into_iter();
        let mut verdict = Verdict::default();
        loop {
            let page: Vec<_> = orders.by_ref().take(PAGE).collect();
            if page.is_empty() {
                break;
            }
            let judge = move |tx: &mut dyn Transaction| {
                for order in page {
                    verdict.judge(&facts(tx, Some(order), now)?, final_too);
                }
                Ok(verdict)
            };
            verdict = self.store.transact(judge).await?;
        }
        let judge = move |tx: &mut dyn Transaction| {
            verdict.judge(&facts(tx, None, now)?, final_too);
            let mut of_entries = Totals::default();
            tx.visit_entries(&mut |entry| of_entries.post(&entry.entry.posting))?;
            verdict.judge_totals(&tx.totals()?, &of_entries);
            Ok(Ok(verdict))
        };
        self.store.transact(judge).await
    }

    /// The lines that fit, the newest first, each with its number.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn journal(&self, query: JournalQuery) -> Result<Vec<(u64, Arc<JournalEntry>)>, StoreError> {
        self.store
            .transact(move |tx| {
                let mut lines = Vec::new();
                tx.visit_lines(&mut |number, line| {
                    if lines.len() < query.limit && query.fits(line) {
                        lines.push((number, Arc::clone(line)));
                    }
                    lines.len() < query.limit
                })?;
                Ok(lines)
            })
            .await
    }

    /// Forgets the journal, and says how many lines it had.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_journal(&self) -> Result<usize, StoreError> {
        self.store.transact(|tx| tx.clear_journal()).await
    }
}

impl JournalQuery {
    fn fits(&self, line: &JournalEntry) -> bool {
        let same = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        same(&self.operation, Some(line.operation.name()))
            && same(&self.order_id, line.order.as_ref().map(OrderId::as_str))
            && same(&self.scenario, line.decided.as_ref().map(|decided| decided.decision.scenario.name))
    }
}

/// Enters into the ledger that the reservations of an order were used.
fn fulfil(tx: &mut dyn Transaction, order: &OrderId, now: Timestamp) -> Result<(), StoreError> {
    let facts = facts(tx, Some(order.clone()), now)?;
    for reservation in facts.live_reservations() {
        tx.append(NewEntry {
            at: now,
            operation: None,
            order: Some(order.clone()),
            key: None,
            resource: Some(reservation.to_owned()),
            posting: Posting::Fulfilled,
        })?;
    }
    Ok(())
}

/// The verdict on one order.
fn judged(
    tx: &dyn Transaction,
    order: OrderId,
    now: Timestamp,
    final_too: bool,
) -> Result<Result<Verdict, TruthError>, StoreError> {
    if !tx.has_order(&order)? {
        return Ok(Err(TruthError::UnknownOrder(order.to_string())));
    }
    let mut verdict = Verdict::default();
    verdict.judge(&facts(tx, Some(order), now)?, final_too);
    Ok(Ok(verdict))
}

fn facts(tx: &dyn Transaction, order: Option<OrderId>, now: Timestamp) -> Result<Facts, StoreError> {
    let entries = tx.entries_for(order.as_ref())?;
    let mut tombstones = BTreeMap::new();
    for key in entries.iter().filter_map(|entry| entry.entry.key.as_ref()) {
        if let Some(sequence) = tx.tombstone(key)? {
            tombstones.insert(key.clone(), sequence);
        }
    }
    let told = order.as_ref().map(|order| tx.outcome(order)).transpose()?.flatten();
    Ok(Facts { order, told, entries, tombstones, now })
}
