//! Ctrl-C and SIGTERM end an exploration early; the report then has the findings so far.

use std::{io, process::ExitCode};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::signal::unix::{SignalKind, signal};

/// The exit code after a signal is this plus the number of the signal.
const SIGNAL_EXIT_BASE: u8 = 128;

/// Names the signal that ended an exploration early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Interrupt,
    Terminate,
}

impl Signal {
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Interrupt => SIGNAL_EXIT_BASE + 2,
            Self::Terminate => SIGNAL_EXIT_BASE + 15,
        })
    }
}

/// Waits for a signal; every clone receives the same one.
#[derive(Clone)]
pub struct StopSignal(Shared<BoxFuture<'static, Signal>>);

impl StopSignal {
    /// Replaces the default handling, which ends the process at once.
    ///
    /// # Errors
    /// Returns an error when the handlers can't be installed.
    pub fn listen() -> io::Result<Self> {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let wait = async move {
            tokio::select! {
                _ = interrupt.recv() => Signal::Interrupt,
                _ = terminate.recv() => Signal::Terminate,
            }
        };
        Ok(Self(wait.boxed().shared()))
    }

    /// Waits for the signal.
    pub async fn received(&self) -> Signal {
        self.0.clone().await
    }

    /// Returns true when the signal has arrived.
    #[must_use]
    pub fn is_received(&self) -> bool {
        self.0.clone().now_or_never().is_some()
    }
}
