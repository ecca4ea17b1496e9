//! The thread that the file belongs to: it runs the work, one piece after the other, and writes what
//! changed, all that was waiting in one commit.

use std::{
    any::Any,
    collections::{BTreeSet, HashMap},
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::rows::{self, RunId};
use crate::shared::{
    chaos::Catalogue,
    store::{
        Limits, Sizes, StoreError, Usage, Work,
        limits::Dropped,
        state::{Change, State, StateTransaction},
    },
};

/// The most work that one commit serves.
const MAX_GROUP: usize = 1024;

pub(super) enum Message {
    Work { run: RunId, work: Work, answer: oneshot::Sender<WorkResult> },
    Open { name: String, answer: oneshot::Sender<Result<RunId, StoreError>> },
    Delete { name: String, answer: oneshot::Sender<Result<bool, StoreError>> },
    Runs { answer: oneshot::Sender<Result<Vec<String>, StoreError>> },
    Settings { name: &'static str, answer: oneshot::Sender<Result<Vec<Setting>, StoreError>> },
    Usage { answer: oneshot::Sender<Result<Usage, StoreError>> },
}

/// A run's name, and the setting that it has.
pub(super) type Setting = (String, Option<String>);

/// What became of a piece of work, or what it panicked with.
pub(super) type WorkResult = Result<Result<(), StoreError>, Box<dyn Any + Send>>;

pub(super) struct Writer {
    connection: Connection,
    catalogue: Arc<Catalogue>,
    /// The runs that were asked for since the file was opened.
    runs: HashMap<RunId, State>,
    /// The work that was run and isn't committed.
    group: Vec<UncommittedWork>,
    limits: Limits,
    dropped: Arc<Dropped>,
}

struct UncommittedWork {
    run: RunId,
    changes: Vec<Change>,
    done: WorkResult,
    answer: oneshot::Sender<WorkResult>,
}

impl Writer {
    pub fn new(connection: Connection, catalogue: Arc<Catalogue>, limits: Limits) -> Self {
        let (runs, group, dropped) = (HashMap::new(), Vec::new(), Arc::default());
        Self { connection, catalogue, runs, group, limits, dropped }
    }

    /// Until nobody is left who could send anything.
    pub fn run(mut self, mut queue: mpsc::UnboundedReceiver<Message>) {
        let mut waiting = Vec::with_capacity(MAX_GROUP);
        while queue.blocking_recv_many(&mut waiting, MAX_GROUP) > 0 {
            for message in waiting.drain(..) {
                self.handle(message);
            }
            self.commit();
        }
    }

    /// An answer that nobody waits for any more is dropped.
    fn handle(&mut self, message: Message) {
        match message {
            Message::Work { run, work, answer } => self.run_work(run, work, answer),
            Message::Open { name, answer } => {
                let _ = answer.send(self.open(&name));
            }
            Message::Delete { name, answer } => {
                // What was asked for before is answered as it was then.
                self.commit();
                let _ = answer.send(self.delete(&name));
            }
            Message::Runs { answer } => {
                let _ = answer.send(rows::runs(&self.connection).map_err(|error| unavailable(&error)));
            }
            Message::Settings { name, answer } => {
                // Settings that were asked for before are in the file then.
                self.commit();
                let settings = rows::settings(&self.connection, name);
                let _ = answer.send(settings.map_err(|error| unavailable(&error)));
            }
            Message::Usage { answer } => {
                let _ = answer.send(self.usage());
            }
        }
    }

    fn run_work(&mut self, run: RunId, work: Work, answer: oneshot::Sender<WorkResult>) {
        let Some(state) = self.runs.get_mut(&run) else {
            let _ = answer.send(Ok(Err(StoreError::RunDeleted)));
            return;
        };
        let mut tx = StateTransaction::new(state);
        let done = panic::catch_unwind(AssertUnwindSafe(|| work(&mut tx)));
        let changes = if matches!(done, Ok(Ok(()))) { tx.commit() } else { Vec::new() };
        self.group.push(UncommittedWork { run, changes, done, answer });
    }

    /// Writes what the group changed, and only then answers it: what one piece of work has read of another's
    /// is as lasting as its own. Where that fails, none of it has happened.
    fn commit(&mut self) {
        let group = std::mem::take(&mut self.group);
        match self.write(&group) {
            Ok(()) => group.into_iter().for_each(|item| {
                let _ = item.answer.send(item.done);
            }),
            Err(error) => {
                tracing::error!(error = %error, work = group.len(), "the ledger can't be written");
                for UncommittedWork { run, changes, answer, .. } in group.into_iter().rev() {
                    if let Some(state) = self.runs.get_mut(&run) {
                        state.roll_back(changes);
                    }
                    let _ = answer.send(Ok(Err(error.clone())));
                }
            }
        }
    }

    fn write(&mut self, group: &[UncommittedWork]) -> Result<(), StoreError> {
        if !group.iter().flat_map(|item| &item.changes).any(Change::is_durable) {
            return Ok(());
        }
        let tx = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| unavailable(&error))?;
        let mut posted = BTreeSet::new();
        for UncommittedWork { run, changes, .. } in group {
            let Some(state) = self.runs.get(run) else { continue };
            for change in changes {
                rows::write(&tx, *run, state, change)?;
                if matches!(change, Change::Entry { .. }) {
                    posted.insert(*run);
                }
            }
        }
        for run in posted {
            if let Some(state) = self.runs.get(&run) {
                rows::write_totals(&tx, run, &state.totals)?;
            }
        }
        tx.commit().map_err(|error| unavailable(&error))
    }

    fn open(&mut self, name: &str) -> Result<RunId, StoreError> {
        let run = rows::run(&self.connection, name).map_err(|error| unavailable(&error))?;
        if !self.runs.contains_key(&run) {
            let mut state = State::new(self.limits, Arc::clone(&self.dropped));
            rows::read(&self.connection, run, &self.catalogue, &mut state)?;
            self.runs.insert(run, state);
        }
        Ok(run)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        let runs = rows::runs(&self.connection).map_err(|error| unavailable(&error))?.len();
        let mut sizes = Sizes::default();
        self.runs.values().for_each(|state| sizes += state.sizes());
        Ok(Usage { runs, sizes, dropped: self.dropped.counts() })
    }

    fn delete(&mut self, name: &str) -> Result<bool, StoreError> {
        let forgotten = rows::delete(&mut self.connection, name).map_err(|error| unavailable(&error))?;
        if let Some(run) = forgotten {
            self.runs.remove(&run);
        }
        Ok(forgotten.is_some())
    }
}

pub(super) fn unavailable(error: &rusqlite::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
