//! `cargo xtask up`, `down` and `status`: the stack on the default ports, for users.

use std::{io, path::PathBuf, time::Duration};

use anstyle::{AnsiColor, Style};

use crate::{
    cargo::{self, Targets},
    console::Console,
    demo, guard,
    http::Http,
    interrupt::{Interrupted, Interrupts},
    logs::{self, Follower},
    observers::{self, Observers},
    ports::{self, UnavailablePort},
    process::{End, Identity},
    services::{self, Options, PROVIDER, Ports, Service, State, TEMPORAL, Temporal},
    sources,
    stack::{self, Event, GRACE, Probe, Stack},
    stack_record::{self, StackRecord},
    temporal_cli::{SearchPaths, TemporalCli, Unavailable},
    workspace::Workspace,
};

/// The pause between two reads of the logs.
const LOG_POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The provider's default profile.
pub const DEFAULT_CHAOS: &str = "seed";
/// The time limit of a request to the provider.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Leaves a supervisor time to end its stack.
const SUPERVISOR_GRACE: Duration = Duration::from_secs(90);

/// A command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    #[error("{}; stop that process, or add --free-ports", list_ports(.0))]
    PortsTaken(Vec<UnavailablePort>),
    #[error(transparent)]
    NoTemporalCli(#[from] Unavailable),
    #[error(transparent)]
    NoObserver(#[from] observers::Missing),
    #[error(transparent)]
    Cargo(#[from] cargo::Error),
    #[error(transparent)]
    Stack(#[from] stack::Error),
    #[error(transparent)]
    Record(#[from] stack_record::Error),
    #[error(transparent)]
    Guard(#[from] guard::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the HTTP client can't be set up: {0}")]
    Http(#[from] reqwest::Error),
    #[error("no stack is up")]
    NotUp,
    #[error("not all of the stack is ready")]
    NotReady,
    #[error(transparent)]
    Demo(#[from] demo::Error),
    #[error("not every test passed")]
    TestsFailed,
    #[error("no test was run")]
    NoTests,
}

fn list_ports(taken: &[UnavailablePort]) -> String {
    taken.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The options of `up` and `demo`.
#[expect(clippy::struct_excessive_bools, reason = "each is an independent switch")]
#[derive(Debug, Clone)]
pub struct UpOptions {
    /// The provider's profile. The default is an earlier profile override, else [`DEFAULT_CHAOS`].
    pub chaos: Option<String>,
    pub seed: Option<u64>,
    pub fast: bool,
    /// Starts without data. Otherwise the stack continues with the data of the last one.
    pub fresh: bool,
    pub free_ports: bool,
    /// Adds Prometheus and Jaeger.
    pub observe: bool,
    /// Variables of services that extend those of the stack.
    pub environment: Vec<(&'static Service, &'static str, String)>,
}

/// Starts a stack, and shows its logs until an interrupt or the end of a service.
///
/// # Errors
/// Returns an error when the stack can't be started, or a service ends by itself.
pub async fn up(
    console: &Console,
    interrupts: &mut Interrupts,
    options: &UpOptions,
    detach: bool,
) -> Result<(), Error> {
    let mut stack = interrupts.race(start_stack(console, options)).await?;
    print_addresses(&stack);
    if detach {
        let logs = stack.options().folder.join("logs");
        stack.detach()?;
        console.print(&format!(
            "`cargo xtask status` shows it, `cargo xtask down` ends it, its logs are in {}",
            logs.display()
        ));
        return Ok(());
    }
    console.print("Ctrl-C ends the stack\n");
    let logs =
        stack.options().all_services().map(|service| (service.name, stack.log_path(service))).collect();
    let ended = tokio::select! {
        failed = follow(logs) => failed.map_err(Error::from),
        ended = stack.watch() => Err(ended.into()),
        () = interrupts.next() => Ok(()),
    };
    stop_stack(console, interrupts, stack).await?;
    ended
}

/// Starts a stack, and returns when it is ready.
///
/// # Errors
/// Returns an error when a port is in use, there is no Temporal CLI, the build fails, or a service ends or isn't ready in time.
pub async fn start_stack(console: &Console, options: &UpOptions) -> Result<Stack, Error> {
    let workspace = Workspace::locate()?;
    let folder = workspace.stack();
    if StackRecord::load(&folder)?.is_some_and(|record| record.is_alive()) {
        return Err(stack_record::Error::AlreadyUp.into());
    }
    let ports = if options.free_ports { Ports::free_with_ui()? } else { Ports::standard() };
    let observers = options.observe.then(|| Observers::from_env(&workspace)).transpose()?;
    let taken = ports::unavailable_ports(&ports.required_ports(options.observe));
    if !taken.is_empty() {
        return Err(Error::PortsTaken(taken));
    }
    let cli = temporal_cli(console, &SearchPaths::from_env(workspace.tools())).await?;
    let offline = is_offline(console).await;
    let mut stack = Stack::prepare(Options {
        offline,
        chaos: options.chaos.clone().unwrap_or_else(|| DEFAULT_CHAOS.to_owned()),
        removes_profile_override: options.chaos.is_some(),
        seed: options.seed,
        fast: options.fast,
        state: if options.fresh { State::Fresh } else { State::Kept },
        environment: options.environment.clone(),
        observers,
        ..Options::new(folder, ports, Temporal::DevServer(cli))
    })?;
    if stack.options().has_saved_state() {
        console.print("Continuing with the orders and the ledger of the last stack; --fresh starts empty");
    }
    console.print("Building the services");
    cargo::build(&workspace, Targets::Programs).await?;
    let mut steps = Vec::new();
    stack
        .start_all(|event| match event {
            Event::Starting(service) => {
                steps.push((service, console.start_step(format!("start {}", service.name))));
            }
            Event::Ready(service) => {
                steps.extract_if(.., |(of, _)| *of == service).for_each(|(_, step)| step.done());
            }
        })
        .await?;
    if let Some(profile) = profile_override(&stack).await? {
        console.print(&format!(
            "The provider keeps the profile {profile}, which was set at run time; --chaos NAME replaces it"
        ));
    }
    Ok(stack)
}

/// Returns the name of a profile override from the last stack that is still active.
async fn profile_override(stack: &Stack) -> Result<Option<String>, Error> {
    if !stack.options().has_saved_state() {
        return Ok(None);
    }
    let url = format!("{}/chaos/profile", stack.url(&PROVIDER));
    // The stack is ready, so a failed request for this hint is ignored.
    let Ok(answer) = Http::new()?.get(&url, REQUEST_TIMEOUT).await else { return Ok(None) };
    let name = answer.body["name"].as_str().filter(|_| answer.body["put"] == true);
    Ok(name.map(str::to_owned))
}

/// Returns whether the stack uses a stand-in for the sources of user contexts. Prints the decision, unless the
/// environment makes it.
async fn is_offline(console: &Console) -> bool {
    if sources::is_set_by_environment() {
        return false;
    }
    let unreachable = sources::unreachable_sources().await;
    if unreachable.is_empty() {
        console.print("The sources of user contexts can be reached, so founder uses them");
    } else {
        console.print(&format!(
            "{} can't be reached, so a stand-in replaces the sources of user contexts ({}=true)",
            unreachable.join(", "),
            sources::OFFLINE
        ));
    }
    !unreachable.is_empty()
}

/// Ends a stack in the reverse start order, or at once after another interrupt.
///
/// # Errors
/// Returns an error when a process can't be ended.
pub async fn stop_stack(
    console: &Console,
    interrupts: &mut Interrupts,
    mut stack: Stack,
) -> Result<(), Error> {
    let stop = async {
        let step = console.start_step("end all services");
        stack.stop(|service, end| print_end(console, service.name, end)).await?;
        step.done();
        Ok(())
    };
    interrupts.race(stop).await
}

fn print_end(console: &Console, service: &str, end: End) {
    match end {
        End::AlreadyEnded => console.print(&format!("   {service} had already ended")),
        End::Graceful => console.print(&format!("   {service} ended")),
        End::Killed => console.print(&format!("   {service} ignored the request to end, and was killed")),
    }
}

/// Finds or installs Temporal's CLI, and shows the progress.
///
/// # Errors
/// Returns an error when none is available.
pub async fn temporal_cli(console: &Console, search_paths: &SearchPaths) -> Result<TemporalCli, Unavailable> {
    let mut step = None;
    let cli = search_paths
        .find_or_install(|origin| {
            // The last step is cleared first.
            step = None;
            step = Some(console.start_step(format!("install Temporal's CLI from {origin}")));
        })
        .await?;
    match step {
        Some(step) => step.done(),
        None => console.print(&format!("Temporal CLI {} at {}", cli.version(), cli.path().display())),
    }
    Ok(cli)
}

fn print_addresses(stack: &Stack) {
    let bold = Style::new().bold();
    let ports = stack.ports();
    anstream::println!();
    let row = |name: &str, address: &str, about: &str| {
        anstream::println!("  {bold}{name:<19}{bold:#} {address:<32} {about}");
    };
    for service in stack.options().all_services() {
        let address = match service.page {
            "" => ports.address(service),
            page => format!("{}{page}", ports.url(service)),
        };
        row(service.name, &address, service.about);
        if let Some(ui) = ports.ui().filter(|_| service == &TEMPORAL) {
            row("Temporal Web UI", &format!("http://127.0.0.1:{ui}"), "every workflow, event by event");
        }
    }
    anstream::println!();
}

/// Prints the logs of the services until it is dropped.
async fn follow(logs: Vec<(&'static str, PathBuf)>) -> io::Result<()> {
    const COLOURS: [AnsiColor; 5] =
        [AnsiColor::Blue, AnsiColor::Magenta, AnsiColor::Cyan, AnsiColor::Yellow, AnsiColor::Green];
    let mut followers: Vec<_> = logs
        .into_iter()
        .zip(COLOURS.into_iter().cycle())
        .map(|((name, path), colour)| (name, colour.on_default(), Follower::new(path)))
        .collect();
    loop {
        for (name, colour, follower) in &mut followers {
            for line in follower.lines()?.iter().filter(|line| !line.trim().is_empty()) {
                anstream::println!("{colour}{name:<17} |{colour:#} {}", logs::render(line));
            }
        }
        tokio::time::sleep(LOG_POLL_INTERVAL).await;
    }
}

/// Ends the stack that is up, if there is one.
///
/// # Errors
/// Returns an error when the record can't be read or a process can't be ended.
pub async fn down(console: &Console) -> Result<(), Error> {
    let folder = Workspace::locate()?.stack();
    let Some(record) = StackRecord::load(&folder)? else {
        console.print("No stack is up");
        return Ok(());
    };
    if let Some(supervisor) = record.supervisor.filter(Identity::is_running) {
        let step =
            console.start_step(format!("wait for the command with pid {} to end its stack", supervisor.pid));
        supervisor.end(SUPERVISOR_GRACE).await?;
        step.done();
    }
    // The supervisor may have left processes behind.
    if let Some(record) = StackRecord::load(&folder)? {
        record.end(GRACE, |process, end| print_end(console, &process.service, end)).await?;
        StackRecord::remove(&folder)?;
    }
    console.print("The stack has ended");
    Ok(())
}

fn supervisor_label(supervisor: Option<&Identity>) -> String {
    match supervisor {
        None => "detached: `cargo xtask down` ends it".to_owned(),
        Some(supervisor) if supervisor.is_running() => {
            format!("supervised by the command with pid {}", supervisor.pid)
        }
        Some(supervisor) => format!(
            "its supervisor with pid {} has ended: `cargo xtask down` ends the remaining processes",
            supervisor.pid
        ),
    }
}

/// Shows whether each process of the stack runs and is ready.
///
/// # Errors
/// Returns an error when there is no stack, or not all of it is ready.
pub async fn status() -> Result<(), Error> {
    let workspace = Workspace::locate()?;
    let record = StackRecord::load(&workspace.stack())?.ok_or(Error::NotUp)?;
    println!("{}", supervisor_label(record.supervisor.as_ref()));
    let cli = SearchPaths::from_env(workspace.tools()).find().await.ok();
    let http = Http::new()?;
    let mut all_ready = !record.processes.is_empty();
    for process in &record.processes {
        let state = if process.identity.is_running() {
            match (services::find(&process.service), process.ports.first()) {
                (Some(service), Some(port)) => {
                    Probe { service, port: *port, http: http.clone(), cli: cli.clone() }.check().await
                }
                _ => Err("unknown to this version".to_owned()),
            }
        } else {
            Err("has ended".to_owned())
        };
        all_ready &= state.is_ok();
        let ports = process.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let state = state.map_or_else(|reason| format!("not ready: {reason}"), |()| "ready".to_owned());
        println!("  {:<18} pid {:<8} port {ports:<12} {state}", process.service, process.identity.pid);
    }
    if all_ready { Ok(()) } else { Err(Error::NotReady) }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::process::Process;

    #[test]
    fn the_status_shows_the_supervisor_of_a_stack_or_its_absence() {
        assert!(supervisor_label(None).starts_with("detached"));
        let own = Identity::own().unwrap();
        assert_eq!(supervisor_label(Some(&own)), format!("supervised by the command with pid {}", own.pid));
        let folder = tempfile::tempdir().unwrap();
        let process = Process::spawn(Command::new("true"), &folder.path().join("log"), None).unwrap();
        let gone = process.identity().clone();
        drop(process);
        assert!(supervisor_label(Some(&gone)).contains("has ended"), "{}", supervisor_label(Some(&gone)));
    }
}
