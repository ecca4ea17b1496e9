//! Tests the life cycle of a stack with real processes: a Temporal development server and the guard.

use std::{
    io::Write,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use xtask::{
    process::{Group, Process, poll_until},
    services::{Options, Ports, TEMPORAL, Temporal},
    stack::{Error, GRACE, Stack},
    stack_record::{self, RecordedProcess, StackRecord},
    temporal_cli::SearchPaths,
    workspace::Workspace,
};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Returns options for a Temporal server without services, in its own folder.
async fn options(folder: &TempDir) -> Options {
    let tools = Workspace::locate().unwrap().tools();
    let cli =
        SearchPaths::from_env(tools).find().await.expect("a Temporal CLI; `cargo xtask test` finds one");
    let ports = Ports::free().unwrap();
    let services = Vec::new();
    Options { services, ..Options::new(folder.path().to_owned(), ports, Temporal::DevServer(cli)) }
}

fn recorded(folder: &TempDir) -> StackRecord {
    StackRecord::load(folder.path()).unwrap().expect("a record")
}

#[tokio::test]
async fn a_stopped_stack_leaves_neither_process_nor_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut stack = Stack::start(options(&folder).await).await.unwrap();
    let record = recorded(&folder);
    assert_eq!(record.processes.len(), 1);
    assert!(record.is_alive());
    stack.stop(|_, _| ()).await.unwrap();
    assert!(!record.is_alive());
    assert_eq!(StackRecord::load(folder.path()).unwrap(), None);
}

#[tokio::test]
async fn a_dropped_stack_leaves_neither_process_nor_record() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(options(&folder).await).await.unwrap();
    let record = recorded(&folder);
    drop(stack);
    assert!(!record.is_alive());
    assert_eq!(StackRecord::load(folder.path()).unwrap(), None);
}

#[tokio::test]
async fn a_dropped_lock_leaves_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::prepare(options(&folder).await).unwrap();
    assert_eq!(recorded(&folder).processes, []);
    drop(stack);
    assert_eq!(StackRecord::load(folder.path()).unwrap(), None);
}

#[tokio::test]
async fn a_second_stack_in_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Stack::start(options(&folder).await).await.unwrap();
    let second = Stack::start(options(&folder).await).await;
    assert!(matches!(second, Err(Error::Record(stack_record::Error::AlreadyUp))), "{second:?}");
}

#[tokio::test]
async fn a_killed_service_can_be_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let mut stack = Stack::start(options(&folder).await).await.unwrap();
    let before = recorded(&folder);
    stack.kill(&TEMPORAL).unwrap();
    assert!(!before.is_alive());
    stack.restart(&TEMPORAL).await.unwrap();
    assert!(recorded(&folder).is_alive());
}

#[tokio::test]
async fn the_end_of_a_service_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let mut stack = Stack::start(options(&folder).await).await.unwrap();
    stack.kill(&TEMPORAL).unwrap();
    let ended = stack.watch().await.to_string();
    assert!(ended.starts_with("temporal has ended by itself, with signal: 9 (SIGKILL)"), "{ended}");
}

#[tokio::test]
async fn a_failed_start_is_reported_in_a_line_with_exit_code_and_last_error() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder).await;
    let _occupied = TcpListener::bind(options.ports.address(&TEMPORAL)).unwrap();
    let error = Stack::start(options).await.unwrap_err().to_string();
    let [line, log] = error.lines().collect::<Vec<_>>()[..] else { panic!("{error}") };
    assert!(line.starts_with("temporal has ended by itself, with exit status: 1: "), "{line}");
    assert!(line.contains("address already in use"), "{line}");
    assert!(log.starts_with("  its log: ") && log.ends_with("/logs/temporal.log"), "{log}");
    assert_eq!(StackRecord::load(folder.path()).unwrap(), None);
}

#[tokio::test]
async fn a_detached_stack_runs_until_its_record_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    Stack::start(options(&folder).await).await.unwrap().detach().unwrap();
    let record = recorded(&folder);
    assert_eq!(record.supervisor, None);
    assert!(record.is_alive());
    let mut ended = Vec::new();
    record.end(GRACE, |process, _| ended.push(process.service.clone())).await.unwrap();
    assert_eq!(ended, ["temporal"]);
    assert!(!record.is_alive());
}

/// Starts a process with a record and a guard.
fn guarded(folder: &TempDir) -> (Process, Child) {
    let mut command = Command::new("sleep");
    command.arg("600");
    let process = Process::spawn(command, &folder.path().join("log"), None).unwrap();
    let identity = process.identity().clone();
    let running = RecordedProcess { service: "sleep".to_owned(), identity, ports: Vec::new() };
    StackRecord { supervisor: None, processes: vec![running] }.save(folder.path()).unwrap();
    (process, guard(folder.path(), &[]))
}

fn guard(folder: &Path, options: &[&str]) -> Child {
    let mut guard = Command::new(env!("CARGO_BIN_EXE_xtask"));
    guard.arg("guard").arg(folder).args(options).stdin(Stdio::piped()).stdout(Stdio::null());
    guard.process_group(0).spawn().unwrap()
}

#[tokio::test]
async fn the_guard_ends_a_stack_whose_supervisor_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, mut guard) = guarded(&folder);
    drop(guard.stdin.take());
    poll_until(TIMEOUT, || process.exited().unwrap()).await.expect("the guard ends the process");
    guard.wait().unwrap();
    assert_eq!(StackRecord::load(folder.path()).unwrap(), None);
}

#[tokio::test]
async fn the_guard_ends_a_process_that_is_not_recorded_yet() {
    let folder = tempfile::tempdir().unwrap();
    let mut guard = guard(folder.path(), &[]);
    let mut command = Command::new("sleep");
    command.arg("600");
    let group = Some(Group::of_leader(&guard));
    let mut process = Process::spawn(command, &folder.path().join("log"), group).unwrap();
    assert_eq!(process.exited().unwrap(), None);
    drop(guard.stdin.take());
    poll_until(TIMEOUT, || process.exited().unwrap()).await.expect("the guard ends the process");
    guard.wait().unwrap();
}

#[test]
fn the_guard_removes_a_temporary_folder() {
    let folder = tempfile::tempdir().unwrap().keep();
    let mut guard = guard(&folder, &["--remove"]);
    drop(guard.stdin.take());
    guard.wait().unwrap();
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_released_guard_leaves_the_stack_running() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, mut guard) = guarded(&folder);
    guard.stdin.take().unwrap().write_all(b"released").unwrap();
    assert!(guard.wait().unwrap().success());
    assert_eq!(process.exited().unwrap(), None);
    assert!(recorded(&folder).is_alive());
}
