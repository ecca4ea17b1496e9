//! A gate that one piece of asynchronous work passes at a time.

use tokio::sync::{Mutex, MutexGuard};

/// See the module.
#[derive(Debug, Default)]
pub struct Gate(Mutex<()>);

/// Keeps the gate closed until it is dropped.
#[must_use = "the gate is open again when this is dropped"]
pub struct Passing<'a> {
    _closed: MutexGuard<'a, ()>,
}

impl Gate {
    /// Waits until nobody else is passing.
    pub async fn pass(&self) -> Passing<'_> {
        Passing { _closed: self.0.lock().await }
    }
}
