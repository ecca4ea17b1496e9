//! The stack while it runs: started in order, watched, ended in the reverse order, and never left behind.
//! `up` and `demo` start it on the usual ports, the end-to-end tests on free ones.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use tokio::{task::JoinSet, time::MissedTickBehavior};

use crate::{
    guard::Guard,
    http::{Answer, Http},
    logs,
    process::{End, Identity, Process},
    record::{self, Claim, Record, Recorded},
    services::{NAMESPACE, Options, PROVIDER, Ports, Program, Service, State, TEMPORAL, Temporal},
    temporal_cli::{self, TemporalCli},
    workspace::Workspace,
};

/// Long enough for a service to finish what is in flight: its own limit is 10 s.
pub const GRACE: Duration = Duration::from_secs(15);
/// On a machine that is busy building, too.
const READY_LIMIT: Duration = Duration::from_mins(1);
/// A service gives each of its own dependencies 2 s.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
const PROBE_PAUSE: Duration = Duration::from_millis(100);

/// Running processes, all of them ended when this is dropped.
#[derive(Debug)]
pub struct Stack {
    options: Options,
    workspace: Workspace,
    http: Http,
    running: Vec<Running>,
    guard: Option<Guard>,
    /// It may outlive us.
    detached: bool,
    _claim: Claim,
}

#[derive(Debug)]
struct Running {
    service: &'static Service,
    process: Process,
}

/// What happens while a stack starts.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    Starting(&'static Service),
    Ready(&'static Service),
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Record(#[from] record::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the HTTP client can't be set up: {0}")]
    Http(#[from] reqwest::Error),
    #[error("{} isn't built: `cargo build --workspace` does it", .0.display())]
    NotBuilt(PathBuf),
    #[error("{service} has ended by itself, with {status}{}", last_words(service, log))]
    Ended { service: &'static str, status: ExitStatus, log: PathBuf },
    #[error("{service} isn't ready after {} s: {reason}\n  its log: {}", READY_LIMIT.as_secs(), log.display())]
    NotReady { service: &'static str, reason: String, log: PathBuf },
    #[error("{0} was never started")]
    NeverStarted(&'static str),
    #[error("the provider doesn't take its profile back: {0}")]
    ProfileStays(String),
}

fn last_words(service: &str, log: &Path) -> String {
    let said = logs::last_words(log).unwrap_or_default();
    // Ours begin with their own names, too.
    let said = said.strip_prefix(service).map_or(said.as_str(), |rest| rest.trim_start_matches(": "));
    let separator = if said.is_empty() { "" } else { ": " };
    format!("{separator}{said}\n  its log: {}", log.display())
}

impl Stack {
    /// Starts a stack and waits until all of it is ready; what was started is ended again where that fails.
    ///
    /// # Errors
    /// When the folder is in use, a program isn't built, or a service ends or isn't ready in time.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let mut stack = Self::claim(options)?;
        stack.bring_up(|_| ()).await?;
        Ok(stack)
    }

    /// Claims the folder for a stack, in which nothing runs yet.
    ///
    /// # Errors
    /// When a stack runs there already, or the folder can't be used.
    pub fn claim(mut options: Options) -> Result<Self, Error> {
        options.folder = std::path::absolute(&options.folder)?;
        let claim = Claim::take(&options.folder)?;
        let (workspace, http) = (Workspace::locate()?, Http::new()?);
        Ok(Self {
            options,
            workspace,
            http,
            running: Vec::new(),
            guard: None,
            detached: false,
            _claim: claim,
        })
    }

    /// Starts everything, Temporal's server before the rest, and waits until all of it is ready. The rest
    /// starts together, since they wait for one another.
    ///
    /// # Errors
    /// When a program isn't built, or a service ends or isn't ready in time.
    pub async fn bring_up(&mut self, mut tell: impl FnMut(Event)) -> Result<(), Error> {
        let kept = [self.options.ledger_folder(), self.options.temporal_folder()];
        // Either both or none: workflows and ledger tell of the same orders.
        let leftovers = if self.options.state == State::Kept { &[] } else { kept.as_slice() };
        leftovers.iter().chain([&self.logs()]).try_for_each(|folder| remove_folder(folder))?;
        kept.iter().chain([&self.logs()]).try_for_each(fs::create_dir_all)?;
        self.post_guard()?;
        if let Temporal::DevServer(_) = self.options.temporal {
            self.launch_all(&[&TEMPORAL], &mut tell).await?;
        }
        let mut services = self.options.services.clone();
        if self.options.takes_profile_back && self.options.state == State::Kept {
            // Before anything else calls the provider: running orders would meet the earlier profile.
            let first: Vec<_> = services.extract_if(.., |service| *service == &PROVIDER).collect();
            self.launch_all(&first, &mut tell).await?;
            if !first.is_empty() {
                self.take_profile_back().await?;
            }
        }
        self.launch_all(&services, &mut tell).await
    }

    async fn take_profile_back(&self) -> Result<(), Error> {
        let url = format!("{}/chaos/profile", self.url(&PROVIDER));
        match self.http.delete(&url, PROBE_LIMIT).await {
            Ok(Answer { status: StatusCode::OK, .. }) => Ok(()),
            Ok(Answer { status, body }) => Err(Error::ProfileStays(format!("{status} {body}"))),
            Err(unanswered) => Err(Error::ProfileStays(unanswered.to_string())),
        }
    }

    async fn launch_all(
        &mut self,
        services: &[&'static Service],
        tell: &mut impl FnMut(Event),
    ) -> Result<(), Error> {
        for service in services {
            tell(Event::Starting(service));
            self.launch(service)?;
        }
        self.wait_until_ready(services, tell).await
    }

    /// Ends a service at once, as a crash would.
    ///
    /// # Errors
    /// When it was never started or can't be ended.
    pub fn kill(&mut self, service: &'static Service) -> Result<(), Error> {
        Ok(self.running(service)?.process.kill()?)
    }

    /// Asks a service to end, as an operator would.
    ///
    /// # Errors
    /// When it was never started or can't be ended.
    pub async fn stop_one(&mut self, service: &'static Service) -> Result<End, Error> {
        Ok(self.running(service)?.process.stop(GRACE).await?)
    }

    /// Starts a service that has ended, with all that it kept, and waits until it is ready.
    ///
    /// # Errors
    /// When it can't be started, ends or isn't ready in time.
    pub async fn start_again(&mut self, service: &'static Service) -> Result<(), Error> {
        self.launch(service)?;
        self.wait_until_ready(&[service], &mut |_| ()).await
    }

    /// Waits until a service ends by itself.
    pub async fn watch(&mut self) -> Error {
        loop {
            let checked = self.running.iter_mut().try_for_each(|running| running.check(&self.options.folder));
            match checked {
                Ok(()) => tokio::time::sleep(PROBE_PAUSE).await,
                Err(error) => return error,
            }
        }
    }

    /// Ends everything, the last started first, and tells of each.
    ///
    /// # Errors
    /// When a process can't be ended.
    pub async fn stop(&mut self, mut tell: impl FnMut(&'static Service, End)) -> Result<(), Error> {
        while let Some(mut running) = self.running.pop() {
            let end = running.process.stop(GRACE).await?;
            tell(running.service, end);
        }
        Record::remove(&self.options.folder)?;
        self.guard = None;
        Ok(())
    }

    /// Leaves everything running, for `down` to end.
    ///
    /// # Errors
    /// When that can't be recorded; everything is ended then.
    pub fn detach(mut self) -> Result<(), Error> {
        Record { supervisor: None, ..self.record()? }.save(&self.options.folder)?;
        if let Some(mut guard) = self.guard.take() {
            // It can't be told only where it is no longer there.
            let _ = guard.relieve();
        }
        for running in &mut self.running {
            running.process.release();
        }
        self.detached = true;
        Ok(())
    }

    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.options.ports
    }

    /// Where a service answers.
    #[must_use]
    pub fn url(&self, service: &Service) -> String {
        self.ports().url(service)
    }

    /// The log of a service, once it was started.
    #[must_use]
    pub fn log(&self, service: &Service) -> PathBuf {
        log_file(&self.options.folder, service)
    }

    fn logs(&self) -> PathBuf {
        self.options.folder.join("logs")
    }

    fn running(&mut self, service: &'static Service) -> Result<&mut Running, Error> {
        let mut running = self.running.iter_mut();
        running.find(|running| running.service == service).ok_or(Error::NeverStarted(service.name))
    }

    fn post_guard(&mut self) -> Result<(), Error> {
        let (xtask, folder) = (self.built("xtask")?, &self.options.folder);
        self.guard = Some(Guard::post(
            &xtask,
            folder,
            &self.logs().join("guard.log"),
            self.options.state == State::Temporary,
        )?);
        Ok(())
    }

    fn launch(&mut self, service: &'static Service) -> Result<(), Error> {
        let command = match (&service.program, &self.options.temporal) {
            (Program::Ours(environment), _) => self.service_command(service, &environment(&self.options))?,
            (Program::TemporalDevServer, Temporal::DevServer(cli)) => self.dev_server_command(cli),
            (Program::TemporalDevServer, Temporal::At(_)) => return Err(Error::NeverStarted(service.name)),
        };
        let group = self.guard.as_ref().map(Guard::group);
        let process = Process::spawn(command, &log_file(&self.options.folder, service), group)?;
        match self.running(service) {
            Ok(running) => running.process = process,
            Err(_) => self.running.push(Running { service, process }),
        }
        Ok(self.record()?.save(&self.options.folder)?)
    }

    fn service_command(
        &self,
        service: &'static Service,
        environment: &[(&'static str, String)],
    ) -> Result<Command, Error> {
        let mut command = self.local_command(&self.built(service.name)?);
        // The lines are made readable here.
        command.env("LOG_FORMAT", "json").envs(environment.iter().cloned());
        let more = self.options.environment.iter().filter(|(of, ..)| *of == service);
        command.envs(more.map(|(_, name, value)| (name, value)));
        Ok(command)
    }

    fn dev_server_command(&self, cli: &TemporalCli) -> Command {
        let ports = &self.options.ports;
        let mut command = self.local_command(cli.path());
        command
            .args(["server", "start-dev", "--ip", "127.0.0.1", "--port", &ports.of(&TEMPORAL).to_string()])
            .arg("--db-filename")
            .arg(self.options.temporal_folder().join("temporal.db"))
            // Three times the throughput of the defaults, and all that a development server must survive is
            // the death of its process.
            .args(["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=off"])
            .args(["--log-level", "warn", "--log-format", "json"]);
        match ports.ui() {
            Some(port) => command.args(["--ui-port", &port.to_string()]),
            None => command.arg("--headless"),
        };
        command
    }

    fn local_command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // There is no `.env` here: what the stack doesn't say, the environment does.
        temporal_cli::forget_other_servers(command.current_dir(&self.options.folder));
        // They are other names of what the stack says.
        command.env_remove("PORT").env_remove("FAKE_STRIPE_URL");
        command
    }

    fn built(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.workspace.binary(name);
        if path.is_file() { Ok(path) } else { Err(Error::NotBuilt(path)) }
    }

    fn record(&self) -> io::Result<Record> {
        let processes = self.running.iter().map(|Running { service, process }| {
            let ui = self.ports().ui().filter(|_| *service == &TEMPORAL);
            let ports = [Some(self.ports().of(service)), ui].into_iter().flatten().collect();
            Recorded { service: service.name.to_owned(), identity: process.identity().clone(), ports }
        });
        Ok(Record { supervisor: Some(Identity::own()?), processes: processes.collect() })
    }

    /// Only the services waited for must still run: a test may have ended others.
    async fn wait_until_ready(
        &mut self,
        services: &[&'static Service],
        tell: &mut impl FnMut(Event),
    ) -> Result<(), Error> {
        let mut waiting = JoinSet::new();
        for probe in services.iter().map(|service| self.probe(service)) {
            waiting.spawn(async move { (probe.service, probe.until_ready().await) });
        }
        let mut look = tokio::time::interval(PROBE_PAUSE);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                probed = waiting.join_next() => match probed {
                    None => return Ok(()),
                    Some(Ok((service, Ok(())))) => tell(Event::Ready(service)),
                    Some(Ok((service, Err(reason)))) => {
                        let log = self.log(service);
                        return Err(Error::NotReady { service: service.name, reason, log });
                    }
                    Some(Err(failed)) => return Err(Error::Io(io::Error::other(failed))),
                },
                _ = look.tick() => {
                    let waited_for = self.running.iter_mut().filter(|running| services.contains(&running.service));
                    for running in waited_for {
                        running.check(&self.options.folder)?;
                    }
                }
            }
        }
    }

    fn probe(&self, service: &'static Service) -> Probe {
        let cli = match &self.options.temporal {
            Temporal::DevServer(cli) => Some(cli.clone()),
            Temporal::At(_) => None,
        };
        Probe { service, port: self.ports().of(service), http: self.http.clone(), cli }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        while let Some(running) = self.running.pop() {
            drop(running);
        }
        if !self.detached {
            // What can't be removed tells of nothing that runs.
            let _ = Record::remove(&self.options.folder);
        }
    }
}

impl Running {
    fn check(&mut self, folder: &Path) -> Result<(), Error> {
        match self.process.exited()? {
            None => Ok(()),
            Some(status) => {
                Err(Error::Ended { service: self.service.name, status, log: log_file(folder, self.service) })
            }
        }
    }
}

/// Asks a service whether it is ready.
#[derive(Debug, Clone)]
pub struct Probe {
    pub service: &'static Service,
    pub port: u16,
    pub http: Http,
    /// Temporal's server is asked by it; without one it can't be.
    pub cli: Option<TemporalCli>,
}

impl Probe {
    /// # Errors
    /// Why it isn't, in a few words.
    pub async fn ask(&self) -> Result<(), String> {
        match self.service.program {
            Program::Ours(_) => self.ask_service().await,
            Program::TemporalDevServer => self.ask_temporal().await,
        }
    }

    async fn ask_service(&self) -> Result<(), String> {
        let url = format!("http://127.0.0.1:{}/health/ready", self.port);
        let answer = self.http.get(&url, PROBE_LIMIT).await.map_err(|error| error.to_string())?;
        if answer.status == StatusCode::OK {
            return Ok(());
        }
        let detail = answer.body.get("detail").and_then(|detail| detail.as_str()).unwrap_or("no detail");
        Err(format!("{}: {detail}", answer.status))
    }

    async fn ask_temporal(&self) -> Result<(), String> {
        let cli = self.cli.as_ref().ok_or("no Temporal CLI to ask it by")?;
        let address = format!("127.0.0.1:{}", self.port);
        let question = ["operator", "namespace", "describe", "-n", NAMESPACE, "--address", &address];
        cli.run(&question, PROBE_LIMIT).await
    }

    async fn until_ready(&self) -> Result<(), String> {
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            match self.ask().await {
                Ok(()) => return Ok(()),
                Err(reason) if Instant::now() >= deadline => return Err(reason),
                Err(_) => tokio::time::sleep(PROBE_PAUSE).await,
            }
        }
    }
}

fn log_file(folder: &Path, service: &Service) -> PathBuf {
    folder.join("logs").join(format!("{}.log", service.name))
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
