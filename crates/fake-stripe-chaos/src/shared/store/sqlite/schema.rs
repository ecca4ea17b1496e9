//! The file: its tables, its versions, and how it is opened.

use std::{
    ffi::OsString,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::error::OpenError;

/// What the header of every ledger has as its application id: `fsc1`.
const APPLICATION_ID: i64 = 0x6673_6331;

/// How long somebody who looks into the file by other means may hold it up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// What makes each version out of the one before; the first out of nothing. Never changed, only added to.
const MIGRATIONS: [&str; 1] = [include_str!("version_1.sql")];

/// What the file has as its user version when all of them are done.
#[allow(clippy::cast_possible_wrap, reason = "there are few")]
const VERSION: i64 = MIGRATIONS.len() as i64;

/// The tables that have a column `run`.
pub(super) const TABLES: [&str; 9] =
    ["records", "keys", "tombstones", "entries", "totals", "orders", "attempts", "plans", "settings"];

/// Opens the file, or makes it; the lock keeps other processes out until it is dropped.
pub(super) fn open(path: &Path) -> Result<(Connection, File), OpenError> {
    if path.is_dir() {
        return Err(OpenError::Directory(path.to_owned()));
    }
    let lock = lock(path)?;
    let connection = connect(path).map_err(|error| match error {
        OpenFailure::Open(error) => error,
        OpenFailure::Sqlite(error) => match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => OpenError::Foreign(path.to_owned()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::InUse(path.to_owned()),
            _ => OpenError::Unusable { path: path.to_owned(), source: Box::new(error) },
        },
    })?;
    Ok((connection, lock))
}

/// SQLite's own locks come and go with each transaction; this one is held for as long as the process
/// lives, since it goes by what it remembers of the file.
fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = OsString::from(path);
    name.push(".lock");
    let unusable =
        |source: std::io::Error| OpenError::Unusable { path: path.to_owned(), source: Box::new(source) };
    let file = File::options().create(true).append(true).open(PathBuf::from(name)).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

enum OpenFailure {
    Open(OpenError),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for OpenFailure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn connect(path: &Path) -> Result<Connection, OpenFailure> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let is_empty = number("schema_version")? == 0;
    if application != APPLICATION_ID && !is_empty {
        return Err(OpenFailure::Open(OpenError::Foreign(path.to_owned())));
    }
    if version > VERSION {
        return Err(OpenFailure::Open(OpenError::Newer {
            path: path.to_owned(),
            found: version,
            known: VERSION,
        }));
    }
    // A commit is in the file's log, and the log on the disk, before the commit returns: neither a killed
    // process nor a lost power supply takes it back.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(&mut connection, version)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, version: i64) -> rusqlite::Result<()> {
    let done = usize::try_from(version).unwrap_or(0);
    // Even without anything to do: whoever can't write learns it now.
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for migration in MIGRATIONS.iter().skip(done) {
        tx.execute_batch(migration)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()
}
