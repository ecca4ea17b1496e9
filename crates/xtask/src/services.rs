//! Lists the services with their ports and their environment variables. All other modules read them here.

use std::{collections::BTreeMap, io, path::PathBuf};

use crate::{
    observers::{self, Observers},
    ports::{self, RequiredPort},
    sources,
    temporal_cli::TemporalCli,
};

pub const NAMESPACE: &str = "default";

/// One of the stack's processes.
#[derive(Debug)]
pub struct Service {
    /// The name. For our own services it is also the name of the cargo package and its program.
    pub name: &'static str,
    pub about: &'static str,
    /// The path of its page for a browser.
    pub page: &'static str,
    standard_port: u16,
    pub program: Program,
}

impl PartialEq for Service {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// The program of a service, and the way to configure it.
#[derive(Debug)]
pub enum Program {
    TemporalDevServer,
    /// A binary of this workspace, configured by environment variables.
    Ours(fn(&Options) -> Vec<(&'static str, String)>),
    /// A program of another project that observes the stack.
    Observer {
        program: fn(&Observers) -> &PathBuf,
        arguments: fn(&Options) -> Vec<String>,
        /// The path that answers 200 when the program is ready.
        ready: &'static str,
    },
}

impl Service {
    #[must_use]
    pub fn standard_port(&self) -> u16 {
        self.standard_port
    }
}

pub static TEMPORAL: Service = Service {
    name: "temporal",
    about: "durable execution, over gRPC",
    page: "",
    standard_port: 7233,
    program: Program::TemporalDevServer,
};

pub static PROVIDER: Service = Service {
    name: "fake-stripe-chaos",
    about: "the provider, its chaos and its ledger",
    page: "/api/docs",
    standard_port: 3001,
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
    standard_port: 9464,
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
    about: "the console, and REST over Temporal",
    page: "/",
    standard_port: 3002,
    program: Program::Ours(|options| {
        let mut environment = options.temporal_environment();
        environment.push(("LISTEN_ADDR", options.ports.address(&API)));
        environment.push(("PROVIDER_URL", options.ports.url(&PROVIDER)));
        environment.push(("FOUNDER_URL", options.ports.url(&FOUNDER)));
        environment
            .extend(options.ports.ui().map(|ui| ("TEMPORAL_UI_URL", format!("http://localhost:{ui}"))));
        environment
    }),
};

pub static FOUNDER: Service = Service {
    name: "founder",
    about: "a user context from three sources",
    page: "/api/docs",
    standard_port: 3000,
    program: Program::Ours(|options| {
        let mut environment = vec![("LISTEN_ADDR", options.ports.address(&FOUNDER))];
        environment.extend(options.sources_environment());
        environment
    }),
};

pub static PROMETHEUS: Service = Service {
    name: "prometheus",
    about: "metrics, rules and alerts",
    page: "/alerts",
    standard_port: 9090,
    program: Program::Observer {
        program: |observers| &observers.prometheus,
        arguments: |options| {
            vec![
                format!("--config.file={}", observers::configuration_of(options).display()),
                format!("--storage.tsdb.path={}", options.prometheus_folder().display()),
                format!("--web.listen-address={}", options.ports.address(&PROMETHEUS)),
                "--enable-feature=exemplar-storage".to_owned(),
            ]
        },
        ready: "/-/ready",
    },
};

pub static JAEGER: Service = Service {
    name: "jaeger",
    about: "one trace for each order",
    page: "/search",
    standard_port: 16686,
    program: Program::Observer {
        program: |observers| &observers.jaeger,
        arguments: |options| {
            // Its other listeners are not used here.
            let unused =
                ["query.grpc-server", "collector.grpc-server", "collector.http-server", "admin.http"];
            let unused = unused.map(|listener| format!("--{listener}.host-port=127.0.0.1:0"));
            let [http, grpc] = options.ports.otlp();
            let mut arguments = vec![
                format!("--query.http-server.host-port={}", options.ports.address(&JAEGER)),
                format!("--collector.otlp.http.host-port=127.0.0.1:{http}"),
                format!("--collector.otlp.grpc.host-port=127.0.0.1:{grpc}"),
            ];
            arguments.extend(unused);
            arguments
        },
        ready: "/",
    },
};

/// The programs that `--observe` adds.
pub static OBSERVERS: [&Service; 2] = [&JAEGER, &PROMETHEUS];

/// Our services in start order. A new service is defined above and listed here.
pub static SERVICES: [&Service; 4] = [&PROVIDER, &WORKER, &API, &FOUNDER];

/// The port of each service. All of them listen on the loopback address only.
#[derive(Debug, Clone)]
pub struct Ports {
    by_service: BTreeMap<&'static str, u16>,
    /// The port of Temporal's Web UI, if it runs.
    ui: Option<u16>,
    /// The ports where Jaeger takes traces, over HTTP and over gRPC.
    otlp: [u16; 2],
}

impl Ports {
    /// Returns the ports that the README names.
    #[must_use]
    pub fn standard() -> Self {
        let by_service = all_services().map(|service| (service.name, service.standard_port)).collect();
        Self { by_service, ui: Some(8080), otlp: [4318, 4317] }
    }

    /// Returns ports that are free now, without a Web UI, for tests.
    ///
    /// # Errors
    /// Returns an error when the system has none left.
    pub fn free() -> io::Result<Self> {
        Ok(Self { ui: None, ..Self::free_with_ui()? })
    }

    /// Returns ports that are free now.
    ///
    /// # Errors
    /// Returns an error when the system has none left.
    pub fn free_with_ui() -> io::Result<Self> {
        let [ui, otlp_http, otlp_grpc] = ports::free_ports()?;
        let others = ports::free_ports::<{ SERVICES.len() + OBSERVERS.len() + 1 }>()?;
        Ok(Self {
            by_service: all_services().map(|service| service.name).zip(others).collect(),
            ui: Some(ui),
            otlp: [otlp_http, otlp_grpc],
        })
    }

    /// Returns every port with the service that needs it.
    #[must_use]
    pub fn required_ports(&self, with_observers: bool) -> Vec<RequiredPort> {
        let services = all_services().filter(|service| with_observers || !OBSERVERS.contains(service));
        let mut required: Vec<_> =
            services.map(|service| RequiredPort { port: self.of(service), by: service.name }).collect();
        required.extend(self.ui.map(|port| RequiredPort { port, by: "Temporal's Web UI" }));
        let traces = self.otlp.into_iter().filter(|_| with_observers);
        required.extend(traces.map(|port| RequiredPort { port, by: "traces to Jaeger" }));
        required
    }

    #[must_use]
    pub fn of(&self, service: &Service) -> u16 {
        self.by_service.get(service.name).copied().unwrap_or(service.standard_port)
    }

    /// Returns host and port.
    #[must_use]
    pub fn address(&self, service: &Service) -> String {
        format!("127.0.0.1:{}", self.of(service))
    }

    #[must_use]
    pub fn url(&self, service: &Service) -> String {
        format!("http://{}", self.address(service))
    }

    /// Returns the port of Temporal's Web UI.
    #[must_use]
    pub fn ui(&self) -> Option<u16> {
        self.ui
    }

    /// Returns the ports where Jaeger takes traces by OTLP, over HTTP and over gRPC.
    #[must_use]
    pub fn otlp(&self) -> [u16; 2] {
        self.otlp
    }
}

/// Returns every program that a stack can have, in start order.
fn all_services() -> impl Iterator<Item = &'static Service> {
    std::iter::once(&TEMPORAL).chain(SERVICES).chain(OBSERVERS)
}

/// Returns the service with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Service> {
    all_services().find(|service| service.name == name)
}

/// The Temporal server that the services use.
#[derive(Debug, Clone)]
pub enum Temporal {
    /// A development server that the stack starts.
    DevServer(TemporalCli),
    /// A running server at this host and port.
    External(String),
}

/// The handling of the data in a stack's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Continues with the data.
    Kept,
    /// Starts without data.
    Fresh,
    /// Starts without data, and removes the folder after the end, even after a crash.
    Temporary,
}

/// The options of a stack.
#[derive(Debug, Clone)]
pub struct Options {
    /// Holds the record, the logs, Temporal's database and the provider's ledger. The services run in it.
    pub folder: PathBuf,
    pub state: State,
    pub ports: Ports,
    pub temporal: Temporal,
    /// The services beside Temporal's server. Without any, other stacks can share the server.
    pub services: Vec<&'static Service>,
    pub task_queue: String,
    /// The provider's chaos profile.
    pub chaos: String,
    /// Removes a profile override of an earlier stack. Otherwise the override stays active.
    pub removes_profile_override: bool,
    pub seed: Option<u64>,
    /// Shortens labels to 1 s and timeouts to 0.5 s.
    pub fast: bool,
    /// Uses a local stand-in for the sources of user contexts.
    pub offline: bool,
    /// Adds Prometheus and Jaeger.
    pub observers: Option<Observers>,
    /// Variables that extend or replace those that the stack sets.
    pub environment: Vec<(&'static Service, &'static str, String)>,
}

impl Options {
    /// Returns options for all services, without data, fast and without chaos.
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
            removes_profile_override: false,
            seed: None,
            fast: true,
            offline: false,
            observers: None,
            environment: Vec::new(),
        }
    }

    /// Returns the programs of this stack, in start order.
    pub fn all_services(&self) -> impl Iterator<Item = &'static Service> {
        let server = matches!(self.temporal, Temporal::DevServer(_)).then_some(&TEMPORAL);
        let observers = self.observers.iter().flat_map(|_| OBSERVERS);
        server.into_iter().chain(self.services.clone()).chain(observers)
    }

    /// Returns host and port.
    #[must_use]
    pub fn temporal_address(&self) -> String {
        match &self.temporal {
            Temporal::DevServer(_) => self.ports.address(&TEMPORAL),
            Temporal::External(address) => address.clone(),
        }
    }

    pub(crate) fn ledger_folder(&self) -> PathBuf {
        self.folder.join("ledger")
    }

    pub(crate) fn temporal_folder(&self) -> PathBuf {
        self.folder.join("temporal")
    }

    pub(crate) fn prometheus_folder(&self) -> PathBuf {
        self.folder.join("prometheus")
    }

    /// Sends traces to Jaeger if it runs.
    pub(crate) fn traces_environment(&self) -> Option<(&'static str, String)> {
        let [http, _] = self.ports.otlp();
        self.observers.is_some().then(|| ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{http}")))
    }

    /// Makes Temporal's server send traces to Jaeger if it runs.
    pub(crate) fn temporal_traces_environment(&self) -> Vec<(&'static str, String)> {
        let [_, grpc] = self.ports.otlp();
        let variables = [
            ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc".to_owned()),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("http://127.0.0.1:{grpc}")),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{grpc}")),
        ];
        variables.into_iter().filter(|_| self.observers.is_some()).collect()
    }

    /// Returns whether the folder has data to continue with.
    #[must_use]
    pub fn has_saved_state(&self) -> bool {
        self.state == State::Kept && self.temporal_folder().is_dir()
    }

    /// Sets the variable only when it is on. Otherwise the environment decides.
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
            Program::TemporalDevServer | Program::Observer { .. } => HashMap::new(),
        }
    }

    fn options(ports: Ports) -> Options {
        Options::new(PathBuf::new(), ports, Temporal::External("127.0.0.1:7000".to_owned()))
    }

    #[test]
    fn the_default_ports_are_those_of_the_readme() {
        let mut ports: Vec<_> =
            Ports::standard().required_ports(false).iter().map(|required| required.port).collect();
        ports.sort_unstable();
        assert_eq!(ports, [3000, 3001, 3002, 7233, 8080, 9464]);
        let observed = Ports::standard().required_ports(true).into_iter().map(|required| required.port);
        let more: Vec<_> = observed.filter(|port| !ports.contains(port)).collect();
        assert_eq!(more, [16686, 9090, 4318, 4317]);
    }

    #[test]
    fn the_worker_gets_the_addresses_of_the_provider_and_temporal() {
        let ports = Ports::free().unwrap();
        let environment = environment(&WORKER, &options(ports.clone()));
        assert_eq!(environment["PROVIDER_URL"], format!("http://127.0.0.1:{}", ports.of(&PROVIDER)));
        assert_eq!(environment["TEMPORAL_ADDRESS"], "127.0.0.1:7000");
        assert_eq!(environment["TASK_QUEUE"], "founder-tasks");
    }

    #[test]
    fn the_providers_ledger_is_a_file_in_the_stacks_folder() {
        let folder = PathBuf::from("/tmp/stack");
        let options = Options::new(folder, Ports::standard(), Temporal::External(String::new()));
        assert_eq!(environment(&PROVIDER, &options)["LEDGER"], "sqlite:/tmp/stack/ledger/ledger.db");
    }

    #[test]
    fn fast_shortens_labels_and_timeouts() {
        let fast = options(Ports::standard());
        let slow = Options { fast: false, ..fast.clone() };
        assert_eq!(environment(&PROVIDER, &fast)["SHIPPING_LABEL_DURATION"], "1s");
        assert_eq!(environment(&PROVIDER, &fast)["CHAOS_TIMEOUT_DELAY"], "500ms");
        assert!(!environment(&PROVIDER, &slow).contains_key("SHIPPING_LABEL_DURATION"));
    }

    #[test]
    fn founder_and_worker_are_offline_only_in_an_offline_stack() {
        let online = options(Ports::standard());
        let offline = Options { offline: true, ..online.clone() };
        for service in [&FOUNDER, &WORKER] {
            assert_eq!(environment(service, &offline)["FOUNDER_OFFLINE"], "true");
            assert!(!environment(service, &online).contains_key("FOUNDER_OFFLINE"));
        }
    }

    #[test]
    fn the_provider_gets_a_seed_only_if_one_is_set() {
        let drawn = options(Ports::standard());
        let seeded = Options { seed: Some(7), ..drawn.clone() };
        assert_eq!(environment(&PROVIDER, &seeded)["CHAOS_SEED"], "7");
        assert!(!environment(&PROVIDER, &drawn).contains_key("CHAOS_SEED"));
    }
}
