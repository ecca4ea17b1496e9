//! The wish to stop, however it is said: Ctrl-C, `kill`, or the terminal going away.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from its creation on; nothing said in between is lost.
#[derive(Debug)]
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

/// Somebody wished us to stop.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Interrupts {
    /// # Errors
    /// When the signals can't be listened to.
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

    /// Does the work, and drops it half done where an interrupt comes before its end.
    ///
    /// # Errors
    /// The work's, or [`Interrupted`].
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
