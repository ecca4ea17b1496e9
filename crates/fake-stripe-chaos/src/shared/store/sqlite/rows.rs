//! The state as rows: writes each change, and reads a whole run.

use std::{borrow::Cow, collections::BTreeMap, str::FromStr, sync::Arc};

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use serde::{Deserialize, Serialize};

use super::{
    schema::TABLES,
    writer::{Setting, unavailable},
};
use crate::shared::{
    chaos::{Catalogue, ChaosKey, Decision, DecisionSource, PlannedScript, Scenario, scenario},
    clock::Timestamp,
    idempotency::{Fingerprint, KeyRecord, StoredAnswer},
    ids::{InvalidId, Key, OrderId},
    ledger::{Entry, MoneyTotals, NewEntry, Posting, Totals},
    money::{Amount, Currency, Money},
    operation::Operation,
    orders::RecordedOutcome,
    resource::Part,
    store::{
        StoreError, decode, encode,
        state::{Change, Counted, Plan, State},
    },
};

/// A run's number in the file. It is never reused, not even for a run of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RunId(i64);

/// Returns the number of a run, and creates the run if none has that name.
pub(super) fn run(connection: &Connection, name: &str) -> rusqlite::Result<RunId> {
    let known = connection.query_row("SELECT id FROM runs WHERE name = ?", [name], |row| row.get(0));
    if let Some(id) = known.optional()? {
        return Ok(RunId(id));
    }
    connection.execute("INSERT INTO runs (name) VALUES (?)", [name])?;
    Ok(RunId(connection.last_insert_rowid()))
}

pub(super) fn runs(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection.prepare("SELECT name FROM runs ORDER BY name")?.query_map([], |row| row.get(0))?.collect()
}

/// Returns one setting of every run, sorted by the runs' names.
pub(super) fn settings(connection: &Connection, name: &str) -> rusqlite::Result<Vec<Setting>> {
    connection
        .prepare(
            "SELECT runs.name, settings.value FROM runs \
             LEFT JOIN settings ON settings.run = runs.id AND settings.name = ? ORDER BY runs.name",
        )?
        .query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Deletes a run and returns its number.
pub(super) fn delete(connection: &mut Connection, name: &str) -> rusqlite::Result<Option<RunId>> {
    let tx = connection.transaction()?;
    let known = tx.query_row("DELETE FROM runs WHERE name = ? RETURNING id", [name], |row| row.get(0));
    let Some(id) = known.optional()? else { return Ok(None) };
    for table in TABLES {
        tx.execute(&format!("DELETE FROM {table} WHERE run = ?"), [id])?;
    }
    tx.commit()?;
    Ok(Some(RunId(id)))
}

/// Writes the current value at the place of a change.
pub(super) fn write(
    connection: &Connection,
    RunId(run): RunId,
    state: &State,
    change: &Change,
) -> Result<(), StoreError> {
    let execute = |sql: &str, values: &[&dyn ToSql]| {
        let mut statement = connection.prepare_cached(sql)?;
        statement.execute(values).map(|_| ())
    };
    let written = match change {
        Change::Record { kind, id, .. } => {
            match state.records.get(*kind).and_then(|records| records.get(id)) {
                Some(record) => execute(
                    "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)",
                    params![run, kind, &**id, &**record],
                ),
                None => execute(
                    "DELETE FROM records WHERE run = ? AND kind = ? AND id = ?",
                    params![run, kind, &**id],
                ),
            }
        }
        Change::Key { key, .. } | Change::DroppedRefusal { key, .. } => {
            return write_key(connection, run, key, state.keys.get(key).map(|record| &**record));
        }
        Change::Tombstone { key, .. } => {
            let Some(sequence) = state.tombstones.get(key) else { return Ok(()) };
            let sequence = signed("tombstone", key.as_str(), *sequence)?;
            execute(
                "INSERT OR REPLACE INTO tombstones VALUES (?, ?, ?)",
                params![run, key.as_str(), sequence],
            )
        }
        Change::Entry { index, .. } => {
            let Some(entry) = state.entries.get(*index) else { return Ok(()) };
            let Entry { sequence, entry } = &**entry;
            let NewEntry { at, operation, order, key, resource, posting } = entry;
            let (sequence, at) = (signed("entry", "", *sequence)?, at.millis());
            let money = posting.money();
            let amount = money.map(|money| signed("entry", "", money.amount.minor_units())).transpose()?;
            let currency = money.map(|money| money.currency.code());
            let until = match posting {
                Posting::Held { until, .. } | Posting::Reserved { until } => Some(until.millis()),
                _ => None,
            };
            let operation = operation.map(Operation::name);
            let (order, key) = (order.as_ref().map(OrderId::as_str), key.as_ref().map(Key::as_str));
            let effect = posting.name();
            execute(
                "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                params![run, sequence, at, operation, order, key, resource, effect, amount, currency, until],
            )
        }
        Change::Order { order, .. } => {
            let recorded = state.orders.get(order).copied().flatten();
            let (outcome, at) = (
                recorded.map(|recorded| recorded.outcome.name()),
                recorded.map(|recorded| recorded.at.millis()),
            );
            execute(
                "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?)",
                params![run, order.as_str(), outcome, at],
            )
        }
        Change::Attempts { operation, key, .. } | Change::DroppedAttempts { operation, key, .. } => {
            let operation_name = operation.name();
            match state.attempts.get(operation).and_then(|of| of.get(key)) {
                Some(Counted { attempts, .. }) => execute(
                    "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?)",
                    params![run, operation_name, key, attempts],
                ),
                None => execute(
                    "DELETE FROM attempts WHERE run = ? AND operation = ? AND key = ?",
                    params![run, operation_name, key],
                ),
            }
        }
        Change::Plan { order, .. } => match state.plans.get(order) {
            Some(plan) => {
                let rows: BTreeMap<_, _> = plan
                    .iter()
                    .map(|(operation, script)| (operation.name(), ScriptRow::from(script)))
                    .collect();
                let plan = encode("plan", order.as_str(), &rows)?;
                execute("INSERT OR REPLACE INTO plans VALUES (?, ?, ?)", params![run, order.as_str(), plan])
            }
            None => execute("DELETE FROM plans WHERE run = ? AND order_id = ?", params![run, order.as_str()]),
        },
        Change::Setting { name, .. } => match state.settings.get(*name) {
            Some(value) => {
                execute("INSERT OR REPLACE INTO settings VALUES (?, ?, ?)", params![run, name, value])
            }
            None => execute("DELETE FROM settings WHERE run = ? AND name = ?", params![run, name]),
        },
        Change::InFlight { .. }
        | Change::JournalAppended { .. }
        | Change::JournalReplaced { .. }
        | Change::JournalCleared { .. } => Ok(()),
    };
    written.map_err(|error| unavailable(&error))
}

/// Writes the record of a key, or deletes it.
fn write_key(
    connection: &Connection,
    run: i64,
    key: &Key,
    record: Option<&KeyRecord>,
) -> Result<(), StoreError> {
    let execute = |sql: &str, values: &[&dyn ToSql]| {
        let mut statement = connection.prepare_cached(sql)?;
        statement.execute(values).map(|_| ())
    };
    let written = match record {
        None => execute("DELETE FROM keys WHERE run = ? AND key = ?", params![run, key.as_str()]),
        Some(KeyRecord { at, operation, fingerprint, answer, decision }) => {
            let answer = encode("key", key.as_str(), &StoredAnswerRow::from(answer))?;
            let decision = decision.as_deref().map(DecisionRow::from);
            let decision = decision.map(|row| encode("key", key.as_str(), &row)).transpose()?;
            let fingerprint = fingerprint.as_bytes();
            let (key, operation) = (key.as_str(), operation.name());
            execute(
                "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, ?, ?, ?)",
                params![run, key, at.millis(), operation, fingerprint, answer, decision],
            )
        }
    };
    written.map_err(|error| unavailable(&error))
}

pub(super) fn write_totals(
    connection: &Connection,
    RunId(run): RunId,
    totals: &Totals,
) -> Result<(), StoreError> {
    let totals = encode("totals", "", &TotalsRow::from(totals))?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO totals VALUES (?, ?)")
        .and_then(|mut statement| statement.execute(params![run, totals]))
        .map(|_| ())
        .map_err(|error| unavailable(&error))
}

/// Reads a stored run into an empty state.
pub(super) fn read(
    connection: &Connection,
    RunId(run): RunId,
    catalogue: &Catalogue,
    state: &mut State,
) -> Result<(), StoreError> {
    let reader = Reader { connection, run, catalogue };
    reader.for_each_row("SELECT kind, id, record FROM records WHERE run = ?", |row| {
        let (kind, id) = (row.get::<_, String>(0)?, row.get(1)?);
        state.records.entry(Cow::Owned(kind)).or_default().insert(id, row.get(2)?);
        Ok(())
    })?;
    reader.for_each_row(
        "SELECT key, at, operation, fingerprint, led_to, decision FROM keys WHERE run = ?",
        |row| {
            let key: String = row.get(0)?;
            let record = KeyRecord {
                at: Timestamp::from_millis(row.get(1)?),
                operation: reader.operation(&row.get::<_, String>(2)?)?,
                fingerprint: Fingerprint::from_bytes(row.get(3)?),
                answer: decode::<StoredAnswerRow>("key", &key, &row.get::<_, String>(4)?)?.into(),
                decision: match row.get::<_, Option<String>>(5)? {
                    Some(text) => Some(Arc::new(reader.decision(decode("key", &key, &text)?)?)),
                    None => None,
                },
            };
            state.keys.insert(kept("key", &key, Key::kept)?, Arc::new(record));
            Ok(())
        },
    )?;
    reader.for_each_row("SELECT key, sequence FROM tombstones WHERE run = ?", |row| {
        let key: String = row.get(0)?;
        let sequence = unsigned("tombstone", &key, row.get(1)?)?;
        state.tombstones.insert(kept("tombstone", &key, Key::kept)?, sequence);
        Ok(())
    })?;
    reader.for_each_row(
        "SELECT sequence, at, operation, order_id, key, resource, effect, amount, currency, until FROM entries WHERE run = ? ORDER BY sequence",
        |row| {
            let entry = reader.entry(row)?;
            if entry.sequence != state.entries.len() as u64 + 1 {
                return Err(corrupt("entry", &entry.sequence.to_string(), "the one before is missing").into());
            }
            state.push(entry);
            Ok(())
        },
    )?;
    reader.for_each_row("SELECT totals FROM totals WHERE run = ?", |row| {
        state.totals = decode::<TotalsRow>("totals", "", &row.get::<_, String>(0)?)?.into();
        Ok(())
    })?;
    reader.for_each_row("SELECT id, outcome, told_at FROM orders WHERE run = ?", |row| {
        let order: String = row.get(0)?;
        let recorded = match (row.get::<_, Option<String>>(1)?, row.get(2)?) {
            (Some(outcome), Some(at)) => {
                Some(RecordedOutcome { outcome: parse("outcome", &outcome)?, at: Timestamp::from_millis(at) })
            }
            _ => None,
        };
        state.orders.insert(kept("order", &order, OrderId::kept)?, recorded);
        Ok(())
    })?;
    reader.for_each_row("SELECT operation, key, attempts FROM attempts WHERE run = ?", |row| {
        let operation = reader.operation(&row.get::<_, String>(0)?)?;
        let key: Arc<str> = row.get(1)?;
        let of_order = OrderId::kept(&key).is_ok_and(|order| state.orders.contains_key(&order));
        let counted = Counted { attempts: row.get(2)?, of_order };
        state.attempts.entry(operation).or_default().insert(key, counted);
        Ok(())
    })?;
    reader.for_each_row("SELECT order_id, plan FROM plans WHERE run = ?", |row| {
        let order: String = row.get(0)?;
        let plan = reader.plan(decode("plan", &order, &row.get::<_, String>(1)?)?)?;
        state.plans.insert(kept("order", &order, OrderId::kept)?, plan);
        Ok(())
    })?;
    reader.for_each_row("SELECT name, value FROM settings WHERE run = ?", |row| {
        state.settings.insert(Cow::Owned(row.get(0)?), row.get(1)?);
        Ok(())
    })?;
    state.enqueue();
    Ok(())
}

/// Reads the rows of one run.
struct Reader<'a> {
    connection: &'a Connection,
    run: i64,
    catalogue: &'a Catalogue,
}

/// An error of one row.
enum RowError {
    Sqlite(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for RowError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for RowError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Reader<'_> {
    fn for_each_row(
        &self,
        sql: &str,
        mut see: impl FnMut(&Row<'_>) -> Result<(), RowError>,
    ) -> Result<(), StoreError> {
        let mut all = || -> Result<(), RowError> {
            let mut statement = self.connection.prepare(sql)?;
            let mut rows = statement.query([self.run])?;
            while let Some(row) = rows.next()? {
                see(row)?;
            }
            Ok(())
        };
        all().map_err(|error| match error {
            RowError::Sqlite(error) => unavailable(&error),
            RowError::Store(error) => error,
        })
    }

    fn operation(&self, name: &str) -> Result<Operation, StoreError> {
        self.catalogue.operation(name).ok_or_else(|| corrupt("operation", name, "there is none of that name"))
    }

    fn scenario(&self, operation: Operation, name: &str) -> Result<Scenario, StoreError> {
        scenario(name, operation, self.catalogue)
            .map_err(|error| corrupt("scenario", name, &error.to_string()))
    }

    fn decision(&self, row: DecisionRow<'_>) -> Result<Decision, StoreError> {
        let operation = self.operation(&row.operation)?;
        Ok(Decision {
            seed: row.seed,
            profile: Arc::from(row.profile),
            operation,
            key: match row.key {
                ChaosKeyRow::Order(order) => ChaosKey::Order(order),
                ChaosKeyRow::Request(key) => ChaosKey::Request(key),
            },
            attempt: row.attempt,
            scenario: self.scenario(operation, &row.scenario)?,
            source: row.source.into(),
            delay: None,
        })
    }

    fn plan(&self, rows: BTreeMap<String, ScriptRow<'_>>) -> Result<Plan, StoreError> {
        let script = |(operation, row): (String, ScriptRow<'_>)| {
            let operation = self.operation(&operation)?;
            let scenarios = row.scenarios.iter().map(|name| self.scenario(operation, name));
            let scenarios = scenarios.collect::<Result<_, _>>()?;
            Ok((operation, PlannedScript { after_attempt: row.after_attempt, scenarios }))
        };
        rows.into_iter().map(script).collect()
    }

    fn entry(&self, row: &Row<'_>) -> Result<Entry, RowError> {
        let sequence: i64 = row.get(0)?;
        let id = sequence.to_string();
        let operation = row.get::<_, Option<String>>(2)?;
        let (order, key) = (row.get::<_, Option<String>>(3)?, row.get::<_, Option<String>>(4)?);
        let effect: String = row.get(6)?;
        let money = match (row.get(7)?, row.get::<_, Option<String>>(8)?) {
            (Some(amount), Some(currency)) => Some(Money {
                amount: Amount::new(unsigned("entry", &id, amount)?),
                currency: parse("currency", &currency)?,
            }),
            _ => None,
        };
        let until = row.get::<_, Option<i64>>(9)?.map(Timestamp::from_millis);
        let posting = posting(&effect, money, until)
            .ok_or_else(|| corrupt("entry", &id, &format!("no {effect} can be read from it")))?;
        Ok(Entry {
            sequence: unsigned("entry", &id, sequence)?,
            entry: NewEntry {
                at: Timestamp::from_millis(row.get(1)?),
                operation: operation.map(|name| self.operation(&name)).transpose()?,
                order: order.map(|order| kept("order", &order, OrderId::kept)).transpose()?,
                key: key.map(|key| kept("key", &key, Key::kept)).transpose()?,
                resource: row.get(5)?,
                posting,
            },
        })
    }
}

/// Returns the posting that has this [`Posting::name`].
fn posting(name: &str, money: Option<Money>, until: Option<Timestamp>) -> Option<Posting> {
    Some(match name {
        "held" => Posting::Held { money: money?, until: until? },
        "captured" => Posting::Captured(money?),
        "released" => Posting::Released(money?),
        "refunded" => Posting::Refunded(money?),
        "reserved" => Posting::Reserved { until: until? },
        "fulfilled" => Posting::Fulfilled,
        "returned" => Posting::Returned,
        "restocked_in_part" => Posting::RestockedInPart,
        "restocked" => Posting::Restocked,
        "labelled" => Posting::Labelled,
        "label_cancelled" => Posting::LabelCancelled,
        "return_labelled" => Posting::ReturnLabelled,
        "return_label_cancelled" => Posting::ReturnLabelCancelled,
        "notified" => Posting::Notified,
        "tombstoned" => Posting::Tombstoned,
        _ => return None,
    })
}

/// The stored form of a [`Decision`]. Its names refer to the catalogue.
#[derive(Serialize, Deserialize)]
struct DecisionRow<'a> {
    seed: u64,
    profile: Cow<'a, str>,
    operation: Cow<'a, str>,
    key: ChaosKeyRow,
    attempt: u32,
    scenario: Cow<'a, str>,
    source: SourceRow,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ChaosKeyRow {
    Order(OrderId),
    Request(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SourceRow {
    Draw,
    Header,
    Plan,
}

impl<'a> From<&'a Decision> for DecisionRow<'a> {
    fn from(decision: &'a Decision) -> Self {
        Self {
            seed: decision.seed,
            profile: Cow::Borrowed(&decision.profile),
            operation: Cow::Borrowed(decision.operation.name()),
            key: match &decision.key {
                ChaosKey::Order(order) => ChaosKeyRow::Order(order.clone()),
                ChaosKey::Request(key) | ChaosKey::Once(key) => ChaosKeyRow::Request(key.clone()),
            },
            attempt: decision.attempt,
            scenario: Cow::Borrowed(decision.scenario.name),
            source: match decision.source {
                DecisionSource::Draw => SourceRow::Draw,
                DecisionSource::Header => SourceRow::Header,
                DecisionSource::Plan => SourceRow::Plan,
            },
        }
    }
}

impl From<SourceRow> for DecisionSource {
    fn from(row: SourceRow) -> Self {
        match row {
            SourceRow::Draw => Self::Draw,
            SourceRow::Header => Self::Header,
            SourceRow::Plan => Self::Plan,
        }
    }
}

/// The stored form of a [`StoredAnswer`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredAnswerRow {
    Effect {
        resource: String,
        part: Option<String>,
    },
    #[serde(rename = "nothing")]
    NothingToUndo {
        undone: Key,
    },
    Refused,
    #[serde(rename = "buried")]
    Tombstoned,
}

impl From<&StoredAnswer> for StoredAnswerRow {
    fn from(answer: &StoredAnswer) -> Self {
        match answer {
            StoredAnswer::Effect { resource, part } => {
                Self::Effect { resource: resource.clone(), part: part.clone().map(|Part(id)| id) }
            }
            StoredAnswer::NothingToUndo { undone } => Self::NothingToUndo { undone: undone.clone() },
            StoredAnswer::Refused => Self::Refused,
            StoredAnswer::Tombstoned => Self::Tombstoned,
        }
    }
}

impl From<StoredAnswerRow> for StoredAnswer {
    fn from(row: StoredAnswerRow) -> Self {
        match row {
            StoredAnswerRow::Effect { resource, part } => Self::Effect { resource, part: part.map(Part) },
            StoredAnswerRow::NothingToUndo { undone } => Self::NothingToUndo { undone },
            StoredAnswerRow::Refused => Self::Refused,
            StoredAnswerRow::Tombstoned => Self::Tombstoned,
        }
    }
}

/// The stored form of a [`PlannedScript`].
#[derive(Serialize, Deserialize)]
struct ScriptRow<'a> {
    #[serde(rename = "made_after")]
    after_attempt: u32,
    scenarios: Vec<Cow<'a, str>>,
}

impl From<&PlannedScript> for ScriptRow<'_> {
    fn from(script: &PlannedScript) -> Self {
        let scenarios = script.scenarios.iter().map(|scenario| Cow::Borrowed(scenario.name)).collect();
        Self { after_attempt: script.after_attempt, scenarios }
    }
}

/// The stored form of [`Totals`].
#[derive(Serialize, Deserialize)]
struct TotalsRow {
    money: BTreeMap<Currency, MoneyTotalsRow>,
    reserved: i128,
    fulfilled: i128,
    returned: i128,
    labels: i128,
    labels_cancelled: i128,
    // Ledgers from before returns have none.
    #[serde(default)]
    restocked: i128,
    #[serde(default)]
    return_labels: i128,
    #[serde(default)]
    return_labels_cancelled: i128,
    notifications: i128,
}

#[derive(Serialize, Deserialize)]
struct MoneyTotalsRow {
    held: i128,
    captured: i128,
    refunded: i128,
    released: i128,
}

impl From<&Totals> for TotalsRow {
    fn from(totals: &Totals) -> Self {
        let money =
            totals.money.iter().map(|(currency, &MoneyTotals { held, captured, refunded, released })| {
                (*currency, MoneyTotalsRow { held, captured, refunded, released })
            });
        Self {
            money: money.collect(),
            reserved: totals.reserved,
            fulfilled: totals.fulfilled,
            returned: totals.returned,
            labels: totals.labels,
            labels_cancelled: totals.labels_cancelled,
            restocked: totals.restocked,
            return_labels: totals.return_labels,
            return_labels_cancelled: totals.return_labels_cancelled,
            notifications: totals.notifications,
        }
    }
}

impl From<TotalsRow> for Totals {
    fn from(row: TotalsRow) -> Self {
        let money = row.money.into_iter().map(|(currency, row)| {
            let MoneyTotalsRow { held, captured, refunded, released } = row;
            (currency, MoneyTotals { held, captured, refunded, released })
        });
        Self {
            money: money.collect(),
            reserved: row.reserved,
            fulfilled: row.fulfilled,
            returned: row.returned,
            labels: row.labels,
            labels_cancelled: row.labels_cancelled,
            restocked: row.restocked,
            return_labels: row.return_labels,
            return_labels_cancelled: row.return_labels_cancelled,
            notifications: row.notifications,
        }
    }
}

fn parse<T: FromStr<Err: std::fmt::Display>>(kind: &'static str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error: T::Err| corrupt(kind, text, &error.to_string()))
}

fn kept<T>(
    kind: &'static str,
    text: &str,
    read: impl FnOnce(&str) -> Result<T, InvalidId>,
) -> Result<T, StoreError> {
    read(text).map_err(|error| corrupt(kind, text, &error.to_string()))
}

/// Converts to SQLite's signed integers.
fn signed(kind: &'static str, id: &str, number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|error| corrupt(kind, id, &error.to_string()))
}

fn unsigned(kind: &'static str, id: &str, number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|error| corrupt(kind, id, &error.to_string()))
}

fn corrupt(kind: &'static str, id: &str, why: &str) -> StoreError {
    StoreError::Corrupt { kind, id: id.to_owned(), why: why.to_owned() }
}
