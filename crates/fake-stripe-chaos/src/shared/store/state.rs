//! The state of one run and its transaction, which all stores share.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, atomic::Ordering},
};

use super::{
    Attempts, Plans, Record, Records, Settings, StoreError,
    limits::{Dropped, Limits, Sizes},
};
use crate::shared::{
    chaos::{ChaosKey, PlannedScript},
    clock::Timestamp,
    idempotency::{ANSWER_RETENTION, Idempotency, InFlight, KeyRecord},
    ids::{Key, OrderId},
    journal::{self, Journal, JournalEntry},
    ledger::{Entry, Ledger, NewEntry, Totals},
    operation::Operation,
    orders::{Orders, RecordedOutcome},
};

/// The usual number of writes of an operation.
const EXPECTED_CHANGES: usize = 8;

pub(super) type Plan = BTreeMap<Operation, PlannedScript>;

#[derive(Default)]
pub(super) struct State {
    /// By kind and id.
    pub records: HashMap<Cow<'static, str>, HashMap<Arc<str>, Arc<str>>>,
    pub keys: HashMap<Key, Arc<KeyRecord>>,
    pub tombstones: HashMap<Key, u64>,
    pub entries: Vec<Arc<Entry>>,
    /// The indices in `entries` of the entries of an order, or without one.
    pub entries_of: HashMap<Option<OrderId>, Vec<usize>>,
    pub totals: Totals,
    pub orders: HashMap<OrderId, Option<RecordedOutcome>>,
    pub attempts: HashMap<Operation, HashMap<Arc<str>, Counted>>,
    pub plans: HashMap<OrderId, Plan>,
    pub settings: HashMap<Cow<'static, str>, String>,
    /// The requests in flight. Like the journal, they end with the process in every store.
    in_flight: HashMap<Key, InFlight>,
    /// The journal.
    journal: VecDeque<Arc<JournalEntry>>,
    /// The number of the journal's first line.
    journal_start: u64,
    /// The bytes of the journal's lines.
    journal_bytes: usize,
    /// The attempts without an order, the oldest first. They may be dropped.
    attempts_of_requests: VecDeque<(Operation, Arc<str>)>,
    /// The refused keys with the time of their records, the oldest first. They may be dropped.
    refusals: VecDeque<(Timestamp, Key)>,
    limits: Limits,
    dropped: Arc<Dropped>,
}

/// The number of decisions for an operation and a chaos key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub attempts: u32,
    /// True if the count belongs to an order and is never dropped.
    pub of_order: bool,
}

/// One write: its place and its previous value.
#[allow(
    clippy::option_option,
    reason = "an order unknown, one without an outcome, and one with are three things"
)]
pub(super) enum Change {
    Record {
        kind: &'static str,
        id: Arc<str>,
        before: Option<Arc<str>>,
    },
    Key {
        key: Key,
        before: Option<Arc<KeyRecord>>,
        queued: bool,
    },
    /// The oldest refusal was dropped, unless another record has replaced it.
    DroppedRefusal {
        at: Timestamp,
        key: Key,
        record: Option<Arc<KeyRecord>>,
    },
    Tombstone {
        key: Key,
        before: Option<u64>,
    },
    Entry {
        index: usize,
        totals: Totals,
    },
    Order {
        order: OrderId,
        before: Option<Option<RecordedOutcome>>,
    },
    Attempts {
        operation: Operation,
        key: Arc<str>,
        before: Option<Counted>,
        queued: bool,
    },
    /// The oldest attempts without an order were dropped, unless an order shares the key.
    DroppedAttempts {
        operation: Operation,
        key: Arc<str>,
        counted: Option<Counted>,
    },
    Plan {
        order: OrderId,
        before: Option<Plan>,
    },
    Setting {
        name: &'static str,
        before: Option<String>,
    },
    InFlight {
        key: Key,
        before: Option<InFlight>,
    },
    /// A line was added, and the oldest ones were dropped.
    JournalAppended {
        forgotten: Vec<Arc<JournalEntry>>,
    },
    JournalReplaced {
        number: u64,
        before: Arc<JournalEntry>,
    },
    JournalCleared {
        lines: VecDeque<Arc<JournalEntry>>,
        start: u64,
    },
}

impl Change {
    /// Returns true if the change outlives the process.
    pub const fn is_durable(&self) -> bool {
        match self {
            Self::Record { .. }
            | Self::Key { .. }
            | Self::DroppedRefusal { .. }
            | Self::Tombstone { .. }
            | Self::Entry { .. }
            | Self::Order { .. }
            | Self::Attempts { .. }
            | Self::DroppedAttempts { .. }
            | Self::Plan { .. }
            | Self::Setting { .. } => true,
            Self::InFlight { .. }
            | Self::JournalAppended { .. }
            | Self::JournalReplaced { .. }
            | Self::JournalCleared { .. } => false,
        }
    }
}

impl State {
    /// Creates an empty state that counts its dropped records in `dropped`.
    pub fn new(limits: Limits, dropped: Arc<Dropped>) -> Self {
        Self { limits, dropped, ..Self::default() }
    }

    /// Adds the records of a file to the queues of the limits. A file does not have the age of attempts.
    pub fn enqueue(&mut self) {
        let refused = self.keys.iter().filter(|(_, record)| record.answer.is_refusal());
        let mut refusals: Vec<_> = refused.map(|(key, record)| (record.at, key.clone())).collect();
        refusals.sort_unstable();
        self.refusals = refusals.into();
        for (operation, keys) in &self.attempts {
            let of_requests = keys.iter().filter(|(_, counted)| !counted.of_order);
            self.attempts_of_requests.extend(of_requests.map(|(key, _)| (*operation, Arc::clone(key))));
        }
    }

    pub fn sizes(&self) -> Sizes {
        let attempts: usize = self.attempts.values().map(HashMap::len).sum();
        Sizes {
            resources: self.records.values().map(HashMap::len).sum(),
            entries: self.entries.len(),
            orders: self.orders.len(),
            tombstones: self.tombstones.len(),
            effects: self.keys.len().saturating_sub(self.refusals.len()),
            refusals: self.refusals.len(),
            in_flight: self.in_flight.len(),
            attempts_of_orders: attempts.saturating_sub(self.attempts_of_requests.len()),
            attempts_of_requests: self.attempts_of_requests.len(),
            plans: self.plans.len(),
            journal_lines: self.journal.len(),
            journal_bytes: self.journal_bytes,
        }
    }

    pub fn push(&mut self, entry: Entry) {
        let order = entry.entry.order.clone();
        self.entries_of.entry(order).or_default().push(self.entries.len());
        self.entries.push(Arc::new(entry));
    }

    /// Rolls changes back, the newest first.
    pub fn roll_back(&mut self, changes: Vec<Change>) {
        changes.into_iter().rev().for_each(|change| self.roll_back_one(change));
    }

    fn roll_back_one(&mut self, change: Change) {
        match change {
            Change::Record { kind, id, before } => {
                restore(self.records.entry(Cow::Borrowed(kind)).or_default(), id, before);
            }
            Change::Key { key, before, queued } => {
                if queued {
                    self.refusals.pop_back();
                }
                restore(&mut self.keys, key, before);
            }
            Change::DroppedRefusal { at, key, record } => {
                self.refusals.push_front((at, key.clone()));
                if let Some(record) = record {
                    self.keys.insert(key, record);
                }
            }
            Change::Tombstone { key, before } => restore(&mut self.tombstones, key, before),
            Change::Entry { index, totals } => {
                for entry in self.entries.drain(index..) {
                    if let Some(indices) = self.entries_of.get_mut(&entry.entry.order) {
                        indices.pop();
                    }
                }
                self.totals = totals;
            }
            Change::Order { order, before: Some(outcome) } => {
                self.orders.insert(order, outcome);
            }
            Change::Order { order, before: None } => {
                self.orders.remove(&order);
            }
            Change::Attempts { operation, key, before, queued } => {
                if queued {
                    self.attempts_of_requests.pop_back();
                }
                restore(self.attempts.entry(operation).or_default(), key, before);
            }
            Change::DroppedAttempts { operation, key, counted } => {
                self.attempts_of_requests.push_front((operation, Arc::clone(&key)));
                if let Some(counted) = counted {
                    self.attempts.entry(operation).or_default().insert(key, counted);
                }
            }
            Change::Plan { order, before } => restore(&mut self.plans, order, before),
            Change::Setting { name, before } => restore(&mut self.settings, Cow::Borrowed(name), before),
            Change::InFlight { key, before } => restore(&mut self.in_flight, key, before),
            Change::JournalAppended { forgotten } => {
                self.journal_bytes -= self.journal.pop_back().map_or(0, |line| line.bytes());
                for line in forgotten.into_iter().rev() {
                    self.journal_start -= 1;
                    self.journal_bytes += line.bytes();
                    self.journal.push_front(line);
                }
            }
            Change::JournalReplaced { number, before } => {
                self.amend(number, before);
            }
            Change::JournalCleared { lines, start } => {
                self.journal_bytes = lines.iter().map(|line| line.bytes()).sum();
                self.journal = lines;
                self.journal_start = start;
            }
        }
    }

    /// Replaces a line of the journal, and returns the previous one.
    fn amend(&mut self, number: u64, line: Arc<JournalEntry>) -> Option<Arc<JournalEntry>> {
        let position = usize::try_from(number.checked_sub(self.journal_start)?).ok()?;
        let place = self.journal.get_mut(position)?;
        let bytes = line.bytes();
        let before = std::mem::replace(place, line);
        self.journal_bytes = self.journal_bytes + bytes - before.bytes();
        Some(before)
    }

    /// Removes the journal's oldest line while the journal is too large, but never its last one.
    fn shorten_journal(&mut self) -> Vec<Arc<JournalEntry>> {
        let mut forgotten = Vec::new();
        while self.journal.len() > journal::CAPACITY
            || (self.journal.len() > 1 && self.journal_bytes > self.limits.journal_bytes)
        {
            let Some(line) = self.journal.pop_front() else { break };
            self.journal_start += 1;
            self.journal_bytes -= line.bytes();
            forgotten.push(line);
        }
        forgotten
    }
}

fn restore<K: std::hash::Hash + Eq, V>(map: &mut HashMap<K, V>, key: K, before: Option<V>) {
    match before {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

/// Writes at once and remembers each change. Without a commit, the drop rolls the changes back.
pub(super) struct StateTransaction<'a> {
    state: &'a mut State,
    changes: Vec<Change>,
}

impl<'a> StateTransaction<'a> {
    pub fn new(state: &'a mut State) -> Self {
        Self { state, changes: Vec::with_capacity(EXPECTED_CHANGES) }
    }

    /// Commits and returns the changes.
    pub fn commit(mut self) -> Vec<Change> {
        let changes = std::mem::take(&mut self.changes);
        let dropped = &self.state.dropped;
        for change in &changes {
            match change {
                Change::DroppedRefusal { record: Some(_), .. } => {
                    dropped.refusals.fetch_add(1, Ordering::Relaxed);
                }
                Change::DroppedAttempts { counted: Some(_), .. } => {
                    dropped.attempts.fetch_add(1, Ordering::Relaxed);
                }
                Change::JournalAppended { forgotten } if !forgotten.is_empty() => {
                    dropped.journal_lines.fetch_add(forgotten.len() as u64, Ordering::Relaxed);
                }
                _ => {}
            }
        }
        changes
    }

    /// Drops the oldest refusals: those that cannot be replayed, and those beyond the limit.
    fn drop_refusals(&mut self, now: Timestamp) {
        while let Some((at, _)) = self.state.refusals.front()
            && (self.state.refusals.len() > self.state.limits.keys
                || now.duration_since(*at) >= ANSWER_RETENTION)
        {
            let Some((at, key)) = self.state.refusals.pop_front() else { break };
            let is_it = |record: &Arc<KeyRecord>| record.at == at && record.answer.is_refusal();
            let record = if self.state.keys.get(&key).is_some_and(is_it) {
                self.state.keys.remove(&key)
            } else {
                None
            };
            self.changes.push(Change::DroppedRefusal { at, key, record });
        }
    }

    /// Drops the oldest attempts without an order, beyond the limit.
    fn drop_attempts(&mut self) {
        while self.state.attempts_of_requests.len() > self.state.limits.keys {
            let Some((operation, key)) = self.state.attempts_of_requests.pop_front() else { break };
            let keys = self.state.attempts.entry(operation).or_default();
            let is_of_order = keys.get(&key).is_some_and(|counted| counted.of_order);
            let counted = if is_of_order { None } else { keys.remove(&key) };
            self.changes.push(Change::DroppedAttempts { operation, key, counted });
        }
    }

    /// Drops the plans without unused scenarios.
    fn drop_used_plans(&mut self) {
        let attempts = &self.state.attempts;
        let is_used = |order: &OrderId, operation: &Operation, script: &PlannedScript| {
            let counted = attempts.get(operation).and_then(|keys| keys.get(order.as_str()));
            let made = counted.map_or(0, |counted| counted.attempts).saturating_sub(script.after_attempt);
            made as usize >= script.scenarios.len()
        };
        let used =
            self.state.plans.iter().filter(|(order, plan)| {
                plan.iter().all(|(operation, script)| is_used(order, operation, script))
            });
        let used: Vec<_> = used.map(|(order, _)| order.clone()).collect();
        for order in used {
            let before = self.state.plans.remove(&order);
            self.changes.push(Change::Plan { order, before });
        }
    }

    fn set_order(&mut self, order: &OrderId, outcome: Option<RecordedOutcome>) {
        let before = self.state.orders.insert(order.clone(), outcome);
        self.changes.push(Change::Order { order: order.clone(), before });
    }
}

impl Drop for StateTransaction<'_> {
    fn drop(&mut self) {
        self.state.roll_back(std::mem::take(&mut self.changes));
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

    fn remove(&mut self, kind: &'static str, id: &str) -> Result<(), StoreError> {
        let removed = self.state.records.get_mut(kind).and_then(|records| records.remove_entry(id));
        if let Some((id, record)) = removed {
            self.changes.push(Change::Record { kind, id, before: Some(record) });
        }
        Ok(())
    }

    fn list(&self, kind: &'static str) -> Result<Vec<Record>, StoreError> {
        let records = self.state.records.get(kind).into_iter().flatten();
        Ok(records.map(|(id, record)| (Arc::clone(id), Arc::clone(record))).collect())
    }
}

impl Idempotency for StateTransaction<'_> {
    fn record(&self, key: &Key) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        Ok(self.state.keys.get(key).cloned())
    }

    fn set_record(&mut self, key: &Key, record: KeyRecord) -> Result<(), StoreError> {
        let (at, queued) = (record.at, record.answer.is_refusal());
        let before = self.state.keys.insert(key.clone(), Arc::new(record));
        if queued {
            self.state.refusals.push_back((at, key.clone()));
        }
        self.changes.push(Change::Key { key: key.clone(), before, queued });
        self.drop_refusals(at);
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
            self.add_order(order)?;
        }
        let index = self.state.entries.len();
        let sequence = index as u64 + 1;
        self.changes.push(Change::Entry { index, totals: self.state.totals.clone() });
        self.state.totals.post(&entry.posting);
        self.state.push(Entry { sequence, entry });
        Ok(sequence)
    }

    fn entries_for(&self, order: Option<&OrderId>) -> Result<Vec<Entry>, StoreError> {
        let indices = self.state.entries_of.get(&order.cloned()).map(Vec::as_slice).unwrap_or_default();
        Ok(indices
            .iter()
            .filter_map(|&index| self.state.entries.get(index))
            .map(|entry| Entry::clone(entry))
            .collect())
    }

    fn visit_entries(&self, see: &mut dyn FnMut(&Entry)) -> Result<(), StoreError> {
        self.state.entries.iter().for_each(|entry| see(entry));
        Ok(())
    }

    fn totals(&self) -> Result<Totals, StoreError> {
        Ok(self.state.totals.clone())
    }
}

impl Orders for StateTransaction<'_> {
    fn add_order(&mut self, order: &OrderId) -> Result<(), StoreError> {
        if !self.state.orders.contains_key(order) {
            self.set_order(order, None);
        }
        Ok(())
    }

    fn has_order(&self, order: &OrderId) -> Result<bool, StoreError> {
        Ok(self.state.orders.contains_key(order))
    }

    fn orders(&self) -> Result<Vec<OrderId>, StoreError> {
        let mut orders: Vec<_> = self.state.orders.keys().cloned().collect();
        orders.sort_unstable();
        Ok(orders)
    }

    fn outcome(&self, order: &OrderId) -> Result<Option<RecordedOutcome>, StoreError> {
        Ok(self.state.orders.get(order).copied().flatten())
    }

    fn set_outcome(&mut self, order: &OrderId, outcome: RecordedOutcome) -> Result<(), StoreError> {
        self.set_order(order, Some(outcome));
        Ok(())
    }
}

impl Attempts for StateTransaction<'_> {
    fn attempts(&self, operation: Operation, key: &str) -> Result<u32, StoreError> {
        let counted = self.state.attempts.get(&operation).and_then(|of| of.get(key));
        Ok(counted.map_or(0, |counted| counted.attempts))
    }

    fn set_attempts(
        &mut self,
        operation: Operation,
        key: &ChaosKey,
        attempts: u32,
    ) -> Result<(), StoreError> {
        let keys = self.state.attempts.entry(operation).or_default();
        let (key, names_order): (Arc<str>, _) = match key {
            ChaosKey::Order(order) => (order.as_str().into(), true),
            ChaosKey::Request(key) => (key.as_str().into(), false),
            ChaosKey::Once(_) => return Ok(()),
        };
        // An order may have the name of an idempotency key; then they are counted together.
        let of_order = names_order || keys.get(&key).is_some_and(|counted| counted.of_order);
        let before = keys.insert(Arc::clone(&key), Counted { attempts, of_order });
        let queued = before.is_none() && !of_order;
        if queued {
            self.state.attempts_of_requests.push_back((operation, Arc::clone(&key)));
        }
        self.changes.push(Change::Attempts { operation, key, before, queued });
        self.drop_attempts();
        Ok(())
    }
}

impl Plans for StateTransaction<'_> {
    fn plan(&self, order: &OrderId, operation: Operation) -> Result<Option<PlannedScript>, StoreError> {
        Ok(self.state.plans.get(order).and_then(|plan| plan.get(&operation)).cloned())
    }

    fn set_plan(&mut self, order: &OrderId, plan: Plan) -> Result<(), StoreError> {
        let limit = self.state.limits.keys;
        if !plan.is_empty() && !self.state.plans.contains_key(order) && self.state.plans.len() >= limit {
            self.drop_used_plans();
            if self.state.plans.len() >= limit {
                return Err(StoreError::TooManyPlans(limit));
            }
        }
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
    fn append_line(&mut self, line: Arc<JournalEntry>) -> Result<u64, StoreError> {
        let number = self.state.journal_start + self.state.journal.len() as u64;
        self.state.journal_bytes += line.bytes();
        self.state.journal.push_back(line);
        let forgotten = self.state.shorten_journal();
        self.changes.push(Change::JournalAppended { forgotten });
        Ok(number)
    }

    fn replace_line(&mut self, number: u64, line: Arc<JournalEntry>) -> Result<(), StoreError> {
        if let Some(before) = self.state.amend(number, line) {
            self.changes.push(Change::JournalReplaced { number, before });
        }
        Ok(())
    }

    fn visit_lines(&self, see: &mut dyn FnMut(u64, &Arc<JournalEntry>) -> bool) -> Result<(), StoreError> {
        for (index, line) in self.state.journal.iter().enumerate().rev() {
            if !see(self.state.journal_start + index as u64, line) {
                break;
            }
        }
        Ok(())
    }

    fn clear_journal(&mut self) -> Result<usize, StoreError> {
        let start = self.state.journal_start;
        let lines = std::mem::take(&mut self.state.journal);
        let count = lines.len();
        self.state.journal_start += count as u64;
        self.state.journal_bytes = 0;
        self.changes.push(Change::JournalCleared { lines, start });
        Ok(count)
    }
}
