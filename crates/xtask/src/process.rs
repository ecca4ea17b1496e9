//! Starts and ends processes. A process is identified by its pid and its start time, and is killed if it doesn't end
//! when asked.

use std::{
    fmt, fs,
    fs::OpenOptions,
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
};
use serde::{Deserialize, Serialize};

/// The pause between two checks of a process.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Leaves the system time to remove a killed process.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// A process id. The system may give it to another process later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pid(i32);

impl std::str::FromStr for Pid {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identifies one process for ever: by its pid and its start time, since pids are reused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub pid: Pid,
    started: String,
}

impl Identity {
    /// Returns the identity of the process that has this pid now.
    ///
    /// # Errors
    /// Returns an error when no process has this pid.
    pub fn of(pid: Pid) -> io::Result<Self> {
        let ProcessStatus { started, .. } = read_status(pid)?;
        Ok(Self { pid, started })
    }

    /// Returns the identity of this process.
    ///
    /// # Errors
    /// Returns an error when the system can't be asked.
    pub fn own() -> io::Result<Self> {
        Self::of(Pid(std::process::id().cast_signed()))
    }

    #[must_use]
    pub fn is_running(&self) -> bool {
        read_status(self.pid).is_ok_and(|status| status.started == self.started && !status.ended)
    }

    /// Ends a process that need not be a child: sends SIGTERM, and SIGKILL after `grace`.
    ///
    /// # Errors
    /// Returns an error when it can't be signalled, or still runs after SIGKILL.
    pub async fn end(&self, grace: Duration) -> io::Result<End> {
        for (signal, limit, end) in
            [(Signal::SIGTERM, grace, End::Graceful), (Signal::SIGKILL, KILL_LIMIT, End::Killed)]
        {
            if !self.is_running() {
                return Ok(End::AlreadyEnded);
            }
            send(self.pid, signal)?;
            if poll_until(limit, || (!self.is_running()).then_some(())).await.is_some() {
                return Ok(end);
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("pid {} still runs after SIGKILL", self.pid)))
    }
}

/// The way in which a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It had ended before the request.
    AlreadyEnded,
    Graceful,
    Killed,
}

/// An existing process group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group(Pid);

impl Group {
    /// Returns the group of a child that was started in its own group.
    #[must_use]
    pub fn of_leader(leader: &Child) -> Self {
        Self(Pid(leader.id().cast_signed()))
    }
}

/// A child in another process group, so that a Ctrl-C in the terminal reaches only this program. Its output goes to a
/// file, which never blocks it. A drop kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    identity: Identity,
    detached: bool,
}

impl Process {
    /// Starts a program in a group, or in a new one.
    ///
    /// # Errors
    /// Returns an error when the log can't be opened, the program can't be started, or the group doesn't exist.
    pub fn spawn(mut command: Command, log: &Path, group: Option<Group>) -> io::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(group.map_or(0, |Group(leader)| leader.0))
            .spawn()
            .map_err(|error| with_program(&error, &command))?;
        // A child stays in the process table until it is waited for, even if it ends at once.
        let identity = Identity::of(Pid(child.id().cast_signed()))?;
        Ok(Self { child, identity, detached: false })
    }

    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns its exit status, if it has ended.
    ///
    /// # Errors
    /// Returns an error when the system can't be asked.
    pub fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends SIGTERM, and SIGKILL after `grace`.
    ///
    /// # Errors
    /// Returns an error when it can't be signalled or waited for.
    pub async fn stop(&mut self, grace: Duration) -> io::Result<End> {
        if self.exited()?.is_some() {
            return Ok(End::AlreadyEnded);
        }
        send(self.identity.pid, Signal::SIGTERM)?;
        if let Some(ended) = poll_until(grace, || self.exited().transpose()).await {
            return ended.map(|_| End::Graceful);
        }
        self.kill()?;
        Ok(End::Killed)
    }

    /// Kills it, as a crash would end it.
    ///
    /// # Errors
    /// Returns an error when it can't be signalled or waited for.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Leaves it running after a drop.
    pub fn detach(&mut self) {
        self.detached = true;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.detached {
            // A drop can't report an error.
            let _ = self.kill();
        }
    }
}

/// Repeats a check until it returns a value or the limit has passed.
pub async fn poll_until<T>(limit: Duration, mut check: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = check() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn send(pid: Pid, signal: Signal) -> io::Result<()> {
    match kill(nix::unistd::Pid::from_raw(pid.0), signal) {
        // The process has already ended.
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(io::Error::new(
            io::Error::from(errno).kind(),
            format!("{signal} to pid {pid}: {}", errno.desc()),
        )),
    }
}

fn with_program(error: &io::Error, command: &Command) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", command.get_program().display()))
}

/// The system's information about a process.
#[derive(Debug, PartialEq, Eq)]
struct ProcessStatus {
    started: String,
    /// It has ended, and stays in the process table until its parent reads the exit code.
    ended: bool,
}

fn read_status(pid: Pid) -> io::Result<ProcessStatus> {
    let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("there is no process {pid}"));
    if cfg!(target_os = "linux") {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|_| unknown())?;
        parse_stat(&stat, boot.trim()).ok_or_else(unknown)
    } else {
        let ps = Command::new("ps").args(["-o", "stat=,lstart=", "-p", &pid.to_string()]).output()?;
        parse_ps(&String::from_utf8_lossy(&ps.stdout)).ok_or_else(unknown)
    }
}

/// Parses `/proc/PID/stat` (see proc(5)). The name in parentheses may contain any character. Start times count from
/// the boot, so the boot's id is a part of them.
fn parse_stat(stat: &str, boot: &str) -> Option<ProcessStatus> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?;
    Some(ProcessStatus { started: format!("{boot}/{started}"), ended: matches!(state, "Z" | "X") })
}

/// Parses a line of `ps -o stat=,lstart=`, for systems without `/proc`.
fn parse_ps(line: &str) -> Option<ProcessStatus> {
    let (state, started) = line.trim().split_once(' ')?;
    Some(ProcessStatus { started: started.trim().to_owned(), ended: state.starts_with('Z') })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "4242 (a) b) S 1 4242 4242 0 -1 4194560 155 0 0 0 1 2 0 0 20 0 9 0 98765 1234 56 18446744073709551615";

    fn sleeper(script: &str) -> (Process, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        (Process::spawn(command, &folder.path().join("log"), None).unwrap(), folder)
    }

    /// Waits until the script has printed something.
    async fn printed(folder: &tempfile::TempDir) {
        let log = folder.path().join("log");
        poll_until(Duration::from_secs(10), || fs::read_to_string(&log).ok().filter(|text| !text.is_empty()))
            .await
            .expect("the script prints");
    }

    #[test]
    fn the_start_time_is_read_after_a_name_with_parentheses() {
        let status = parse_stat(STAT, "boot").unwrap();
        assert_eq!(status, ProcessStatus { started: "boot/98765".to_owned(), ended: false });
    }

    #[test]
    fn a_zombie_process_has_ended() {
        assert!(parse_stat(&STAT.replace(" S ", " Z "), "boot").unwrap().ended);
    }

    #[test]
    fn start_times_of_different_boots_differ() {
        assert_ne!(parse_stat(STAT, "monday"), parse_stat(STAT, "tuesday"));
    }

    #[test]
    fn the_start_time_is_read_from_ps_on_systems_without_proc() {
        let status = parse_ps(
            "Ss   Mon Nov 23 20:25:01 2026
",
        )
        .unwrap();
        assert_eq!(status, ProcessStatus { started: "Mon Nov 23 20:25:01 2026".to_owned(), ended: false });
        assert_eq!(parse_ps(""), None);
    }

    #[tokio::test]
    async fn another_process_with_the_same_number_is_not_touched() {
        let (mut process, _folder) = sleeper("exec sleep 60");
        let before = Identity { started: "an earlier time".to_owned(), ..process.identity().clone() };
        assert_eq!(before.end(Duration::ZERO).await.unwrap(), End::AlreadyEnded);
        assert!(process.exited().unwrap().is_none());
    }

    #[tokio::test]
    async fn a_process_ends_gracefully_when_asked() {
        let (mut process, folder) = sleeper("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done");
        printed(&folder).await;
        assert_eq!(process.stop(Duration::from_secs(10)).await.unwrap(), End::Graceful);
        assert_eq!(process.exited().unwrap().unwrap().code(), Some(7));
    }

    #[tokio::test]
    async fn a_process_that_ignores_sigterm_is_killed() {
        let (mut process, folder) = sleeper("trap '' TERM; echo ready; while :; do sleep 0.01; done");
        printed(&folder).await;
        assert_eq!(process.stop(Duration::from_millis(100)).await.unwrap(), End::Killed);
        assert!(!process.identity().is_running());
    }

    #[tokio::test]
    async fn a_dropped_process_is_killed() {
        let (process, _folder) = sleeper("exec sleep 60");
        let identity = process.identity().clone();
        assert!(identity.is_running());
        drop(process);
        assert!(!identity.is_running());
    }

    #[tokio::test]
    async fn a_detached_process_survives_a_drop_and_ends_by_its_identity() {
        let (mut process, _folder) = sleeper("exec sleep 60");
        process.detach();
        let identity = process.identity().clone();
        drop(process);
        assert!(identity.is_running());
        assert_eq!(identity.end(Duration::from_secs(10)).await.unwrap(), End::Graceful);
    }

    #[test]
    fn a_missing_program_is_named_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let error =
            Process::spawn(Command::new("/no/such/program"), &folder.path().join("log"), None).unwrap_err();
        assert!(error.to_string().starts_with("/no/such/program: "), "{error}");
    }
}
