//! Stores for one test, every write, and the readable state.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use fake_stripe_chaos::{
    app,
    shared::{
        chaos::{ChaosKey, Decision, DecisionSource, PlannedScript, TIMEOUT, TIMEOUT_AFTER_COMMIT},
        clock::Timestamp,
        idempotency::{Fingerprint, InFlight, KeyRecord, StoredAnswer},
        ids::{Key, OrderId},
        journal::JournalEntry,
        ledger::{NewEntry, Posting},
        money::{Amount, Currency, Money},
        operation::Operation,
        orders::{Outcome, RecordedOutcome},
        resource::Part,
        store::{Limits, MemoryStores, SqliteStores, Store, StoreError, Stores, Transaction},
    },
};
use tempfile::TempDir;

pub const OPERATIONS: [Operation; 2] =
    [Operation::new("payment.capture"), Operation::new("notification.send")];

/// A folder with a ledger in it, which is gone with this.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub fn ledger(&self) -> PathBuf {
        self.0.path().join("ledger.db")
    }

    /// A process that another test is just starting holds for a moment what this one has open, its lock on a
    /// ledger among it, so a ledger that was closed may still be in use.
    pub fn stores(&self) -> Arc<dyn Stores> {
        self.stores_within(Limits::default())
    }

    fn stores_within(&self, limits: Limits) -> Arc<dyn Stores> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match SqliteStores::open_within(&self.ledger(), Arc::new(app::catalogue()), limits) {
                Ok(stores) => return Arc::new(stores),
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub async fn store(&self) -> Arc<dyn Store> {
        self.stores().open("default").await.unwrap()
    }
}

/// Each kind of stores, with what must not be dropped before them.
pub fn every_kind() -> [(Arc<dyn Stores>, Option<Folder>); 2] {
    every_kind_within(Limits::default())
}

/// The same with other limits.
pub fn every_kind_within(limits: Limits) -> [(Arc<dyn Stores>, Option<Folder>); 2] {
    let folder = Folder::new();
    [(Arc::new(MemoryStores::within(limits)), None), (folder.stores_within(limits), Some(folder))]
}

pub fn line(body: &str) -> Arc<JournalEntry> {
    Arc::new(JournalEntry {
        at: Timestamp::from_millis(0),
        operation: OPERATIONS[0],
        order: None,
        key: None,
        correlation: "".into(),
        decided: None,
        replayed: false,
        response: None,
        duration: Duration::ZERO,
        body: body.into(),
    })
}

/// One write, selected by three small numbers: what, where, and which value.
#[derive(Debug, Clone, Copy)]
pub struct RandomWrite {
    pub method: usize,
    pub place: usize,
    pub value: u32,
}

pub const WRITE_KINDS: usize = 13;
pub const KEYS: usize = 3;

fn order(place: usize) -> OrderId {
    format!("order-{place}").parse().unwrap()
}

fn key(place: usize) -> Key {
    format!("key-{place}").parse().unwrap()
}

fn posting(value: u32) -> Posting {
    let at = Timestamp::from_millis(i64::from(value));
    let currency = Currency::ALL[value as usize % Currency::ALL.len()];
    let money = Money { amount: Amount::new(u64::from(value)), currency };
    match value % 15 {
        0 => Posting::Held { money, until: at },
        1 => Posting::Captured(money),
        2 => Posting::Released(money),
        3 => Posting::Refunded(money),
        4 => Posting::Reserved { until: at },
        5 => Posting::Fulfilled,
        6 => Posting::Returned,
        7 => Posting::Labelled,
        8 => Posting::LabelCancelled,
        9 => Posting::Notified,
        10 => Posting::RestockedInPart,
        11 => Posting::Restocked,
        12 => Posting::ReturnLabelled,
        13 => Posting::ReturnLabelCancelled,
        _ => Posting::Tombstoned,
    }
}

fn decision(place: usize, value: u32) -> Option<Decision> {
    let (key, source) = match value % 4 {
        0 => return None,
        1 => (ChaosKey::Order(order(place)), DecisionSource::Draw),
        2 => (ChaosKey::Request("a key".to_owned()), DecisionSource::Header),
        _ => (ChaosKey::Order(order(place)), DecisionSource::Plan),
    };
    Some(Decision {
        seed: u64::MAX - u64::from(value),
        profile: "off@12345678".into(),
        operation: OPERATIONS[place % 2],
        key,
        attempt: value,
        scenario: TIMEOUT_AFTER_COMMIT,
        source,
        delay: None,
    })
}

impl RandomWrite {
    pub fn apply(self, tx: &mut dyn Transaction) -> Result<(), StoreError> {
        let Self { method, place, value } = self;
        let at = Timestamp::from_millis(i64::from(value));
        let fingerprint = Fingerprint::of("/", &value.to_string());
        let operation = OPERATIONS[place % 2];
        match method {
            0 => tx.put(["payment", "label"][value as usize % 2], order(place).as_str(), value.to_string()),
            1 => {
                let led_to = match value % 5 {
                    0 => StoredAnswer::Effect { resource: "id".to_owned(), part: None },
                    1 => StoredAnswer::Effect {
                        resource: "id".to_owned(),
                        part: Some(Part("part".to_owned())),
                    },
                    2 => StoredAnswer::NothingToUndo { undone: key(place) },
                    3 => StoredAnswer::Refused,
                    _ => StoredAnswer::Tombstoned,
                };
                let decision = decision(place, value).map(Arc::new);
                tx.set_record(&key(place), KeyRecord { at, operation, fingerprint, answer: led_to, decision })
            }
            2 => {
                let flight = (value % 3 > 0).then_some(InFlight { since: at, operation, fingerprint });
                tx.set_in_flight(&key(place), flight)
            }
            3 => tx.set_tombstone(&key(place), u64::from(value)),
            4 => {
                let entry = NewEntry {
                    at,
                    operation: (value % 2 > 0).then_some(operation),
                    order: (value % 3 > 0).then(|| order(place)),
                    key: (value % 5 > 0).then(|| key(place)),
                    resource: (value % 7 > 0).then(|| "id".to_owned()),
                    posting: posting(value),
                };
                tx.append(entry).map(|_| ())
            }
            5 => tx.add_order(&order(place)),
            6 => {
                let outcome = Outcome::ALL[value as usize % 2];
                tx.set_outcome(&order(place), RecordedOutcome { outcome, at })
            }
            7 => {
                let key = match value % 3 {
                    0 => ChaosKey::Order(order(place)),
                    _ => ChaosKey::Request(order(place).to_string()),
                };
                tx.set_attempts(operation, &key, value)
            }
            8 => {
                let script =
                    PlannedScript { after_attempt: value, scenarios: vec![TIMEOUT; value as usize % 3] };
                let plan = OPERATIONS.iter().take(value as usize % 3).map(|it| (*it, script.clone()));
                tx.set_plan(&order(place), plan.collect())
            }
            9 => {
                let name = ["one", "two", "three"][place % 3];
                tx.set_setting(name, (value % 3 > 0).then(|| value.to_string()))
            }
            10 => tx.append_line(line(&value.to_string())).map(|_| ()),
            11 => tx.replace_line(u64::from(value % 4), line("amended")),
            _ => tx.clear_journal().map(|_| ()),
        }
    }
}

/// Writes with every kind at every key. Each value contains the round.
pub fn write_everything(tx: &mut dyn Transaction, round: u32) -> Result<(), StoreError> {
    for method in 0..WRITE_KINDS - 1 {
        for place in 0..KEYS {
            for value in 0..12 {
                RandomWrite { method, place, value: 100 * round + value }.apply(tx)?;
            }
        }
    }
    Ok(())
}

/// Returns the state that outlives a process, as text.
pub fn durable_state(tx: &dyn Transaction) -> Result<String, StoreError> {
    let mut entries = Vec::new();
    tx.visit_entries(&mut |entry| entries.push(entry.clone()))?;
    let mut parts = vec![format!("{entries:#?} {:#?} {:?}", tx.totals()?, tx.orders()?)];
    parts.push(format!("{:?}", tx.entries_for(None)?));
    for name in ["one", "two", "three"] {
        parts.push(format!("{name}: {:?}", tx.setting(name)?));
    }
    for place in 0..KEYS {
        let (order, key) = (order(place), key(place));
        parts.push(format!(
            "{:?} {:?}",
            tx.get("payment", order.as_str())?,
            tx.get("label", order.as_str())?
        ));
        parts.push(format!("{:?} {:?}", tx.record(&key)?, tx.tombstone(&key)?));
        let known = (tx.has_order(&order)?, tx.outcome(&order)?);
        parts.push(format!("{known:?} {:?}", tx.entries_for(Some(&order))?));
        for operation in OPERATIONS {
            let attempts = tx.attempts(operation, order.as_str())?;
            parts.push(format!("{attempts} {:?}", tx.plan(&order, operation)?));
        }
    }
    Ok(parts.join("\n"))
}

/// Returns the state that ends with the process, as text.
pub fn volatile_state(tx: &dyn Transaction) -> Result<String, StoreError> {
    let (mut lines, mut flights) = (Vec::new(), BTreeMap::new());
    tx.visit_lines(&mut |number, line| {
        lines.push((number, line.clone()));
        true
    })?;
    for place in 0..KEYS {
        flights.insert(place, tx.in_flight(&key(place))?);
    }
    Ok(format!("{lines:?} {flights:?}"))
}

/// Returns the whole readable state, as text.
pub async fn full_state(store: &Arc<dyn Store>) -> String {
    store.transact(|tx| Ok(format!("{}\n{}", durable_state(tx)?, volatile_state(tx)?))).await.unwrap()
}
