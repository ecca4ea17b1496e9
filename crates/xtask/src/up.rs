//! `cargo xtask up`, `down` and `status`: the stack on the usual ports, for people.

use std::{io, path::PathBuf, time::Duration};

use anstyle::{AnsiColor, Style};

use crate::{
    cargo::{self, Targets},
    console::Console,
    demo, guard,
    http::Http,
    interrupt::{Interrupted, Interrupts},
    logs::{self, Follower},
    ports::{self, Taken},
    process::{End, Identity},
    record::{self, Record},
    services::{self, Options, PROVIDER, Ports, Service, State, TEMPORAL, Temporal},
    sources,
    stack::{self, Event, GRACE, Probe, Stack},
    temporal_cli::{Surroundings, TemporalCli, Unavailable},
    workspace::Workspace,
};

/// How often the logs are looked at.
const FOLLOW: Duration = Duration::from_millis(100);
/// The provider's profile where nobody asks for another one.
pub const USUAL_CHAOS: &str = "seed";
/// For one question to the provider.
const QUESTION_LIMIT: Duration = Duration::from_secs(5);
/// For whoever looks after a stack to end all of it.
const SUPERVISOR_GRACE: Duration = Duration::from_secs(90);

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    #[error("{}; end what has it, or add --free-ports", listed(.0))]
    PortsTaken(Vec<Taken>),
    #[error(transparent)]
    NoTemporalCli(#[from] Unavailable),
    #[error(transparent)]
    Cargo(#[from] cargo::Error),
    #[error(transparent)]
    Stack(#[from] stack::Error),
    #[error(transparent)]
    Record(#[from] record::Error),
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

fn listed(taken: &[Taken]) -> String {
    taken.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// How the stack is to be.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// The provider's profile. Without one: [`USUAL_CHAOS`], or the profile that was put at run time before.
    pub chaos: Option<String>,
    pub seed: Option<u64>,
    pub fast: bool,
    /// Begins empty; else goes on with what the last stack left.
    pub fresh: bool,
    pub free_ports: bool,
    /// Variables of services beside those that the stack itself sets.
    pub environment: Vec<(&'static Service, &'static str, String)>,
}

/// Starts a stack, and shows its logs until an interrupt or the end of one of its services.
///
/// # Errors
/// When it can't be started, or a service ends by itself.
pub async fn up(
    console: &Console,
    interrupts: &mut Interrupts,
    wishes: &Wishes,
    detach: bool,
) -> Result<(), Error> {
    let mut stack = interrupts.or(raise(console, wishes)).await?;
    print_addresses(&stack);
    if detach {
        let logs = stack.options().folder.join("logs");
        stack.detach()?;
        console.say(&format!(
            "`cargo xtask status` shows it, `cargo xtask down` ends it, its logs are in {}",
            logs.display()
        ));
        return Ok(());
    }
    console.say("Ctrl-C ends all of it\n");
    let logs = services::all_services().map(|service| (service.name, stack.log(service))).collect();
    let ended = tokio::select! {
        failed = follow(logs) => failed.map_err(Error::from),
        ended = stack.watch() => Err(ended.into()),
        () = interrupts.next() => Ok(()),
    };
    lower(console, interrupts, stack).await?;
    ended
}

/// Everything up to a stack that is ready.
///
/// # Errors
/// When a port is taken, there is no Temporal CLI, the build fails, or a service ends or isn't ready in time.
pub async fn raise(console: &Console, wishes: &Wishes) -> Result<Stack, Error> {
    let workspace = Workspace::locate()?;
    let folder = workspace.stack();
    if Record::load(&folder)?.is_some_and(|record| record.is_alive()) {
        return Err(record::Error::AlreadyUp.into());
    }
    let ports = if wishes.free_ports { Ports::free_with_ui()? } else { Ports::usual() };
    let taken = ports::taken(&ports.claims());
    if !taken.is_empty() {
        return Err(Error::PortsTaken(taken));
    }
    let cli = temporal_cli(console, &Surroundings::from_env(workspace.tools())).await?;
    let offline = is_offline(console).await;
    let mut stack = Stack::claim(Options {
        offline,
        chaos: wishes.chaos.clone().unwrap_or_else(|| USUAL_CHAOS.to_owned()),
        takes_profile_back: wishes.chaos.is_some(),
        seed: wishes.seed,
        fast: wishes.fast,
        state: if wishes.fresh { State::Fresh } else { State::Kept },
        environment: wishes.environment.clone(),
        ..Options::new(folder, ports, Temporal::DevServer(cli))
    })?;
    if stack.options().is_continued() {
        console.say("Going on with the orders and the ledger of the stack before; --fresh begins empty");
    }
    console.say("Building the services");
    cargo::build(&workspace, Targets::Programs).await?;
    let mut steps = Vec::new();
    stack
        .bring_up(|event| match event {
            Event::Starting(service) => {
                steps.push((service, console.begin(format!("start {}", service.name))));
            }
            Event::Ready(service) => {
                steps.extract_if(.., |(of, _)| *of == service).for_each(|(_, step)| step.done());
            }
        })
        .await?;
    if let Some(profile) = profile_put_before(&stack).await? {
        console.say(&format!(
            "The provider goes on with the profile {profile}, which was put at run time; --chaos NAME ends that"
        ));
    }
    Ok(stack)
}

/// Returns the name of a profile that was put at run time in the stack before, and is still in force.
async fn profile_put_before(stack: &Stack) -> Result<Option<String>, Error> {
    if !stack.options().is_continued() {
        return Ok(None);
    }
    let url = format!("{}/chaos/profile", stack.url(&PROVIDER));
    // The stack is ready; a line about its profile is not worth an error.
    let Ok(answer) = Http::new()?.get(&url, QUESTION_LIMIT).await else { return Ok(None) };
    let name = answer.body["name"].as_str().filter(|_| answer.body["put"] == true);
    Ok(name.map(str::to_owned))
}

/// Whether a stand-in has to answer for the sources of user contexts; told, unless the environment said it.
async fn is_offline(console: &Console) -> bool {
    if sources::is_decided() {
        return false;
    }
    let away = sources::unreachable().await;
    if away.is_empty() {
        console.say("The sources of user contexts can be reached: founder asks the real ones");
    } else {
        console.say(&format!(
            "{} can't be reached: a stand-in answers for the sources of user contexts ({}=true)",
            away.join(", "),
            sources::OFFLINE
        ));
    }
    !away.is_empty()
}

/// Ends a stack in the reverse order; at once where another interrupt comes.
///
/// # Errors
/// When a process can't be ended.
pub async fn lower(console: &Console, interrupts: &mut Interrupts, mut stack: Stack) -> Result<(), Error> {
    let stop = async {
        let step = console.begin("end all services");
        stack.stop(|service, end| tell_end(console, service.name, end)).await?;
        step.done();
        Ok(())
    };
    interrupts.or(stop).await
}

fn tell_end(console: &Console, service: &str, end: End) {
    match end {
        End::Before => console.say(&format!("   {service} had ended before")),
        End::Graceful => console.say(&format!("   {service} ended")),
        End::Killed => console.say(&format!("   {service} didn't end when asked, and was killed")),
    }
}

/// Finds or installs Temporal's CLI, and tells what it does meanwhile.
///
/// # Errors
/// When none is to be had.
pub async fn temporal_cli(
    console: &Console,
    surroundings: &Surroundings,
) -> Result<TemporalCli, Unavailable> {
    let mut step = None;
    let cli = surroundings
        .find_or_install(|origin| {
            // The one before is cleared first.
            step = None;
            step = Some(console.begin(format!("install Temporal's CLI from {origin}")));
        })
        .await?;
    match step {
        Some(step) => step.done(),
        None => console.say(&format!("Temporal CLI {} at {}", cli.version(), cli.path().display())),
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
    for service in services::all_services() {
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

/// Prints what the services log, for ever.
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
        tokio::time::sleep(FOLLOW).await;
    }
}

/// Ends the stack that is up, if there is one.
///
/// # Errors
/// When the record can't be read or a process can't be ended.
pub async fn down(console: &Console) -> Result<(), Error> {
    let folder = Workspace::locate()?.stack();
    let Some(record) = Record::load(&folder)? else {
        console.say("No stack is up");
        return Ok(());
    };
    if let Some(supervisor) = record.supervisor.filter(Identity::is_running) {
        let step =
            console.begin(format!("wait for the command with pid {} to end its stack", supervisor.pid));
        supervisor.end(SUPERVISOR_GRACE).await?;
        step.done();
    }
    // Whatever it may have left.
    if let Some(record) = Record::load(&folder)? {
        record.end(GRACE, |process, end| tell_end(console, &process.service, end)).await?;
        Record::remove(&folder)?;
    }
    console.say("All of it has ended");
    Ok(())
}

fn who_looks_after(supervisor: Option<&Identity>) -> String {
    match supervisor {
        None => "detached: `cargo xtask down` ends it".to_owned(),
        Some(supervisor) if supervisor.is_running() => {
            format!("looked after by the command with pid {}", supervisor.pid)
        }
        Some(supervisor) => format!(
            "the command with pid {} that looked after it is gone: `cargo xtask down` ends what it left",
            supervisor.pid
        ),
    }
}

/// Tells of each process of the stack whether it runs and is ready.
///
/// # Errors
/// When there is no stack, or not all of it is ready.
pub async fn status() -> Result<(), Error> {
    let workspace = Workspace::locate()?;
    let record = Record::load(&workspace.stack())?.ok_or(Error::NotUp)?;
    println!("{}", who_looks_after(record.supervisor.as_ref()));
    let cli = Surroundings::from_env(workspace.tools()).find().await.ok();
    let http = Http::new()?;
    let mut all_ready = !record.processes.is_empty();
    for process in &record.processes {
        let state = if process.identity.is_running() {
            match (services::named(&process.service), process.ports.first()) {
                (Some(service), Some(port)) => {
                    Probe { service, port: *port, http: http.clone(), cli: cli.clone() }.ask().await
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
    fn a_stack_tells_who_looks_after_it_also_where_nobody_does() {
        assert!(who_looks_after(None).starts_with("detached"));
        let own = Identity::own().unwrap();
        assert_eq!(who_looks_after(Some(&own)), format!("looked after by the command with pid {}", own.pid));
        let folder = tempfile::tempdir().unwrap();
        let process = Process::spawn(Command::new("true"), &folder.path().join("log"), None).unwrap();
        let gone = process.identity().clone();
        drop(process);
        assert!(who_looks_after(Some(&gone)).contains("is gone"), "{}", who_looks_after(Some(&gone)));
    }
}
