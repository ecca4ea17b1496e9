//! The configuration: every variable of the provider and its parsed value.

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use service_kit::{
    config::{
        self, BODY_LIMIT, BODY_TIMEOUT, CORS_ORIGINS, Common, ConfigFaults, HEADER_TIMEOUT, LOG_FORMAT,
        MAX_CONNECTIONS, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_TRACES_SAMPLER,
        OTEL_TRACES_SAMPLER_ARG, PORT, RUST_LOG, Reader, SHUTDOWN_GRACE, Variable, duration,
    },
    problem::Problem,
    process::Configuration,
};

use crate::{
    app,
    shared::{
        chaos::{Profile, ProfileName, ProfileParser, UnknownProfile},
        presentation::AdminToken,
        store::Limits,
    },
};

pub const LISTEN_ADDR: Variable =
    Variable { name: "LISTEN_ADDR", default: Some("127.0.0.1:3001"), meaning: "Where the provider listens." };
pub const CHAOS_PROFILE: Variable = Variable {
    name: "CHAOS_PROFILE",
    default: Some("seed"),
    meaning: "What goes wrong how often: `off`, `calm`, `seed`, `hostile`, `outage`, or the path of a `.toml` or `.json` file.",
};
pub const CHAOS_SEED: Variable = Variable {
    name: "CHAOS_SEED",
    default: None,
    meaning: "What every draw is made from, 0 to 2^64 - 1; random when absent, and logged at start.",
};
pub const CHAOS_ADMIN_TOKEN: Variable = Variable {
    name: "CHAOS_ADMIN_TOKEN",
    default: None,
    meaning: "The token for changes of chaos, outcomes, and runs. Without it, everyone may make them.",
};
const CHAOS_MAX_RUNS: Variable = Variable {
    name: "CHAOS_MAX_RUNS",
    default: Some("100"),
    meaning: "How many isolated runs there may be at once, beside the default one.",
};
pub const CHAOS_MAX_KEYS: Variable = Variable {
    name: "CHAOS_MAX_KEYS",
    default: Some("100000"),
    meaning: "How many keys that have no order or no effect a run remembers, and how many orders may have a plan.",
};
pub const CHAOS_JOURNAL_BYTES: Variable = Variable {
    name: "CHAOS_JOURNAL_BYTES",
    default: Some("16777216"),
    meaning: "How many bytes a run's journal takes at most; the oldest lines go first.",
};
pub const CHAOS_TIMEOUT_DELAY: Variable = Variable {
    name: "CHAOS_TIMEOUT_DELAY",
    default: Some("5s"),
    meaning: "How long a timeout keeps its caller waiting for the 504.",
};
pub const SHIPPING_LABEL_DURATION: Variable = Variable {
    name: "SHIPPING_LABEL_DURATION",
    default: Some("20s"),
    meaning: "How long a shipping label takes to be made.",
};
pub const LEDGER: Variable = Variable {
    name: "LEDGER",
    default: Some("memory"),
    meaning: "Where the ledger is kept: `memory` (lost with the process) or `sqlite:<file>`.",
};
/// A request has time for a label and for the delay of a timeout after it.
pub const REQUEST_TIMEOUT: Variable = Variable {
    name: "REQUEST_TIMEOUT",
    default: Some("60s"),
    meaning: "After this long without an answer a request gets 503 `request_timeout`; longer than `SHIPPING_LABEL_DURATION` and `CHAOS_TIMEOUT_DELAY` together.",
};

/// The place of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerLocation {
    Memory,
    /// In this file, with the files of SQLite and the lock beside it.
    Sqlite(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be `memory` or `sqlite:<file>`")]
pub struct UnknownLedger;

impl FromStr for LedgerLocation {
    type Err = UnknownLedger;

    fn from_str(text: &str) -> Result<Self, UnknownLedger> {
        match text.strip_prefix("sqlite:") {
            Some(file) if !file.is_empty() => Ok(Self::Sqlite(PathBuf::from(file))),
            None if text == "memory" => Ok(Self::Memory),
            _ => Err(UnknownLedger),
        }
    }
}

/// The parsed configuration.
#[derive(Debug, Clone)]
pub struct Config {
    pub common: Common,
    pub listen: SocketAddr,
    pub profile: Arc<Profile>,
    pub seed: Option<u64>,
    pub max_runs: usize,
    /// The limits of the growth of each run.
    pub limits: Limits,
    pub timeout_delay: Duration,
    pub label_duration: Duration,
    pub admin: AdminToken,
    pub ledger: LedgerLocation,
}

impl Config {
    /// Checks that a request has time for a label and for a delayed answer after it.
    fn checked(self) -> Result<Self, ConfigFaults> {
        let least = self.label_duration.saturating_add(self.timeout_delay);
        if self.common.request_timeout > least {
            return Ok(self);
        }
        Err(ConfigFaults(vec![format!(
            "{}={:?}: must be longer than {}={:?} and {}={:?} together, or no label is ever answered",
            REQUEST_TIMEOUT.name,
            self.common.request_timeout,
            SHIPPING_LABEL_DURATION.name,
            self.label_duration,
            CHAOS_TIMEOUT_DELAY.name,
            self.timeout_delay,
        )]))
    }
}

/// Parses a number from 1 on.
fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("must be a number from 1 on".to_owned()),
    }
}

/// Returns a profile by its name, or reads it from a file.
///
/// # Errors
/// Fails with a message that has a line for each error.
pub fn parse_profile(text: &str) -> Result<Arc<Profile>, String> {
    let catalogue = app::catalogue();
    let built_in = |name: ProfileName| Arc::new(Profile::built_in(name, &catalogue));
    if let Ok(name) = text.parse() {
        return Ok(built_in(name));
    }
    let known = ProfileName::ALL.map(built_in);
    let parser = ProfileParser { catalogue: &catalogue, known: &known };
    let file = || fs::read_to_string(text).map_err(|error| format!("cannot be read: {error}"));
    let read = match Path::new(text).extension().and_then(|extension| extension.to_str()) {
        Some("toml") => parser.toml(&file()?),
        Some("json") => parser.json(file()?.as_bytes()),
        _ => return Err(UnknownProfile.to_string()),
    };
    read.map_err(|problem| error_lines(&problem))
}

/// Returns a line for each error.
fn error_lines(problem: &Problem) -> String {
    if let [] | [_] = problem.faults() {
        return problem.detail().to_owned();
    }
    problem.faults().iter().fold(format!("{} faults", problem.faults().len()), |mut lines, fault| {
        // Writing to a string can't fail.
        let _ = write!(lines, "\n    {} {}", fault.pointer, fault.message);
        lines
    })
}

impl Configuration for Config {
    fn variables() -> Vec<Variable> {
        vec![
            LISTEN_ADDR,
            PORT,
            CHAOS_PROFILE,
            CHAOS_SEED,
            CHAOS_MAX_RUNS,
            CHAOS_MAX_KEYS,
            CHAOS_JOURNAL_BYTES,
            CHAOS_TIMEOUT_DELAY,
            SHIPPING_LABEL_DURATION,
            LEDGER,
            CHAOS_ADMIN_TOKEN,
            REQUEST_TIMEOUT,
            SHUTDOWN_GRACE,
            BODY_LIMIT,
            BODY_TIMEOUT,
            HEADER_TIMEOUT,
            MAX_CONNECTIONS,
            CORS_ORIGINS,
            OTEL_EXPORTER_OTLP_ENDPOINT,
            OTEL_EXPORTER_OTLP_PROTOCOL,
            OTEL_TRACES_SAMPLER,
            OTEL_TRACES_SAMPLER_ARG,
            LOG_FORMAT,
            RUST_LOG,
        ]
    }

    fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigFaults> {
        let mut reader = Reader::new(lookup);
        let common = Common::read_with_request_timeout(&mut reader, &REQUEST_TIMEOUT);
        let listen = reader.listen_address(&LISTEN_ADDR);
        let profile = reader.read(&CHAOS_PROFILE, parse_profile);
        let seed = reader.read_optional(&CHAOS_SEED, str::parse);
        let max_runs = reader.read(&CHAOS_MAX_RUNS, str::parse);
        let keys = reader.read(&CHAOS_MAX_KEYS, count);
        let journal_bytes = reader.read(&CHAOS_JOURNAL_BYTES, count);
        let timeout_delay = reader.read(&CHAOS_TIMEOUT_DELAY, duration);
        let label_duration = reader.read(&SHIPPING_LABEL_DURATION, duration);
        let admin = reader.read_optional(&CHAOS_ADMIN_TOKEN, config::secret);
        let ledger = reader.read(&LEDGER, str::parse);
        let config = || {
            Some(Self {
                common: common?,
                listen: listen?,
                profile: profile?,
                seed: seed?,
                max_runs: max_runs?,
                limits: Limits { keys: keys?, journal_bytes: journal_bytes? },
                timeout_delay: timeout_delay?,
                label_duration: label_duration?,
                admin: AdminToken::new(admin?.as_deref()),
                ledger: ledger?,
            })
        };
        reader.finish(config()).and_then(Self::checked)
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn listens_on(&self) -> SocketAddr {
        self.listen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_environment_gives_every_variable_its_default() {
        let config = Config::from_lookup(&|_| None).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:3001");
        assert_eq!((config.profile.name(), config.seed), ("seed", None));
        assert_eq!(config.timeout_delay, Duration::from_secs(5));
        assert_eq!(config.label_duration, Duration::from_secs(20));
        assert!(config.common.request_timeout > config.label_duration + config.timeout_delay);
    }

    #[test]
    fn a_request_has_time_for_a_label_and_the_delay_of_a_timeout() {
        let read = |timeout: &'static str| {
            Config::from_lookup(&move |name| {
                let value = match name {
                    "REQUEST_TIMEOUT" => timeout,
                    "SHIPPING_LABEL_DURATION" => "20s",
                    "CHAOS_TIMEOUT_DELAY" => "5s",
                    _ => return None,
                };
                Some(value.to_owned())
            })
        };
        for short in ["1s", "20s", "25s"] {
            let faults = read(short).unwrap_err().to_string();
            for named in ["REQUEST_TIMEOUT=", "SHIPPING_LABEL_DURATION=20s", "CHAOS_TIMEOUT_DELAY=5s"] {
                assert!(faults.contains(named), "{short}: {faults}");
            }
        }
        assert!(read("25001ms").is_ok());
    }

    #[test]
    fn a_limit_of_zero_is_rejected() {
        for variable in ["CHAOS_MAX_KEYS", "CHAOS_JOURNAL_BYTES"] {
            for bad in ["0", "-1", "many"] {
                let faults = Config::from_lookup(&|name| (name == variable).then(|| bad.to_owned()));
                let faults = faults.unwrap_err().to_string();
                assert!(
                    faults.contains(&format!("{variable}={bad}: must be a number from 1 on")),
                    "{faults}"
                );
            }
        }
    }

    #[test]
    fn all_errors_are_reported_together() {
        let faults = Config::from_lookup(&|name| {
            Some(
                match name {
                    "CHAOS_PROFILE" => "nonsense",
                    "CHAOS_SEED" => "-1",
                    "LEDGER" => "sqlite:",
                    "LISTEN_ADDR" => "3001",
                    "CHAOS_TIMEOUT_DELAY" => "soon",
                    _ => return None,
                }
                .to_owned(),
            )
        })
        .unwrap_err();
        assert_eq!(faults.0.len(), 5, "{faults}");
        assert!(
            faults
                .to_string()
                .contains("CHAOS_PROFILE=nonsense: must be one of off, calm, seed, hostile, outage, or"),
            "{faults}"
        );
        assert!(
            faults.to_string().contains("LEDGER=sqlite:: must be `memory` or `sqlite:<file>`"),
            "{faults}"
        );
    }

    fn with_profile(path: &Path) -> Result<Config, ConfigFaults> {
        Config::from_lookup(&|name| (name == "CHAOS_PROFILE").then(|| path.display().to_string()))
    }

    #[test]
    fn a_profile_comes_from_a_file_in_toml_or_json() {
        let folder = tempfile::tempdir().unwrap();
        let (toml, json) = (folder.path().join("profile.toml"), folder.path().join("profile.json"));
        fs::write(&toml, "name = \"mine\"\n[operations.\"payment.*\"]\nrate_limited = 1\n").unwrap();
        fs::write(&json, r#"{"name": "mine", "operations": {"payment.*": {"rate_limited": 1}}}"#).unwrap();
        let [toml, json] = [toml, json].map(|path| with_profile(&path).unwrap().profile.to_string());
        assert_eq!(toml, json);
        assert!(toml.starts_with("mine@"));
    }

    #[test]
    fn every_error_of_a_profile_file_has_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.toml");
        let lines = |text: &str| {
            fs::write(&path, text).unwrap();
            with_profile(&path).unwrap_err().to_string().lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let faults = lines("nonsense = 1\n[operations.\"payment.capture\"]\nsuccess = -1\n");
        assert!(faults[1].ends_with("profile.toml: 2 faults"), "{faults:?}");
        assert!(faults[2].starts_with("    /nonsense is not a member"), "{faults:?}");
        assert!(
            faults[3].starts_with("    /operations/payment.capture/success must be a number"),
            "{faults:?}"
        );
        assert!(lines("name = ")[1].contains("is not TOML"));
        let missing = with_profile(&folder.path().join("missing.json")).unwrap_err();
        assert!(missing.to_string().contains("cannot be read"), "{missing}");
    }

    #[test]
    fn the_list_of_variables_has_exactly_those_that_are_read() {
        let asked = std::cell::RefCell::new(Vec::new());
        let _ = Config::from_lookup(&|name| {
            asked.borrow_mut().push(name.to_owned());
            None
        });
        let mut listed: Vec<_> =
            Config::variables().into_iter().map(|variable| variable.name.to_owned()).collect();
        let mut asked = asked.into_inner();
        asked.sort();
        listed.sort();
        assert_eq!(asked, listed);
    }
}
