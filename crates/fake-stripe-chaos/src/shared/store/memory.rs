//! The store in memory: everything is lost with the process, and nothing is slower than it has to be.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::Hash,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;

use super::{Records, Store, StoreError, Work};
use crate::shared::{
    chaos::{Attempts, PlannedScript, Plans},
    idempotency::{Idempotency, InFlight, Record},
    ids::{Key, OrderId},
    journal::{self, Journal, Line},
    ledger::{Entry, Ledger, NewEntry, Totals},
    operation::Operation,
    orders::{Orders, Told},
};

/// See the module.
#[derive(Default)]
pub struct MemoryStore(Mutex<State>);

#[derive(Default)]
struct State {
    records: HashMap<(&'static str, String), String>,
    keys: HashMap<Key, Record>,
    in_flight: HashMap<Key, InFlight>,
    tombstones: HashMap<Key, u64>,
    entries: Vec<Entry>,
    /// Where in `entries` those of an order, or of none, are.
    entries_of: HashMap<Option<OrderId>, Vec<usize>>,
    totals: Totals,
    orders: BTreeMap<OrderId, Option<Told>>,
    attempts: HashMap<(Operation, String), u32>,
    plans: HashMap<OrderId, BTreeMap<Operation, PlannedScript>>,
    journal: VecDeque<Line>,
    /// The number of the journal's first line.
    journal_start: u64,
}

#[async_trait]
impl Store for MemoryStore {
    async fn execute(&self, work: Work) -> Result<(), StoreError> {
        // Work that panicked has been undone like work that failed, so the state is as good as ever.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tx = MemoryTransaction { state: &mut state, undos: Vec::new() };
        work(&mut tx)?;
        tx.undos.clear();
        Ok(())
    }
}

type Undo = Box<dyn FnOnce(&mut State)>;

/// Writes at once, and notes how to take each write back; what isn't committed when it is dropped is
/// taken back, newest first.
struct MemoryTransaction<'a> {
    state: &'a mut State,
    undos: Vec<Undo>,
}

impl Drop for MemoryTransaction<'_> {
    fn drop(&mut self) {
        while let Some(undo) = self.undos.pop() {
            undo(self.state);
        }
    }
}

impl MemoryTransaction<'_> {
    fn undo_by(&mut self, undo: impl FnOnce(&mut State) + 'static) {
        self.undos.push(Box::new(undo));
    }

    /// Sets or removes one value of one of the maps.
    fn set<K: Hash + Eq + Clone + 'static, V: 'static>(
        &mut self,
        map: fn(&mut State) -> &mut HashMap<K, V>,
        key: K,
        value: Option<V>,
    ) {
        fn replace<K: Hash + Eq, V>(map: &mut HashMap<K, V>, key: K, value: Option<V>) -> Option<V> {
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            }
        }
        let before = replace(map(self.state), key.clone(), value);
        self.undo_by(move |state| {
            replace(map(state), key, before);
        });
    }

    fn set_order(&mut self, order: &OrderId, told: Option<Told>) {
        let order = order.clone();
        let before = self.state.orders.insert(order.clone(), told);
        self.undo_by(move |state| {
            match before {
                Some(before) => state.orders.insert(order, before),
                None => state.orders.remove(&order),
            };
        });
    }
}

impl Records for MemoryTransaction<'_> {
    fn get(&self, kind: &'static str, id: &str) -> Result<Option<String>, StoreError> {
        Ok(self.state.records.get(&(kind, id.to_owned())).cloned())
    }

    fn put(&mut self, kind: &'static str, id: &str, record: String) -> Result<(), StoreError> {
        self.set(|state| &mut state.records, (kind, id.to_owned()), Some(record));
        Ok(())
    }
}

impl Idempotency for MemoryTransaction<'_> {
    fn record(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        Ok(self.state.keys.get(key).cloned())
    }

    fn set_record(&mut self, key: &Key, record: Record) -> Result<(), StoreError> {
        self.set(|state| &mut state.keys, key.clone(), Some(record));
        Ok(())
    }

    fn in_flight(&self, key: &Key) -> Result<Option<InFlight>, StoreError> {
        Ok(self.state.in_flight.get(key).copied())
    }

    fn set_in_flight(&mut self, key: &Key, flight: Option<InFlight>) -> Result<(), StoreError> {
        self.set(|state| &mut state.in_flight, key.clone(), flight);
        Ok(())
    }

    fn tombstone(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        Ok(self.state.tombstones.get(key).copied())
    }

    fn set_tombstone(&mut self, key: &Key, sequence: u64) -> Result<(), StoreError> {
        self.set(|state| &mut state.tombstones, key.clone(), Some(sequence));
        Ok(())
    }
}

impl Ledger for MemoryTransaction<'_> {
    fn append(&mut self, entry: NewEntry) -> Result<u64, StoreError> {
        if let Some(order) = &entry.order {
            self.see_order(order)?;
        }
        let index = self.state.entries.len();
        let sequence = index as u64 + 1;
        let (order, totals) = (entry.order.clone(), self.state.totals.clone());
        self.state.totals.post(&entry.posting);
        self.state.entries_of.entry(order.clone()).or_default().push(index);
        self.state.entries.push(Entry { sequence, entry });
        self.undo_by(move |state| {
            state.entries.truncate(index);
            state.entries_of.entry(order).or_default().pop();
            state.totals = totals;
        });
        Ok(sequence)
    }

    fn entries_of(&self, order: Option<&OrderId>) -> Result<Vec<Entry>, StoreError> {
        let indices = self.state.entries_of.get(&order.cloned()).map(Vec::as_slice).unwrap_or_default();
        Ok(indices.iter().filter_map(|&index| self.state.entries.get(index)).cloned().collect())
    }

    fn each_entry(&self, see: &mut dyn FnMut(&Entry)) -> Result<(), StoreError> {
        self.state.entries.iter().for_each(see);
        Ok(())
    }

    fn totals(&self) -> Result<Totals, StoreError> {
        Ok(self.state.totals.clone())
    }
}

impl Orders for MemoryTransaction<'_> {
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
        Ok(self.state.orders.keys().cloned().collect())
    }

    fn outcome(&self, order: &OrderId) -> Result<Option<Told>, StoreError> {
        Ok(self.state.orders.get(order).copied().flatten())
    }

    fn set_outcome(&mut self, order: &OrderId, told: Told) -> Result<(), StoreError> {
        self.set_order(order, Some(told));
        Ok(())
    }
}

impl Attempts for MemoryTransaction<'_> {
    fn attempts(&self, operation: Operation, key: &str) -> Result<u32, StoreError> {
        Ok(self.state.attempts.get(&(operation, key.to_owned())).copied().unwrap_or(0))
    }

    fn set_attempts(&mut self, operation: Operation, key: &str, attempts: u32) -> Result<(), StoreError> {
        self.set(|state| &mut state.attempts, (operation, key.to_owned()), Some(attempts));
        Ok(())
    }
}

impl Plans for MemoryTransaction<'_> {
    fn plan(&self, order: &OrderId, operation: Operation) -> Result<Option<PlannedScript>, StoreError> {
        Ok(self.state.plans.get(order).and_then(|plan| plan.get(&operation)).cloned())
    }

    fn set_plan(
        &mut self,
        order: &OrderId,
        plan: BTreeMap<Operation, PlannedScript>,
    ) -> Result<(), StoreError> {
        self.set(|state| &mut state.plans, order.clone(), (!plan.is_empty()).then_some(plan));
        Ok(())
    }
}

impl Journal for MemoryTransaction<'_> {
    fn note(&mut self, line: Line) -> Result<u64, StoreError> {
        let (start, number) =
            (self.state.journal_start, self.state.journal_start + self.state.journal.len() as u64);
        self.state.journal.push_back(line);
        let forgotten = if self.state.journal.len() > journal::CAPACITY {
            self.state.journal_start += 1;
            self.state.journal.pop_front()
        } else {
            None
        };
        self.undo_by(move |state| {
            state.journal.pop_back();
            state.journal_start = start;
            if let Some(line) = forgotten {
                state.journal.push_front(line);
            }
        });
        Ok(number)
    }

    fn amend(&mut self, number: u64, line: Line) -> Result<(), StoreError> {
        let position = number.checked_sub(self.state.journal_start).and_then(|at| usize::try_from(at).ok());
        let Some(position) = position else { return Ok(()) };
        if let Some(place) = self.state.journal.get_mut(position) {
            let before = std::mem::replace(place, line);
            self.undo_by(move |state| {
                if let Some(place) = state.journal.get_mut(position) {
                    *place = before;
                }
            });
        }
        Ok(())
    }

    fn each_line(&self, see: &mut dyn FnMut(u64, &Line) -> bool) -> Result<(), StoreError> {
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
        self.undo_by(move |state| {
            state.journal = lines;
            state.journal_start = start;
        });
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::shared::{
        clock::Timestamp,
        ledger::Posting,
        orders::Outcome,
        store::{StoreError, Transaction},
    };

    const SEND: Operation = Operation::new("notification.send");

    fn line(body: &str) -> Line {
        Line {
            at: Timestamp::from_millis(0),
            operation: SEND,
            order: None,
            key: None,
            correlation: String::new(),
            decided: None,
            replayed: false,
            response: None,
            duration: Duration::ZERO,
            body: body.to_owned(),
        }
    }

    /// Writes with every method, each value telling the round.
    fn write_everything(tx: &mut dyn Transaction, round: u32) -> Result<(), StoreError> {
        let order: OrderId = "order".parse().unwrap();
        let key: Key = "key".parse().unwrap();
        let at = Timestamp::from_millis(i64::from(round));
        let fingerprint = crate::shared::idempotency::Fingerprint::of("/", &round.to_string());
        tx.put("kind", "id", round.to_string())?;
        let led_to = crate::shared::idempotency::LedTo::Buried;
        tx.set_record(&key, Record { at, operation: SEND, fingerprint, led_to, decision: None })?;
        tx.set_in_flight(&key, Some(InFlight { since: at, operation: SEND, fingerprint }))?;
        tx.set_tombstone(&key, u64::from(round))?;
        let new = NewEntry {
            at,
            operation: Some(SEND),
            order: Some(order.clone()),
            key: Some(key),
            resource: None,
            posting: Posting::Notified,
        };
        tx.append(new)?;
        tx.see_order(&order)?;
        tx.set_outcome(&order, Told { outcome: Outcome::Shipped, at })?;
        tx.set_attempts(SEND, "order", round)?;
        tx.set_plan(
            &order,
            BTreeMap::from([(SEND, PlannedScript { made_after: round, scenarios: Vec::new() })]),
        )?;
        let number = tx.note(line("noted"))?;
        tx.amend(number, line("amended"))
    }

    /// All there is to read, as text.
    async fn everything(store: &Arc<dyn Store>) -> String {
        store
            .transact(|tx| {
                let order: OrderId = "order".parse().unwrap();
                let key: Key = "key".parse().unwrap();
                let (mut entries, mut lines) = (Vec::new(), Vec::new());
                tx.each_entry(&mut |entry| entries.push(entry.clone()))?;
                tx.each_line(&mut |number, line| {
                    lines.push((number, line.clone()));
                    true
                })?;
                Ok(format!(
                    "{:#?}",
                    (
                        (tx.get("kind", "id")?, tx.record(&key)?, tx.in_flight(&key)?, tx.tombstone(&key)?),
                        (entries, tx.entries_of(Some(&order))?, tx.totals()?),
                        (tx.orders()?, tx.outcome(&order)?),
                        (tx.attempts(SEND, "order")?, tx.plan(&order, SEND)?, lines),
                    )
                ))
            })
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn work_that_fails_changes_nothing() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        for round in 1..=2 {
            let before = everything(&store).await;
            let failed: Result<(), _> = store
                .transact(move |tx| {
                    write_everything(tx, 10 + round)?;
                    tx.forget()?;
                    Err(StoreError::Unavailable("on purpose".to_owned()))
                })
                .await;
            assert!(failed.is_err());
            assert_eq!(everything(&store).await, before);
            store.transact(move |tx| write_everything(tx, round)).await.unwrap();
            assert_ne!(everything(&store).await, before);
        }
    }

    #[tokio::test]
    async fn work_that_panics_changes_nothing_and_the_store_goes_on() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let before = everything(&store).await;
        let panicking = Arc::clone(&store);
        let task = tokio::spawn(async move {
            panicking
                .transact(|tx| -> Result<(), StoreError> {
                    write_everything(tx, 1)?;
                    panic!("on purpose")
                })
                .await
        });
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(everything(&store).await, before);
    }

    #[tokio::test]
    async fn the_journal_forgets_its_oldest_line_first() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let lines = store
            .transact(|tx| {
                for index in 0..=journal::CAPACITY {
                    tx.note(line(&index.to_string()))?;
                }
                tx.amend(0, line("forgotten"))?;
                let mut lines = Vec::new();
                tx.each_line(&mut |number, line| {
                    lines.push((number, line.body.clone()));
                    true
                })?;
                Ok(lines)
            })
            .await
            .unwrap();
        assert_eq!(lines.len(), journal::CAPACITY);
        assert_eq!(lines.first(), Some(&(10_000, "10000".to_owned())));
        assert_eq!(lines.last(), Some(&(1, "1".to_owned())));
    }
}
