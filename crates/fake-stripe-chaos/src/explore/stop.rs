//! Who explores may have seen enough: Ctrl-C and SIGTERM end it early, and what was found is told.

use std::{io, process::ExitCode};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::signal::unix::{SignalKind, signal};

/// What a shell says of who ended by a signal.
const BY_SIGNAL: u8 = 128;

/// The signal that ends an exploration early, once it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Interrupt,
    Terminate,
}

impl Signal {
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Interrupt => BY_SIGNAL + 2,
            Self::Terminate => BY_SIGNAL + 15,
        })
    }
}

/// Waits for the signal; whoever has a clone learns of the same one.
#[derive(Clone)]
pub struct Stop(Shared<BoxFuture<'static, Signal>>);

impl Stop {
    /// Takes over from the default, which ends the process at once.
    ///
    /// # Errors
    /// When the system gives no signals.
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

    /// Until it has come.
    pub async fn come(&self) -> Signal {
        self.0.clone().await
    }

    /// Whether it has.
    #[must_use]
    pub fn has_come(&self) -> bool {
        self.0.clone().now_or_never().is_some()
    }
}
