//! The record of a running stack in its folder. It lists the processes, so that they can be shown and ended after
//! their supervisor has ended.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::process::{End, Identity};

const RECORD_FILE: &str = "stack.json";
const LOCK: &str = "lock";

/// The processes of a running stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackRecord {
    /// The process that supervises the stack. Absent after `up --detach`.
    pub supervisor: Option<Identity>,
    /// The processes in start order.
    pub processes: Vec<RecordedProcess>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedProcess {
    pub service: String,
    pub identity: Identity,
    /// The ports that it listens on, its main one first.
    pub ports: Vec<u16>,
}

/// The record of a folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("a stack is already up, or coming up: `cargo xtask status` shows it, `cargo xtask down` ends it")]
    AlreadyUp,
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is no record of a stack: {source}", path.display())]
    Unreadable { path: PathBuf, source: serde_json::Error },
}

impl StackRecord {
    /// Returns the record of a folder, if it has one.
    ///
    /// # Errors
    /// Returns an error when the record can't be read.
    pub fn load(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(RECORD_FILE);
        match fs::read(&path) {
            Ok(text) => {
                serde_json::from_slice(&text).map(Some).map_err(|source| Error::Unreadable { path, source })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Io { path, source }),
        }
    }

    /// Writes the record atomically, so that a reader never sees a part of it.
    ///
    /// # Errors
    /// Returns an error when the record can't be written.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(RECORD_FILE);
        let write = || {
            let draft = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(draft.as_file(), self)?;
            draft.persist(&path).map_err(|error| error.error).map(drop)
        };
        write().map_err(|source| Error::Io { path: path.clone(), source })
    }

    /// Removes the record of a folder, if it has one.
    ///
    /// # Errors
    /// Returns an error when the record can't be removed.
    pub fn remove(folder: &Path) -> Result<(), Error> {
        let path = folder.join(RECORD_FILE);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Io { path, source }),
            _ => Ok(()),
        }
    }

    /// Returns whether one of its processes still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.processes.iter().any(|process| process.identity.is_running())
    }

    /// Ends all running processes, the last started first, and reports each end.
    ///
    /// # Errors
    /// Returns an error when a process can't be ended. The other processes are ended nevertheless.
    pub async fn end(
        &self,
        grace: Duration,
        mut on_end: impl FnMut(&RecordedProcess, End),
    ) -> io::Result<()> {
        let mut outcome = Ok(());
        for process in self.processes.iter().rev() {
            match process.identity.end(grace).await {
                Ok(end) => on_end(process, end),
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }
}

/// A lock on the folder of a stack, so that no other process starts a stack in it. The system releases the lock when
/// the process ends, even after a crash.
#[derive(Debug)]
pub struct FolderLock {
    folder: PathBuf,
    _lock: File,
}

impl FolderLock {
    /// Locks a folder, and records this process as the supervisor.
    ///
    /// # Errors
    /// Returns an error when a stack runs in it, or it can't be written to.
    pub fn acquire(folder: &Path) -> Result<Self, Error> {
        let io = |source| Error::Io { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(io)?;
        let lock = File::create(folder.join(LOCK)).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::AlreadyUp),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        if StackRecord::load(folder)?.is_some_and(|record| record.is_alive()) {
            return Err(Error::AlreadyUp);
        }
        let lock = Self { folder: folder.to_owned(), _lock: lock };
        let supervisor = Some(Identity::own().map_err(io)?);
        StackRecord { supervisor, processes: Vec::new() }.save(folder)?;
        Ok(lock)
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_record_has_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(StackRecord::load(folder.path()).unwrap(), None);
        StackRecord::remove(folder.path()).unwrap();
    }

    #[test]
    fn a_record_survives_a_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::own().unwrap();
        let process = RecordedProcess { service: "temporal".to_owned(), identity, ports: vec![7233, 8080] };
        let record = StackRecord { supervisor: None, processes: vec![process] };
        record.save(folder.path()).unwrap();
        assert_eq!(StackRecord::load(folder.path()).unwrap(), Some(record));
    }

    #[test]
    fn an_invalid_record_is_named_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(RECORD_FILE), "{").unwrap();
        let error = StackRecord::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("stack.json is no record of a stack"), "{error}");
    }

    #[test]
    fn a_locked_folder_records_its_supervisor() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::acquire(folder.path()).unwrap();
        let record = StackRecord::load(lock.folder()).unwrap().unwrap();
        assert_eq!(record.supervisor, Some(Identity::own().unwrap()));
    }

    #[test]
    fn a_folder_is_locked_by_one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::acquire(folder.path()).unwrap();
        assert!(matches!(FolderLock::acquire(folder.path()), Err(Error::AlreadyUp)));
        drop(first);
        FolderLock::acquire(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_with_a_running_stack_is_not_locked() {
        let folder = tempfile::tempdir().unwrap();
        let running = Identity::own().unwrap();
        let process = RecordedProcess { service: "temporal".to_owned(), identity: running, ports: vec![] };
        StackRecord { supervisor: None, processes: vec![process] }.save(folder.path()).unwrap();
        assert!(matches!(FolderLock::acquire(folder.path()), Err(Error::AlreadyUp)));
    }
}
