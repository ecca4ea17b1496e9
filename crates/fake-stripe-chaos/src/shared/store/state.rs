//! All that one run knows, and a transaction over it: what the stores have in common.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use super::{Records, Settings, StoreError};
use crate::shared::{
    chaos::{Attempts, PlannedScript, Plans},
    idempotency::{Idempotency, InFlight, Record},
    ids::{Key, OrderId},
    journal::{self, Journal, Line},
    ledger::{Entry, Ledger, NewEntry, Totals},
    operation::Operation,
    orders::{Orders, Told},
};

/// How many writes an operation makes that makes something.
const USUALLY: usize = 8;

pub(super) type Plan = BTreeMap<Operation, PlannedScript>;

#[derive(Default)]
pub(super) struct State {
    /// By kind and id.
    pub records: HashMap<Cow<'static, str>, HashMap<Arc<str>, Arc<str>>>,
    pub keys: HashMap<Key, Arc<Record>>,
    pub tombstones: HashMap<Key, u64>,
    pub entries: Vec<Arc<Entry>>,
    /// Where in `entries` those of an order, or of none, are.
    pub entries_of: HashMap<Option<OrderId>, Vec<usize>>,
    pub totals: Totals,
    pub orders: HashMap<OrderId, Option<Told>>,
    pub attempts: HashMap<Operation, HashMap<Arc<str>, u32>>,
    pub plans: HashMap<OrderId, Plan>,
    pub settings: HashMap<Cow<'static, str>, String>,
    /// What ends with the process, in every store: requests that are being executed,
    in_flight: HashMap<Key, InFlight>,
    /// and the journal.
    journal: VecDeque<Arc<Line>>,
    /// The number of the journal's first line.
    journal_start: u64,
}

/// One write: where it was, and what was there before.
#[allow(
    clippy::option_option,
    reason = "an order unknown, one without an outcome, and one with are three things"
)]
pub(super) enum Change {
    Record { kind: &'static str, id: Arc<str>, before: Option<Arc<str>> },
    Key { key: Key, before: Option<Arc<Record>> },
    Tombstone { key: Key, before: Option<u64> },
    Entry { index: usize, totals: Totals },
    Order { order: OrderId, before: Option<Option<Told>> },
    Attempts { operation: Operation, key: Arc<str>, before: Option<u32> },
    Plan { order: OrderId, before: Option<Plan> },
    Setting { name: &'static str, before: Option<String> },
    InFlight { key: Key, before: Option<InFlight> },
    Noted { forgotten: Option<Arc<Line>> },
    Amended { number: u64, before: Arc<Line> },
    ForgotJournal { lines: VecDeque<Arc<Line>>, start: u64 },
}

impl Change {
    /// Whether it is to outlive the process.
    pub const fn lasts(&self) -> bool {
        match self {
            Self::Record { .. }
            | Self::Key { .. }
            | Self::Tombstone { .. }
            | Self::Entry { .. }
            | Self::Order { .. }
            | Self::Attempts { .. }
            | Self::Plan { .. }
            | Self::Setting { .. } => true,
            Self::InFlight { .. }
            | Self::Noted { .. }
            | Self::Amended { .. }
            | Self::ForgotJournal { .. } => false,
        }
    }
}

impl State {
    pub fn push(&mut self, entry: Entry) {
        let order = entry.entry.order.clone();
        self.entries_of.entry(order).or_default().push(self.entries.len());
        self.entries.push(Arc::new(entry));
    }

    /// Takes changes back, the newest first.
    pub fn undo(&mut self, changes: Vec<Change>) {
        changes.into_iter().rev().for_each(|change| self.undo_one(change));
    }

    fn undo_one(&mut self, change: Change) {
        match change {
            Change::Record { kind, id, before } => {
                restore(self.records.entry(Cow::Borrowed(kind)).or_default(), id, before);
            }
            Change::Key { key, before } => restore(&mut self.keys, key, before),
            Change::Tombstone { key, before } => restore(&mut self.tombstones, key, before),
            Change::Entry { index, totals } => {
                for entry in self.entries.drain(index..) {
                    if let Some(indices) = self.entries_of.get_mut(&entry.entry.order) {
                        indices.pop();
                    }
                }
                self.totals = totals;
            }
            Change::Order { order, before: Some(told) } => {
                self.orders.insert(order, told);
            }
            Change::Order { order, before: None } => {
                self.orders.remove(&order);
            }
            Change::Attempts { operation, key, before } => {
                restore(self.attempts.entry(operation).or_default(), key, before);
            }
            Change::Plan { order, before } => restore(&mut self.plans, order, before),
            Change::Setting { name, before } => restore(&mut self.settings, Cow::Borrowed(name), before),
            Change::InFlight { key, before } => restore(&mut self.in_flight, key, before),
            Change::Noted { forgotten } => {
                self.journal.pop_back();
                if let Some(line) = forgotten {
                    self.journal_start -= 1;
                    self.journal.push_front(line);
                }
            }
            Change::Amended { number, before } => {
                if let Some(place) = self.line(number) {
                    *place = before;
                }
            }
            Change::ForgotJournal { lines, start } => {
                self.journal = lines;
                self.journal_start = start;
            }
        }
    }

    fn line(&mut self, number: u64) -> Option<&mut Arc<Line>> {
        let position = usize::try_from(number.checked_sub(self.journal_start)?).ok()?;
        self.journal.get_mut(position)
    }
}

fn restore<K: std::hash::Hash + Eq, V>(map: &mut HashMap<K, V>, key: K, before: Option<V>) {
    match before {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

/// Writes at once, and notes each write; what isn't committed when it is dropped is taken back.
pub(super) struct StateTransaction<'a> {
    state: &'a mut State,
    changes: Vec<Change>,
}

impl<'a> StateTransaction<'a> {
    pub fn new(state: &'a mut State) -> Self {
        Self { state, changes: Vec::with_capacity(USUALLY) }
    }

    /// Keeps what was written, and says what that was.
    pub fn commit(mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    fn set_order(&mut self, order: &OrderId, told: Option<Told>) {
        let before = self.state.orders.insert(order.clone(), told);
        self.changes.push(Change::Order { order: order.clone(), before });
    }
}

impl Drop for StateTransaction<'_> {
    fn drop(&mut self) {
        self.state.undo(std::mem::take(&mut self.changes));
    }
}

impl Records for StateTransaction<'_> {
    fn get(&self, kind: &'static str, id: &str) -> Result<Option<Arc<str>>, StoreError> {
        Ok(self.state.records.get(kind).and_then(|records| records.get(id)).cloned())
    }

    fn put(&mut self, kind: &'static str, id: &str, record: String) -> Result<(), StoreError> {
        let records = self.state.records.entry(Cow::Borrowed(kind)).or_default();
        let id: Arc<str> = id.into();
        let before = records.insert(Arc::clone(&id), record.into());
        self.changes.push(Change::Record { kind, id, before });
        Ok(())
    }
}

impl Idempotency for StateTransaction<'_> {
    fn record(&self, key: &Key) -> Result<Option<Arc<Record>>, StoreError> {
        Ok(self.state.keys.get(key).cloned())
    }

    fn set_record(&mut self, key: &Key, record: Record) -> Result<(), StoreError> {
        let before = self.state.keys.insert(key.clone(), Arc::new(record));
        self.changes.push(Change::Key { key: key.clone(), before });
        Ok(())
    }

    fn in_flight(&self, key: &Key) -> Result<Option<InFlight>, StoreError> {
        Ok(self.state.in_flight.get(key).copied())
    }

    fn set_in_flight(&mut self, key: &Key, flight: Option<InFlight>) -> Result<(), StoreError> {
        let before = match flight {
            Some(flight) => self.state.in_flight.insert(key.clone(), flight),
            None => self.state.in_flight.remove(key),
        };
        self.changes.push(Change::InFlight { key: key.clone(), before });
        Ok(())
    }

    fn tombstone(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        Ok(self.state.tombstones.get(key).copied())
    }

    fn set_tombstone(&mut self, key: &Key, sequence: u64) -> Result<(), StoreError> {
        let before = self.state.tombstones.insert(key.clone(), sequence);
        self.changes.push(Change::Tombstone { key: key.clone(), before });
        Ok(())
    }
}

impl Ledger for StateTransaction<'_> {
    fn append(&mut self, entry: NewEntry) -> Result<u64, StoreError> {
        if let Some(order) = &entry.order {
            self.see_order(order)?;
        }
        let index = self.state.entries.len();
        let sequence = index as u64 + 1;
        self.changes.push(Change::Entry { index, totals: self.state.totals.clone() });
        self.state.totals.post(&entry.posting);
        self.state.push(Entry { sequence, entry });
        Ok(sequence)
    }

    fn entries_of(&self, order: Option<&OrderId>) -> Result<Vec<Entry>, StoreError> {
        let indices = self.state.entries_of.get(&order.cloned()).map(Vec::as_slice).unwrap_or_default();
        Ok(indices
            .iter()
            .filter_map(|&index| self.state.entries.get(index))
            .map(|entry| Entry::clone(entry))
            .collect())
    }

    fn each_entry(&self, see: &mut dyn FnMut(&Entry)) -> Result<(), StoreError> {
        self.state.entries.iter().for_each(|entry| see(entry));
        Ok(())
    }

    fn totals(&self) -> Result<Totals, StoreError> {
        Ok(self.state.totals.clone())
    }
}

impl Orders for StateTransaction<'_> {
    fn see_order(&mut self, order: &OrderId) -> Result<(), StoreError> {
        if !self.state.orders.contains_key(order) {
            self.set_order(order, None);
        }
        Ok(())
    }

    fn knows_order(&self, order: &OrderId) -> Result<bool, StoreError> {
        Ok(self.state.orders.contains_key(order))
    }

    fn orders(&self) -> Result<Vec<OrderId>, StoreError> {
        let mut orders: Vec<_> = self.state.orders.keys().cloned().collect();
        orders.sort_unstable();
        Ok(orders)
    }

    fn outcome(&self, order: &OrderId) -> Result<Option<Told>, StoreError> {
        Ok(self.state.orders.get(order).copied().flatten())
    }

    fn set_outcome(&mut self, order: &OrderId, told: Told) -> Result<(), StoreError> {
        self.set_order(order, Some(told));
        Ok(())
    }
}

impl Attempts for StateTransaction<'_> {
    fn attempts(&self, operation: Operation, key: &str) -> Result<u32, StoreError> {
        Ok(self.state.attempts.get(&operation).and_then(|of| of.get(key)).copied().unwrap_or(0))
    }

    fn set_attempts(&mut self, operation: Operation, key: &str, attempts: u32) -> Result<(), StoreError> {
        let key: Arc<str> = key.into();
        let before = self.state.attempts.entry(operation).or_default().insert(Arc::clone(&key), attempts);
        self.changes.push(Change::Attempts { operation, key, before });
        Ok(())
    }
}

impl Plans for StateTransaction<'_> {
    fn plan(&self, order: &OrderId, operation: Operation) -> Result<Option<PlannedScript>, StoreError> {
        Ok(self.state.plans.get(order).and_then(|plan| plan.get(&operation)).cloned())
    }

    fn set_plan(&mut self, order: &OrderId, plan: Plan) -> Result<(), StoreError> {
        let before = if plan.is_empty() {
            self.state.plans.remove(order)
        } else {
            self.state.plans.insert(order.clone(), plan)
        };
        self.changes.push(Change::Plan { order: order.clone(), before });
        Ok(())
    }
}

impl Settings for StateTransaction<'_> {
    fn setting(&self, name: &'static str) -> Result<Option<String>, StoreError> {
        Ok(self.state.settings.get(name).cloned())
    }

    fn set_setting(&mut self, name: &'static str, value: Option<String>) -> Result<(), StoreError> {
        let before = match value {
            Some(value) => self.state.settings.insert(Cow::Borrowed(name), value),
            None => self.state.settings.remove(name),
        };
        self.changes.push(Change::Setting { name, before });
        Ok(())
    }
}

impl Journal for StateTransaction<'_> {
    fn note(&mut self, line: Arc<Line>) -> Result<u64, StoreError> {
        let number = self.state.journal_start + self.state.journal.len() as u64;
        self.state.journal.push_back(line);
        let forgotten = if self.state.journal.len() > journal::CAPACITY {
            self.state.journal_start += 1;
            self.state.journal.pop_front()
        } else {
            None
        };
        self.changes.push(Change::Noted { forgotten });
        Ok(number)
    }

    fn amend(&mut self, number: u64, line: Arc<Line>) -> Result<(), StoreError> {
        if let Some(place) = self.state.line(number) {
            let before = std::mem::replace(place, line);
            self.changes.push(Change::Amended { number, before });
        }
        Ok(())
    }

    fn each_line(&self, see: &mut dyn FnMut(u64, &Arc<Line>) -> bool) -> Result<(), StoreError> {
        for (index, line) in self.state.journal.iter().enumerate().rev() {
            if !see(self.state.journal_start + index as u64, line) {
                break;
            }
        }
        Ok(())
    }

    fn forget(&mut self) -> Result<usize, StoreError> {
        let start = self.state.journal_start;
        let lines = std::mem::take(&mut self.state.journal);
        let count = lines.len();
        self.state.journal_start += count as u64;
        self.changes.push(Change::ForgotJournal { lines, start });
        Ok(count)
    }
}
