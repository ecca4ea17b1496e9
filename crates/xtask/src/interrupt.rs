//! Requests to stop: Ctrl-C, `kill`, or a closed terminal.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for signals from its creation on, so that none is lost.
#[derive(Debug)]
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

/// A signal asked this program to stop.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Interrupts {
    /// # Errors
    /// Returns an error when the signal handlers can't be installed.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }

    /// Runs the work, and drops it when an interrupt arrives first.
    ///
    /// # Errors
    /// Returns the error of the work, or [`Interrupted`].
    pub async fn race<T, E: From<Interrupted>>(
        &mut self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            done = work => done,
            () = self.next() => Err(Interrupted.into()),
        }
    }
}
