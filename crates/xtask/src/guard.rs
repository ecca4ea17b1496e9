//! The guard: a process beside every stack that does nothing but wait for the supervisor's end. Where that
//! end left the stack running (a SIGKILL, a test run cut short), it ends the stack.
//!
//! The stack's processes are in the guard's process group: so also one is ended that was started and not
//! recorded yet, and none starts where the guard is gone.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::{getpgrp, getpid},
};

use crate::{
    process::Group,
    stack_record::{self, StackRecord},
};

/// What the supervisor says to leave the stack running.
const RELEASED: &[u8] = b"released";
const GRACE: Duration = Duration::from_secs(15);

/// The supervisor's side: a pipe, which the system closes when the supervisor ends, however it ends.
#[derive(Debug)]
pub struct Guard(Child);

impl Guard {
    /// Of a folder that nobody needs afterwards, the guard removes it.
    ///
    /// # Errors
    /// When the guard can't be started.
    pub fn spawn(xtask: &Path, folder: &Path, log: &Path, remove: bool) -> io::Result<Self> {
        let log = File::create(log)?;
        Command::new(xtask)
            .arg("guard")
            .arg(folder)
            .args(remove.then_some("--remove"))
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .map(Self)
    }

    /// The process group for the stack's processes.
    #[must_use]
    pub fn group(&self) -> Group {
        Group::of_leader(&self.0)
    }

    /// The stack may outlive the supervisor.
    ///
    /// # Errors
    /// When the guard can't be told.
    pub fn release(&mut self) -> io::Result<()> {
        match &mut self.0.stdin {
            Some(pipe) => pipe.write_all(RELEASED),
            None => Ok(()),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // With the stack ended or the guard released, it has nothing left to do.
        let _ = self.0.wait();
    }
}

/// What can go wrong on guard.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Record(#[from] stack_record::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The guard's side: returns when the supervisor is gone and nothing of its stack is left, or when released.
///
/// # Errors
/// When the record can't be read or a process can't be ended.
pub async fn run_guard(folder: &Path, remove: bool) -> Result<(), Error> {
    let mut said = Vec::new();
    io::stdin().read_to_end(&mut said)?;
    if said == RELEASED {
        return Ok(());
    }
    if let Some(record) = StackRecord::load(folder)? {
        record.end(GRACE, |process, end| println!("{}: {end:?}", process.service)).await?;
        StackRecord::remove(folder)?;
    }
    if remove {
        fs::remove_dir_all(folder)?;
    }
    end_group()
}

/// Ends what nobody recorded, and with it ourselves; nobody is left to be told anything.
fn end_group() -> Result<(), Error> {
    // Somebody else's group isn't the stack's.
    if getpgrp() == getpid() {
        killpg(getpgrp(), Signal::SIGKILL).map_err(io::Error::from)?;
    }
    Ok(())
}
