//! The services: which there are, where each listens, and what each is told. Everything else learns it here.

use std::{collections::BTreeMap, io, path::PathBuf};

use crate::{
    ports::{self, Claim},
    sources,
    temporal_cli::TemporalCli,
};

pub const NAMESPACE: &str = "default";

/// One of the stack's processes.
#[derive(Debug)]
pub struct Service {
    /// Of ours, also the name of the cargo package and its program.
    pub name: &'static str,
    pub about: &'static str,
    /// A path to look at with a browser.
    pub page: &'static str,
    usual_port: u16,
    pub program: Program,
}

impl PartialEq for Service {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// What is started, and so how it is told anything.
#[derive(Debug)]
pub enum Program {
    TemporalDevServer,
    /// A binary of this workspace, configured by its environment.
    Ours(fn(&Options) -> Vec<(&'static str, String)>),
}

pub static TEMPORAL: Service = Service {
    name: "temporal",
    about: "durable execution, over gRPC",
    page: "",
    usual_port: 7233,
    program: Program::TemporalDevServer,
};

pub static PROVIDER: Service = Service {
    name: "fake-stripe-chaos",
    about: "the provider, its chaos and its ledger",
    page: "/api/docs",
    usual_port: 3001,
    program: Program::Ours(|options| {
        let mut environment =
            vec![("LISTEN_ADDR", options.ports.address(&PROVIDER)), ("CHAOS_PROFILE", options.chaos.clone())];
        environment
            .push(("LEDGER", format!("sqlite:{}", options.ledger_folder().join("ledger.db").display())));
        environment.extend(options.seed.map(|seed| ("CHAOS_SEED", seed.to_string())));
        if options.fast {
            environment.push(("SHIPPING_LABEL_DURATION", "1s".to_owned()));
            environment.push(("CHAOS_TIMEOUT_DELAY", "500ms".to_owned()));
        }
        environment
    }),
};

pub static WORKER: Service = Service {
    name: "temporal-worker",
    about: "runs the workflows and the activities",
    page: "/metrics",
    usual_port: 9464,
    program: Program::Ours(|options| {
        let mut environment = options.temporal_environment();
        environment.push(("METRICS_ADDR", options.ports.address(&WORKER)));
        environment.push(("PROVIDER_URL", options.ports.url(&PROVIDER)));
        environment.extend(options.sources_environment());
        environment
    }),
};

pub static API: Service = Service {
    name: "temporal-api",
    about: "REST over Temporal: start, signal, query, await",
    page: "/api/docs",
    usual_port: 3002,
    program: Program::Ours(|options| {
        let mut environment = options.temporal_environment();
        environment.push(("LISTEN_ADDR", options.ports.address(&API)));
        environment
    }),
};

pub static FOUNDER: Service = Service {
    name: "founder",
    about: "a user context from three sources",
    page: "/api/docs",
    usual_port: 3000,
    program: Program::Ours(|options| {
        let mut environment = vec![("LISTEN_ADDR", options.ports.address(&FOUNDER))];
        environment.extend(options.sources_environment());
        environment
    }),
};

/// Our services, in the order of starting. To add one is to define it above and to name it here.
pub static SERVICES: [&Service; 4] = [&PROVIDER, &WORKER, &API, &FOUNDER];

/// Who listens where. Everything listens on the loopback address alone.
#[derive(Debug, Clone)]
pub struct Ports {
    by_service: BTreeMap<&'static str, u16>,
    /// Temporal's Web UI; without it there is none.
    ui: Option<u16>,
}

impl Ports {
    /// The ports of the README.
    #[must_use]
    pub fn usual() -> Self {
        let by_service = all_services().map(|service| (service.name, service.usual_port)).collect();
        Self { by_service, ui: Some(8080) }
    }

    /// Ports that are free now, and no Web UI: what tests need.
    ///
    /// # Errors
    /// When the system has none left.
    pub fn free() -> io::Result<Self> {
        Ok(Self { ui: None, ..Self::free_with_ui()? })
    }

    /// Ports that are free now.
    ///
    /// # Errors
    /// When the system has none left.
    pub fn free_with_ui() -> io::Result<Self> {
        let [ui] = ports::free()?;
        let others = ports::free::<{ SERVICES.len() + 1 }>()?;
        Ok(Self {
            by_service: all_services().map(|service| service.name).zip(others).collect(),
            ui: Some(ui),
        })
    }

    /// Every port, with who needs it.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        let services = self.by_service.iter().map(|(name, port)| Claim { port: *port, by: name });
        services.chain(self.ui.map(|port| Claim { port, by: "Temporal's Web UI" })).collect()
    }

    #[must_use]
    pub fn of(&self, service: &Service) -> u16 {
        self.by_service.get(service.name).copied().unwrap_or(service.usual_port)
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self, service: &Service) -> String {
        format!("127.0.0.1:{}", self.of(service))
    }

    #[must_use]
    pub fn url(&self, service: &Service) -> String {
        format!("http://{}", self.address(service))
    }

    /// Of Temporal's Web UI.
    #[must_use]
    pub fn ui(&self) -> Option<u16> {
        self.ui
    }
}

/// Temporal's server, then ours, in the order of starting.
pub fn all_services() -> impl Iterator<Item = &'static Service> {
    std::iter::once(&TEMPORAL).chain(SERVICES)
}

/// The service of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Service> {
    all_services().find(|service| service.name == name)
}

/// Which Temporal server the services use.
#[derive(Debug, Clone)]
pub enum Temporal {
    /// A development server of the stack's own.
    DevServer(TemporalCli),
    /// One that runs already, at this host and port.
    At(String),
}

/// What a stack makes of what is in its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Goes on with it.
    Kept,
    /// Begins empty.
    Fresh,
    /// Begins empty, and removes the folder when it has ended, however it ends.
    Temporary,
}

/// What is started, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Takes the record, the logs, Temporal's database and the provider's ledger. The services run in it.
    pub folder: PathBuf,
    pub state: State,
    pub ports: Ports,
    pub temporal: Temporal,
    /// Beside Temporal's server; none makes a server that other stacks can share.
    pub services: Vec<&'static Service>,
    pub task_queue: String,
    /// What the provider takes for a profile.
    pub chaos: String,
    /// Takes back a profile that was put at run time in an earlier stack. Else that one stays in force.
    pub takes_profile_back: bool,
    pub seed: Option<u64>,
    /// Labels take 1 s and timeouts 0.5 s.
    pub fast: bool,
    /// A stand-in on this machine answers for the sources of user contexts.
    pub offline: bool,
    /// Variables beside, or instead of, those that the stack itself sets.
    pub environment: Vec<(&'static Service, &'static str, String)>,
}

impl Options {
    /// Everything, beginning empty, fast and without chaos.
    #[must_use]
    pub fn new(folder: PathBuf, ports: Ports, temporal: Temporal) -> Self {
        Self {
            folder,
            state: State::Fresh,
            ports,
            temporal,
            services: SERVICES.to_vec(),
            task_queue: "founder-tasks".to_owned(),
            chaos: "off".to_owned(),
            takes_profile_back: false,
            seed: None,
            fast: true,
            offline: false,
            environment: Vec::new(),
        }
    }

    /// Host and port.
    #[must_use]
    pub fn temporal_address(&self) -> String {
        match &self.temporal {
            Temporal::DevServer(_) => self.ports.address(&TEMPORAL),
            Temporal::At(address) => address.clone(),
        }
    }

    pub(crate) fn ledger_folder(&self) -> PathBuf {
        self.folder.join("ledger")
    }

    pub(crate) fn temporal_folder(&self) -> PathBuf {
        self.folder.join("temporal")
    }

    /// Whether there is something to go on with.
    #[must_use]
    pub fn is_continued(&self) -> bool {
        self.state == State::Kept && self.temporal_folder().is_dir()
    }

    /// Where nothing is said of it, the environment decides.
    fn sources_environment(&self) -> Option<(&'static str, String)> {
        self.offline.then(|| (sources::OFFLINE, "true".to_owned()))
    }

    fn temporal_environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("TEMPORAL_ADDRESS", self.temporal_address()),
            ("TEMPORAL_NAMESPACE", NAMESPACE.to_owned()),
            ("TASK_QUEUE", self.task_queue.clone()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn environment(service: &Service, options: &Options) -> HashMap<&'static str, String> {
        match service.program {
            Program::Ours(environment) => environment(options).into_iter().collect(),
            Program::TemporalDevServer => HashMap::new(),
        }
    }

    fn options(ports: Ports) -> Options {
        Options::new(PathBuf::new(), ports, Temporal::At("127.0.0.1:7000".to_owned()))
    }

    #[test]
    fn the_usual_ports_are_those_of_the_readme() {
        let mut ports: Vec<_> = Ports::usual().claims().iter().map(|claim| claim.port).collect();
        ports.sort_unstable();
        assert_eq!(ports, [3000, 3001, 3002, 7233, 8080, 9464]);
    }

    #[test]
    fn the_worker_is_told_where_the_provider_and_temporal_are() {
        let ports = Ports::free().unwrap();
        let environment = environment(&WORKER, &options(ports.clone()));
        assert_eq!(environment["PROVIDER_URL"], format!("http://127.0.0.1:{}", ports.of(&PROVIDER)));
        assert_eq!(environment["TEMPORAL_ADDRESS"], "127.0.0.1:7000");
        assert_eq!(environment["TASK_QUEUE"], "founder-tasks");
    }

    #[test]
    fn the_providers_ledger_is_a_file_in_the_stacks_folder() {
        let folder = PathBuf::from("/tmp/stack");
        let options = Options::new(folder, Ports::usual(), Temporal::At(String::new()));
        assert_eq!(environment(&PROVIDER, &options)["LEDGER"], "sqlite:/tmp/stack/ledger/ledger.db");
    }

    #[test]
    fn fast_shortens_labels_and_timeouts() {
        let fast = options(Ports::usual());
        let slow = Options { fast: false, ..fast.clone() };
        assert_eq!(environment(&PROVIDER, &fast)["SHIPPING_LABEL_DURATION"], "1s");
        assert_eq!(environment(&PROVIDER, &fast)["CHAOS_TIMEOUT_DELAY"], "500ms");
        assert!(!environment(&PROVIDER, &slow).contains_key("SHIPPING_LABEL_DURATION"));
    }

    #[test]
    fn founder_and_worker_ask_the_stand_in_only_where_the_stack_says_so() {
        let online = options(Ports::usual());
        let offline = Options { offline: true, ..online.clone() };
        for service in [&FOUNDER, &WORKER] {
            assert_eq!(environment(service, &offline)["FOUNDER_OFFLINE"], "true");
            assert!(!environment(service, &online).contains_key("FOUNDER_OFFLINE"));
        }
    }

    #[test]
    fn a_seed_reaches_the_provider_only_when_there_is_one() {
        let drawn = options(Ports::usual());
        let seeded = Options { seed: Some(7), ..drawn.clone() };
        assert_eq!(environment(&PROVIDER, &seeded)["CHAOS_SEED"], "7");
        assert!(!environment(&PROVIDER, &drawn).contains_key("CHAOS_SEED"));
    }
}
