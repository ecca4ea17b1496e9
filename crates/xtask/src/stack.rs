//! Starts the services in order, watches them, and ends them in the reverse order. It never leaves one behind.
//! `up` and `demo` start a stack on the default ports, the end-to-end tests on free ones.

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
    services::{JAEGER, NAMESPACE, Options, PROVIDER, Ports, Program, Service, State, TEMPORAL, Temporal},
    stack_record::{self, FolderLock, RecordedProcess, StackRecord},
    temporal_cli::{self, TemporalCli},
    workspace::Workspace,
};

/// Leaves a service time to finish its requests in flight. Its own limit is 10 s.
pub const GRACE: Duration = Duration::from_secs(15);
/// Is enough even on a machine that is busy with a build.
const READY_LIMIT: Duration = Duration::from_mins(1);
/// Exceeds the 2 s that a service gives each of its dependencies.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
const PROBE_PAUSE: Duration = Duration::from_millis(100);

/// Running processes. A drop ends all of them.
#[derive(Debug)]
pub struct Stack {
    options: Options,
    workspace: Workspace,
    http: Http,
    running: Vec<Running>,
    guard: Option<Guard>,
    /// The stack may outlive this process.
    detached: bool,
    _lock: FolderLock,
}

#[derive(Debug)]
struct Running {
    service: &'static Service,
    process: Process,
}

/// An event at the start of a stack.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    Starting(&'static Service),
    Ready(&'static Service),
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Record(#[from] stack_record::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the HTTP client can't be set up: {0}")]
    Http(#[from] reqwest::Error),
    #[error("{} isn't built; run `cargo build --workspace`", .0.display())]
    NotBuilt(PathBuf),
    #[error("{service} has ended by itself, with {status}{}", last_log_error(service, log))]
    Ended { service: &'static str, status: ExitStatus, log: PathBuf },
    #[error("{service} isn't ready after {} s: {reason}\n  its log: {}", READY_LIMIT.as_secs(), log.display())]
    NotReady { service: &'static str, reason: String, log: PathBuf },
    #[error("{0} was never started")]
    NeverStarted(&'static str),
    #[error("the provider doesn't remove its profile override: {0}")]
    OverrideStays(String),
}

fn last_log_error(service: &str, log: &Path) -> String {
    let message = logs::last_log_error(log).unwrap_or_default();
    // Our services begin this line with their own name.
    let message =
        message.strip_prefix(service).map_or(message.as_str(), |rest| rest.trim_start_matches(": "));
    let separator = if message.is_empty() { "" } else { ": " };
    format!("{separator}{message}\n  its log: {}", log.display())
}

impl Stack {
    /// Starts a stack and waits until it is ready. After a failure, it ends what it started.
    ///
    /// # Errors
    /// Returns an error when the folder is in use, a program isn't built, or a service ends or isn't ready in time.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let mut stack = Self::prepare(options)?;
        stack.start_all(|_| ()).await?;
        Ok(stack)
    }

    /// Locks the folder of a stack without starting a service.
    ///
    /// # Errors
    /// Returns an error when a stack runs there already, or the folder can't be used.
    pub fn prepare(mut options: Options) -> Result<Self, Error> {
        options.folder = std::path::absolute(&options.folder)?;
        let lock = FolderLock::acquire(&options.folder)?;
        let (workspace, http) = (Workspace::locate()?, Http::new()?);
        Ok(Self { options, workspace, http, running: Vec::new(), guard: None, detached: false, _lock: lock })
    }

    /// Starts Temporal's server and then the services, and waits until all are ready. The services start together,
    /// since they wait for one another.
    ///
    /// # Errors
    /// Returns an error when a program isn't built, or a service ends or isn't ready in time.
    pub async fn start_all(&mut self, mut on_event: impl FnMut(Event)) -> Result<(), Error> {
        let kept =
            [self.options.ledger_folder(), self.options.temporal_folder(), self.options.prometheus_folder()];
        // Workflows and ledger have the same orders, so all are kept or removed.
        let leftovers = if self.options.state == State::Kept { &[] } else { kept.as_slice() };
        leftovers.iter().chain([&self.logs()]).try_for_each(|folder| remove_folder(folder))?;
        kept.iter().chain([&self.logs()]).try_for_each(fs::create_dir_all)?;
        if let Some(observers) = &self.options.observers {
            observers.write_configuration(&self.options)?;
        }
        self.spawn_guard()?;
        if let Temporal::DevServer(_) = self.options.temporal {
            self.launch_services(&[&TEMPORAL], &mut on_event).await?;
        }
        let mut services: Vec<_> =
            self.options.all_services().filter(|service| *service != &TEMPORAL).collect();
        if self.options.removes_profile_override && self.options.state == State::Kept {
            // The override is removed before a running order calls the provider.
            let first: Vec<_> = services.extract_if(.., |service| *service == &PROVIDER).collect();
            self.launch_services(&first, &mut on_event).await?;
            if !first.is_empty() {
                self.remove_profile_override().await?;
            }
        }
        self.launch_services(&services, &mut on_event).await
    }

    async fn remove_profile_override(&self) -> Result<(), Error> {
        let url = format!("{}/chaos/profile", self.url(&PROVIDER));
        match self.http.delete(&url, PROBE_LIMIT).await {
            Ok(Answer { status: StatusCode::OK, .. }) => Ok(()),
            Ok(Answer { status, body }) => Err(Error::OverrideStays(format!("{status} {body}"))),
            Err(unanswered) => Err(Error::OverrideStays(unanswered.to_string())),
        }
    }

    async fn launch_services(
        &mut self,
        services: &[&'static Service],
        on_event: &mut impl FnMut(Event),
    ) -> Result<(), Error> {
        for service in services {
            on_event(Event::Starting(service));
            self.launch(service)?;
        }
        self.wait_until_ready(services, on_event).await
    }

    /// Kills a service, as a crash would end it.
    ///
    /// # Errors
    /// Returns an error when it was never started or can't be ended.
    pub fn kill(&mut self, service: &'static Service) -> Result<(), Error> {
        Ok(self.running(service)?.process.kill()?)
    }

    /// Ends a service gracefully, as an operator would.
    ///
    /// # Errors
    /// Returns an error when it was never started or can't be ended.
    pub async fn stop_service(&mut self, service: &'static Service) -> Result<End, Error> {
        Ok(self.running(service)?.process.stop(GRACE).await?)
    }

    /// Starts a service again with its data, and waits until it is ready.
    ///
    /// # Errors
    /// Returns an error when it can't be started, ends or isn't ready in time.
    pub async fn restart(&mut self, service: &'static Service) -> Result<(), Error> {
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

    /// Ends everything, the last started first, and reports each end.
    ///
    /// # Errors
    /// Returns an error when a process can't be ended.
    pub async fn stop(&mut self, mut on_event: impl FnMut(&'static Service, End)) -> Result<(), Error> {
        while let Some(mut running) = self.running.pop() {
            let end = running.process.stop(GRACE).await?;
            on_event(running.service, end);
        }
        StackRecord::remove(&self.options.folder)?;
        self.guard = None;
        Ok(())
    }

    /// Leaves everything running until `down` ends it.
    ///
    /// # Errors
    /// Returns an error when that can't be recorded. Then everything is ended.
    pub fn detach(mut self) -> Result<(), Error> {
        StackRecord { supervisor: None, ..self.record()? }.save(&self.options.folder)?;
        if let Some(mut guard) = self.guard.take() {
            // The message only fails if the guard has already ended.
            let _ = guard.release();
        }
        for running in &mut self.running {
            running.process.detach();
        }
        self.detached = true;
        Ok(())
    }

    /// Replaces a variable of a service, from its next start on.
    pub fn set_variable(&mut self, service: &'static Service, name: &'static str, value: &str) {
        self.options.environment.push((service, name, value.to_owned()));
    }

    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.options.ports
    }

    /// Returns the base URL of a service.
    #[must_use]
    pub fn url(&self, service: &Service) -> String {
        self.ports().url(service)
    }

    /// Returns the path of a service's log.
    #[must_use]
    pub fn log_path(&self, service: &Service) -> PathBuf {
        log_file(&self.options.folder, service)
    }

    fn logs(&self) -> PathBuf {
        self.options.folder.join("logs")
    }

    fn running(&mut self, service: &'static Service) -> Result<&mut Running, Error> {
        let mut running = self.running.iter_mut();
        running.find(|running| running.service == service).ok_or(Error::NeverStarted(service.name))
    }

    fn spawn_guard(&mut self) -> Result<(), Error> {
        let (xtask, folder) = (self.built("xtask")?, &self.options.folder);
        self.guard = Some(Guard::spawn(
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
            (Program::Observer { program, arguments, .. }, _) => {
                let observers = self.options.observers.as_ref().ok_or(Error::NeverStarted(service.name))?;
                let mut command = self.local_command(program(observers));
                command.args(arguments(&self.options));
                command
            }
            (Program::TemporalDevServer, Temporal::External(_)) => {
                return Err(Error::NeverStarted(service.name));
            }
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
        // The console renders JSON lines for people.
        command.env("LOG_FORMAT", "json").envs(environment.iter().cloned());
        command.envs(self.options.traces_environment());
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
            // These give three times the throughput. The data survives the end of the process, which is enough for
            // a development server.
            .args(["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=off"])
            // A deletion waits until the queues record their progress: by default that takes more than half a minute,
            // and over one on a busy machine.
            .args(["--dynamic-config-value", "history.transferProcessorUpdateAckInterval=\"1s\""])
            .args(["--dynamic-config-value", "history.visibilityProcessorUpdateAckInterval=\"1s\""])
            .args(["--log-level", "warn", "--log-format", "json"])
            .envs(self.options.temporal_traces_environment());
        match ports.ui() {
            Some(port) => command.args(["--ui-port", &port.to_string()]),
            None => command.arg("--headless"),
        };
        command
    }

    fn local_command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // The folder has no `.env`, so other variables come from the environment only.
        temporal_cli::clear_temporal_environment(command.current_dir(&self.options.folder));
        // These are aliases of variables that the stack sets.
        command.env_remove("PORT").env_remove("FAKE_STRIPE_URL");
        command
    }

    fn built(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.workspace.binary(name);
        if path.is_file() { Ok(path) } else { Err(Error::NotBuilt(path)) }
    }

    fn record(&self) -> io::Result<StackRecord> {
        let processes = self.running.iter().map(|Running { service, process }| {
            let ui = self.ports().ui().filter(|_| *service == &TEMPORAL);
            let otlp = self.ports().otlp().into_iter().filter(|_| *service == &JAEGER);
            let ports = [Some(self.ports().of(service)), ui].into_iter().flatten().chain(otlp).collect();
            RecordedProcess { service: service.name.to_owned(), identity: process.identity().clone(), ports }
        });
        Ok(StackRecord { supervisor: Some(Identity::own()?), processes: processes.collect() })
    }

    /// Waits for these services only, since a test may have ended others.
    async fn wait_until_ready(
        &mut self,
        services: &[&'static Service],
        on_event: &mut impl FnMut(Event),
    ) -> Result<(), Error> {
        let mut waiting = JoinSet::new();
        for probe in services.iter().map(|service| self.probe(service)) {
            waiting.spawn(async move { (probe.service, probe.until_ready().await) });
        }
        let mut check = tokio::time::interval(PROBE_PAUSE);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                probed = waiting.join_next() => match probed {
                    None => return Ok(()),
                    Some(Ok((service, Ok(())))) => on_event(Event::Ready(service)),
                    Some(Ok((service, Err(reason)))) => {
                        let log = self.log_path(service);
                        return Err(Error::NotReady { service: service.name, reason, log });
                    }
                    Some(Err(failed)) => return Err(Error::Io(io::Error::other(failed))),
                },
                _ = check.tick() => {
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
            Temporal::External(_) => None,
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
            // A record that stays lists no running process.
            let _ = StackRecord::remove(&self.options.folder);
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

/// Checks whether a service is ready.
#[derive(Debug, Clone)]
pub struct Probe {
    pub service: &'static Service,
    pub port: u16,
    pub http: Http,
    /// Needed to check Temporal's server.
    pub cli: Option<TemporalCli>,
}

impl Probe {
    /// Checks once whether the service is ready.
    ///
    /// # Errors
    /// Returns the reason if it isn't.
    pub async fn check(&self) -> Result<(), String> {
        match self.service.program {
            Program::Ours(_) => self.check_path("/health/ready").await,
            Program::Observer { ready, .. } => self.check_path(ready).await,
            Program::TemporalDevServer => self.check_temporal().await,
        }
    }

    async fn check_path(&self, path: &str) -> Result<(), String> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let answer = self.http.get(&url, PROBE_LIMIT).await.map_err(|error| error.to_string())?;
        if answer.status == StatusCode::OK {
            return Ok(());
        }
        let detail = answer.body.get("detail").and_then(|detail| detail.as_str()).unwrap_or("no detail");
        Err(format!("{}: {detail}", answer.status))
    }

    async fn check_temporal(&self) -> Result<(), String> {
        let cli = self.cli.as_ref().ok_or("it can't be checked without a Temporal CLI")?;
        let address = format!("127.0.0.1:{}", self.port);
        let question = ["operator", "namespace", "describe", "-n", NAMESPACE, "--address", &address];
        cli.run(&question, PROBE_LIMIT).await
    }

    async fn until_ready(&self) -> Result<(), String> {
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            match self.check().await {
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
