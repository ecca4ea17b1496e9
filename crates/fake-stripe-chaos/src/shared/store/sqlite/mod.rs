//! The stores in one SQLite file. What they know is in memory, as in the stores that have nothing else;
//! the file has every change of it before anybody is answered, and is read when a run is opened.

mod error;
mod rows;
mod schema;
mod writer;

use std::{
    panic,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

pub use self::error::OpenError;
use self::{
    rows::RunId,
    writer::{Message, Writer},
};
use super::{Limits, Store, StoreError, Stores, Usage, Work};
use crate::shared::chaos::Catalogue;

/// The runs of one file.
pub struct SqliteStores(Arc<WriterQueue>);

/// One run of the file.
struct SqliteStore {
    queue: Arc<WriterQueue>,
    run: RunId,
}

/// The way to the thread that the file belongs to. When nobody has it any more, the thread ends what is
/// still to do and closes the file.
struct WriterQueue {
    messages: Option<mpsc::UnboundedSender<Message>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteStores {
    /// Opens the file, or makes it, and brings it up to this program's version. Its runs grow within the usual
    /// limits.
    ///
    /// # Errors
    /// When it can't be used; then it is as it was.
    pub fn open(path: &Path, catalogue: Arc<Catalogue>) -> Result<Self, OpenError> {
        Self::open_within(path, catalogue, Limits::default())
    }

    /// Does the same as [`Self::open`], with other limits.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn open_within(path: &Path, catalogue: Arc<Catalogue>, limits: Limits) -> Result<Self, OpenError> {
        let (connection, lock) = schema::open(path)?;
        let (messages, queue) = mpsc::unbounded_channel();
        let thread = thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || {
                let _locked = lock;
                Writer::new(connection, catalogue, limits).run(queue);
            })
            .map_err(|source| OpenError::Unusable { path: path.to_owned(), source: Box::new(source) })?;
        Ok(Self(Arc::new(WriterQueue { messages: Some(messages), thread: Mutex::new(Some(thread)) })))
    }
}

impl WriterQueue {
    async fn send<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Result<T, StoreError> {
        let (give, answer) = oneshot::channel();
        let stopped = || StoreError::Unavailable("the ledger's thread has stopped".to_owned());
        let messages = self.messages.as_ref().ok_or_else(stopped)?;
        messages.send(message(give)).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())
    }
}

impl Drop for WriterQueue {
    fn drop(&mut self) {
        drop(self.messages.take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Work may have been the last to know the store; the thread can't wait for itself.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}

#[async_trait]
impl Stores for SqliteStores {
    async fn open(&self, run: &str) -> Result<Arc<dyn Store>, StoreError> {
        let name = run.to_owned();
        let run = self.0.send(|answer| Message::Open { name, answer }).await??;
        Ok(Arc::new(SqliteStore { queue: Arc::clone(&self.0), run }))
    }

    async fn delete(&self, run: &str) -> Result<bool, StoreError> {
        let name = run.to_owned();
        self.0.send(|answer| Message::Delete { name, answer }).await?
    }

    async fn runs(&self) -> Result<Vec<String>, StoreError> {
        self.0.send(|answer| Message::Runs { answer }).await?
    }

    async fn settings(&self, name: &'static str) -> Result<Vec<(String, Option<String>)>, StoreError> {
        self.0.send(|answer| Message::Settings { name, answer }).await?
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        self.0.send(|answer| Message::Usage { answer }).await?
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn execute(&self, work: Work) -> Result<(), StoreError> {
        let run = self.run;
        match self.queue.send(|answer| Message::Work { run, work, answer }).await? {
            Ok(done) => done,
            // As if it had panicked where it was asked for.
            Err(panic) => panic::resume_unwind(panic),
        }
    }
}
