//! Configuration from the environment: one table of variables per binary, read once at start, and
//! every fault of it reported together.

use std::{fmt, net::SocketAddr, time::Duration};

use crate::telemetry;

/// One environment variable: the row of `docs/configuration.md` and the key the code reads are the
/// same value, and a test compares the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    pub name: &'static str,
    /// What holds when the variable is absent or empty. `None`: see the meaning.
    pub default: Option<&'static str>,
    pub meaning: &'static str,
}

pub const LOG_FORMAT: Variable = Variable {
    name: "LOG_FORMAT",
    default: Some("json"),
    meaning: "`json` (a line an event) or `pretty` (for people).",
};
pub const RUST_LOG: Variable = Variable {
    name: "RUST_LOG",
    default: Some("info"),
    meaning: "What is logged, as a tracing-subscriber filter, e.g. `info,temporal_worker=debug`.",
};
pub const SHUTDOWN_GRACE: Variable = Variable {
    name: "SHUTDOWN_GRACE",
    default: Some("10s"),
    meaning: "How long a service that was told to stop goes on with what is in flight.",
};
pub const REQUEST_TIMEOUT: Variable = Variable {
    name: "REQUEST_TIMEOUT",
    default: Some("30s"),
    meaning: "After this long without an answer a request gets 503 `request_timeout`.",
};
pub const BODY_LIMIT: Variable = Variable {
    name: "BODY_LIMIT",
    default: Some("262144"),
    meaning: "The largest request body in bytes; a larger one gets 413.",
};

/// What every service reads beside its own.
pub const COMMON: &[Variable] = &[LOG_FORMAT, RUST_LOG, SHUTDOWN_GRACE, REQUEST_TIMEOUT, BODY_LIMIT];

/// How the logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Pretty,
}

/// The settings that every service has.
#[derive(Debug, Clone)]
pub struct Common {
    pub log_format: LogFormat,
    pub log_filter: String,
    pub shutdown_grace: Duration,
    pub request_timeout: Duration,
    /// Bytes.
    pub body_limit: usize,
}

impl Common {
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Self::read_with_request_timeout(reader, &REQUEST_TIMEOUT)
    }

    /// For a service whose requests need another default than the common one.
    pub fn read_with_request_timeout(reader: &mut Reader<'_>, request_timeout: &Variable) -> Option<Self> {
        let log_format = reader.read(&LOG_FORMAT, |text| match text {
            "json" => Ok(LogFormat::Json),
            "pretty" => Ok(LogFormat::Pretty),
            _ => Err("must be `json` or `pretty`"),
        });
        let log_filter = reader.read(&RUST_LOG, |text| telemetry::filter(text).map(|_| text.to_owned()));
        let shutdown_grace = reader.read(&SHUTDOWN_GRACE, duration);
        let request_timeout = reader.read(request_timeout, duration);
        let body_limit = reader.read(&BODY_LIMIT, str::parse);
        Some(Self {
            log_format: log_format?,
            log_filter: log_filter?,
            shutdown_grace: shutdown_grace?,
            request_timeout: request_timeout?,
            body_limit: body_limit?,
        })
    }
}

/// Every fault of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFaults(pub Vec<String>);

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "fault" } else { "faults" };
        write!(f, "{} {plural} in the configuration", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for ConfigFaults {}

/// Reads variables through a look-up (the environment, or a test's map) and collects the faults.
pub struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    faults: Vec<String>,
}

impl<'a> Reader<'a> {
    #[must_use]
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, faults: Vec::new() }
    }

    fn text(&self, variable: &Variable) -> Option<String> {
        (self.lookup)(variable.name)
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
            .or_else(|| variable.default.map(str::to_owned))
    }

    /// A variable that must have a value, its own or the default.
    pub fn read<T, E: fmt::Display>(
        &mut self,
        variable: &Variable,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if let Some(text) = self.text(variable) {
            self.parsed(variable, &text, parse)
        } else {
            self.faults.push(format!("{} is required: {}", variable.name, variable.meaning));
            None
        }
    }

    /// A variable that may be absent: `Some(None)` then, and `None` only for a fault.
    #[allow(clippy::option_option, reason = "a fault, an absence and a value are three things")]
    pub fn read_optional<T, E: fmt::Display>(
        &mut self,
        variable: &Variable,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        match self.text(variable) {
            Some(text) => self.parsed(variable, &text, parse).map(Some),
            None => Some(None),
        }
    }

    fn parsed<T, E: fmt::Display>(
        &mut self,
        variable: &Variable,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        parse(text).map_err(|error| self.faults.push(format!("{}={text}: {error}", variable.name))).ok()
    }

    /// The configuration, or all that is wrong with it.
    ///
    /// # Errors
    /// Every fault that a `read` noted.
    pub fn finish<T>(self, config: Option<T>) -> Result<T, ConfigFaults> {
        match config {
            Some(config) if self.faults.is_empty() => Ok(config),
            _ => Err(ConfigFaults(self.faults)),
        }
    }
}

/// `500ms`, `20s`, `2m`.
///
/// # Errors
/// Says what a duration looks like.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error} (a duration looks like 500ms, 20s or 2m)"))
}

/// `127.0.0.1:3001`.
///
/// # Errors
/// Says what an address looks like.
pub fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an address and a port such as 127.0.0.1:3001".to_owned())
}

/// An absolute `http` or `https` URL, without its closing slash.
///
/// # Errors
/// Says what a base URL looks like.
pub fn base_url(text: &str) -> Result<String, String> {
    match reqwest::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err("must be a URL such as http://127.0.0.1:3001".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: Variable = Variable { name: "PORT", default: Some("80"), meaning: "The port." };
    const KEY: Variable = Variable { name: "KEY", default: None, meaning: "The key." };

    #[test]
    fn an_empty_variable_counts_as_absent() {
        let lookup = |_: &str| Some("  ".to_owned());
        let mut reader = Reader::new(&lookup);
        assert_eq!(reader.read(&PORT, str::parse::<u16>), Some(80));
        assert_eq!(reader.read_optional(&KEY, str::parse::<u16>), Some(None));
        assert_eq!(reader.finish(Some(())), Ok(()));
    }

    #[test]
    fn all_faults_are_reported_together() {
        let lookup = |name: &str| (name == "PORT").then(|| "eighty".to_owned());
        let mut reader = Reader::new(&lookup);
        assert_eq!(reader.read(&PORT, str::parse::<u16>), None);
        assert_eq!(reader.read(&KEY, |text| Ok::<_, String>(text.to_owned())), None);
        let faults = reader.finish(None::<()>).unwrap_err();
        assert_eq!(
            faults.to_string(),
            "2 faults in the configuration\n  PORT=eighty: invalid digit found in string\n  KEY is required: The key."
        );
    }

    #[test]
    fn what_the_logs_cannot_be_filtered_by_is_a_fault() {
        let read = |filter: &'static str| {
            let lookup = move |name: &str| (name == "RUST_LOG").then(|| filter.to_owned());
            let mut reader = Reader::new(&lookup);
            let common = Common::read(&mut reader);
            reader.finish(common).map(|common| common.log_filter)
        };
        assert_eq!(read("info,temporal_worker=debug"), Ok("info,temporal_worker=debug".to_owned()));
        for bad in ["info,temporal_worker=loud", "temporal_worker=debug=trace", "[{]=info"] {
            let ConfigFaults(faults) = read(bad).unwrap_err();
            assert!(faults[0].starts_with(&format!("RUST_LOG={bad}: ")), "{faults:?}");
        }
    }

    #[test]
    fn a_base_url_is_absolute_and_loses_its_closing_slash() {
        assert_eq!(base_url("http://localhost:3001/"), Ok("http://localhost:3001".to_owned()));
        assert!(base_url("localhost:3001").is_err());
        assert!(base_url("/payment").is_err());
    }
}
