//! Runs cargo as a user would. Its own output shows the progress.

use std::{
    env,
    ffi::OsString,
    io,
    path::Path,
    process::{ExitStatus, Stdio},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
};

use crate::workspace::Workspace;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cargo can't be run: {0}")]
    Io(#[from] io::Error),
    #[error("the build failed ({0})")]
    Build(ExitStatus),
}

/// The targets that are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Targets {
    Programs,
    /// One build for both: separate builds would compile shared dependencies twice, with different features.
    ProgramsAndTests,
}

/// Builds the workspace.
///
/// # Errors
/// Returns an error when it doesn't compile.
pub async fn build(workspace: &Workspace, targets: Targets) -> Result<(), Error> {
    let mut cargo = command(workspace, "build");
    cargo.arg("--bins");
    if targets == Targets::ProgramsAndTests {
        cargo.arg("--tests");
    }
    let status = Running::spawn(&mut cargo)?.0.wait().await?;
    if status.success() { Ok(()) } else { Err(Error::Build(status)) }
}

/// Runs tests of the workspace with `cargo test`, and passes on each line of the test runner.
///
/// # Errors
/// Returns an error when cargo can't be run. The status shows failed tests.
pub async fn test(
    workspace: &Workspace,
    arguments: &[String],
    environment: &[(&str, OsString)],
    mut on_line: impl FnMut(&str),
) -> Result<ExitStatus, Error> {
    let mut cargo = command(workspace, "test");
    cargo.arg("--no-fail-fast").args(arguments);
    cargo.envs(environment.iter().map(|(name, value)| (name, value)));
    let mut running = Running::spawn(cargo.stdout(Stdio::piped()))?;
    if let Some(output) = running.0.stdout.take() {
        each_line(output, &mut on_line).await?;
    }
    Ok(running.0.wait().await?)
}

/// Runs tests of the workspace with cargo-nextest, and passes on each line that it prints.
///
/// # Errors
/// Returns an error when cargo-nextest can't be run. The status shows failed tests.
pub async fn nextest(
    workspace: &Workspace,
    executable: &Path,
    arguments: &[String],
    environment: &[(&str, OsString)],
    mut on_line: impl FnMut(&str),
) -> Result<ExitStatus, Error> {
    let mut nextest = Command::new(executable);
    nextest.args(["nextest", "run", "--workspace", "--no-fail-fast", "--no-tests", "pass"]);
    nextest.args(profile()).args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
    nextest.current_dir(workspace.root()).stdin(Stdio::null());
    // cargo-nextest writes its report to standard error.
    let mut running = Running::spawn(nextest.stderr(Stdio::piped()))?;
    if let Some(output) = running.0.stderr.take() {
        each_line(output, &mut on_line).await?;
    }
    Ok(running.0.wait().await?)
}

async fn each_line(output: impl AsyncRead + Unpin, on_line: &mut impl FnMut(&str)) -> io::Result<()> {
    let mut lines = BufReader::new(output).split(b'\n');
    while let Some(line) = lines.next_segment().await? {
        on_line(&String::from_utf8_lossy(&line));
    }
    Ok(())
}

/// Selects the profile in which this program was built.
fn profile() -> Option<&'static str> {
    (!cfg!(debug_assertions)).then_some("--release")
}

/// Returns a command for the whole workspace, in the profile of this program. Another selection of packages would
/// make cargo rebuild shared dependencies.
fn command(workspace: &Workspace, name: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([name, "--workspace"]).current_dir(workspace.root()).stdin(Stdio::null());
    cargo.args(profile());
    cargo
}

/// A cargo process and its children in their own process group. A drop sends SIGTERM to the group.
struct Running(Child);

impl Running {
    fn spawn(command: &mut Command) -> io::Result<Self> {
        command.process_group(0).spawn().map(Self)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A process that was waited for has no pid any more.
        if let Some(group) = self.0.id() {
            // An error means that the group has already ended.
            let _ = killpg(Pid::from_raw(group.cast_signed()), Signal::SIGTERM);
        }
    }
}
