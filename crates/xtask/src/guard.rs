//! The guard is a process beside every stack. It waits for the supervisor's end, and ends the stack if the supervisor
//! left it running, for example after a SIGKILL.
//!
//! The stack's processes are in the guard's process group. So the guard also ends a process that is not recorded yet,
//! and no process starts without a guard.

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

/// The supervisor's message that leaves the stack running.
const RELEASED: &[u8] = b"released";
const GRACE: Duration = Duration::from_secs(15);

/// The supervisor's side: a pipe. The system closes it at the supervisor's end, even after a SIGKILL.
#[derive(Debug)]
pub struct Guard(Child);

impl Guard {
    /// Starts the guard of a folder. With `remove`, the guard removes the folder afterwards.
    ///
    /// # Errors
    /// Returns an error when the guard can't be started.
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

    /// Returns the process group for the stack's processes.
    #[must_use]
    pub fn group(&self) -> Group {
        Group::of_leader(&self.0)
    }

    /// Lets the stack outlive the supervisor.
    ///
    /// # Errors
    /// Returns an error when the message can't be sent to the guard.
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
        // The guard exits now: the pipe is closed, and the stack has ended or the guard was released.
        let _ = self.0.wait();
    }
}

/// The guard can't end the stack.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Record(#[from] stack_record::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs the guard. Returns when the supervisor and its stack have ended, or after a release.
///
/// # Errors
/// Returns an error when the record can't be read or a process can't be ended.
pub async fn run_guard(folder: &Path, remove: bool) -> Result<(), Error> {
    let mut message = Vec::new();
    io::stdin().read_to_end(&mut message)?;
    if message == RELEASED {
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

/// Ends the processes that are not recorded, and this process with them.
fn end_group() -> Result<(), Error> {
    // Otherwise the group belongs to another program, such as a shell.
    if getpgrp() == getpid() {
        killpg(getpgrp(), Signal::SIGKILL).map_err(io::Error::from)?;
    }
    Ok(())
}
