//! Configuration from the environment: one table of variables per binary, read once at start, and
//! every fault of it reported together.

use std::{fmt, net::SocketAddr, time::Duration};

use crate::{cors::CorsOrigins, telemetry};

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
    meaning: "The largest request body in bytes, before and after it is decompressed; a larger one gets 413.",
};

pub const BODY_TIMEOUT: Variable = Variable {
    name: "BODY_TIMEOUT",
    default: Some("10s"),
    meaning: "A request whose body sends nothing for this long gets 408 `request_body_timeout`.",
};
pub const HEADER_TIMEOUT: Variable = Variable {
    name: "HEADER_TIMEOUT",
    default: Some("30s"),
    meaning: "A connection that doesn't send the whole head of a request for this long is closed, an idle one too.",
};
pub const MAX_CONNECTIONS: Variable = Variable {
    name: "MAX_CONNECTIONS",
    default: Some("1000"),
    meaning: "How many connections are served at once; more wait until one of them ends.",
};
pub const CORS_ORIGINS: Variable = Variable {
    name: "CORS_ORIGINS",
    default: Some("http://localhost:*,http://127.0.0.1:*"),
    meaning: "The origins whose pages may send requests from a browser: a list with commas, where `:*` is any port; `*` for all; or `off`.",
};
/// See [`Reader::listen_address`].
pub const PORT: Variable = Variable {
    name: "PORT",
    default: None,
    meaning: "The port of `LISTEN_ADDR`, for where that isn't set; if both are, they must agree.",
};

/// What every service reads beside its own.
pub const COMMON: &[Variable] = &[
    LOG_FORMAT,
    RUST_LOG,
    SHUTDOWN_GRACE,
    REQUEST_TIMEOUT,
    BODY_LIMIT,
    BODY_TIMEOUT,
    HEADER_TIMEOUT,
    MAX_CONNECTIONS,
    CORS_ORIGINS,
];

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
    pub body_timeout: Duration,
    pub header_timeout: Duration,
    pub max_connections: usize,
    pub cors_origins: CorsOrigins,
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
        let request_timeout = reader.read(request_timeout, positive_duration);
        let body_limit = reader.read(&BODY_LIMIT, count);
        let body_timeout = reader.read(&BODY_TIMEOUT, positive_duration);
        let header_timeout = reader.read(&HEADER_TIMEOUT, positive_duration);
        let max_connections = reader.read(&MAX_CONNECTIONS, count);
        let cors_origins = reader.read(&CORS_ORIGINS, str::parse);
        Some(Self {
            log_format: log_format?,
            log_filter: log_filter?,
            shutdown_grace: shutdown_grace?,
            request_timeout: request_timeout?,
            body_limit: body_limit?,
            body_timeout: body_timeout?,
            header_timeout: header_timeout?,
            max_connections: max_connections?,
            cors_origins: cors_origins?,
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

    fn given(&self, variable: &Variable) -> Option<String> {
        (self.lookup)(variable.name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn text(&self, variable: &Variable) -> Option<String> {
        self.given(variable).or_else(|| variable.default.map(str::to_owned))
    }

    fn given_or_default<T, E: fmt::Display>(
        &mut self,
        variable: &Variable,
        given: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if let Some(text) = given.or(variable.default) {
            self.parsed(variable, text, parse)
        } else {
            self.faults.push(format!("{} is required: {}", variable.name, variable.meaning));
            None
        }
    }

    /// Reads a variable that has a second name, for those who know it by that one. Both may be given if they
    /// mean the same.
    pub fn read_aliased<T: PartialEq, E: fmt::Display>(
        &mut self,
        variable: &Variable,
        alias: &Variable,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let given = self.given(variable);
        let Some(aliased) = self.given(alias) else {
            return self.given_or_default(variable, given.as_deref(), parse);
        };
        let value = self.parsed(alias, &aliased, &parse);
        let Some(given) = given else { return value };
        let (own, value) = (self.parsed(variable, &given, &parse)?, value?);
        if own != value {
            return self.contradiction((alias, &aliased), (variable, &given));
        }
        Some(own)
    }

    /// Reads where to listen: from the variable, or from its default with the port that [`PORT`] names.
    pub fn listen_address(&mut self, variable: &Variable) -> Option<SocketAddr> {
        let given = self.given(variable);
        let port = self
            .read_optional(&PORT, |text| text.parse::<u16>().map_err(|_| "must be a port from 0 to 65535"));
        let address = self.given_or_default(variable, given.as_deref(), socket_address)?;
        match (port?, given) {
            (Some(port), None) => Some(SocketAddr::new(address.ip(), port)),
            (Some(port), Some(given)) if port != address.port() => {
                self.contradiction((&PORT, &port.to_string()), (variable, &given))
            }
            _ => Some(address),
        }
    }

    fn contradiction<T>(&mut self, one: (&Variable, &str), other: (&Variable, &str)) -> Option<T> {
        let [one, other] = [one, other].map(|(variable, text)| format!("{}={text}", variable.name));
        self.faults.push(format!("{one} and {other} differ; set one of them"));
        None
    }

    /// A variable that must have a value, its own or the default.
    pub fn read<T, E: fmt::Display>(
        &mut self,
        variable: &Variable,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let given = self.given(variable);
        self.given_or_default(variable, given.as_deref(), parse)
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

/// A duration for something that can't be done in no time.
///
/// # Errors
/// Says what a duration looks like, or that it is 0.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than 0s".to_owned()),
        duration => Ok(duration),
    }
}

/// A whole number from 1.
fn count(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|count| *count > 0).ok_or("must be a whole number from 1")
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

    const SIZE: Variable = Variable { name: "SIZE", default: Some("80"), meaning: "The size." };
    const KEY: Variable = Variable { name: "KEY", default: None, meaning: "The key." };

    #[test]
    fn an_empty_variable_counts_as_absent() {
        let lookup = |_: &str| Some("  ".to_owned());
        let mut reader = Reader::new(&lookup);
        assert_eq!(reader.read(&SIZE, str::parse::<u16>), Some(80));
        assert_eq!(reader.read_optional(&KEY, str::parse::<u16>), Some(None));
        assert_eq!(reader.finish(Some(())), Ok(()));
    }

    #[test]
    fn all_faults_are_reported_together() {
        let lookup = |name: &str| (name == "SIZE").then(|| "eighty".to_owned());
        let mut reader = Reader::new(&lookup);
        assert_eq!(reader.read(&SIZE, str::parse::<u16>), None);
        assert_eq!(reader.read(&KEY, |text| Ok::<_, String>(text.to_owned())), None);
        let faults = reader.finish(None::<()>).unwrap_err();
        assert_eq!(
            faults.to_string(),
            "2 faults in the configuration\n  SIZE=eighty: invalid digit found in string\n  KEY is required: The key."
        );
    }

    fn common_with(name: &'static str, value: &'static str) -> Result<Common, ConfigFaults> {
        let lookup = move |asked: &str| (asked == name).then(|| value.to_owned());
        let mut reader = Reader::new(&lookup);
        let common = Common::read(&mut reader);
        reader.finish(common)
    }

    #[test]
    fn a_limit_that_lets_nothing_through_is_a_fault() {
        for (name, value) in [
            ("REQUEST_TIMEOUT", "0s"),
            ("REQUEST_TIMEOUT", "-1s"),
            ("BODY_TIMEOUT", "0s"),
            ("HEADER_TIMEOUT", "0ms"),
            ("BODY_LIMIT", "0"),
            ("MAX_CONNECTIONS", "0"),
            ("MAX_CONNECTIONS", "-1"),
            ("CORS_ORIGINS", "localhost"),
        ] {
            let ConfigFaults(faults) = common_with(name, value).unwrap_err();
            assert_eq!(faults.len(), 1);
            assert!(faults[0].starts_with(&format!("{name}={value}: ")), "{faults:?}");
        }
        assert_eq!(common_with("SHUTDOWN_GRACE", "0s").unwrap().shutdown_grace, Duration::ZERO);
    }

    type Environment = &'static [(&'static str, &'static str)];

    fn with<T>(environment: Environment, read: impl Fn(&mut Reader<'_>) -> Option<T>) -> Result<T, String> {
        let lookup = |name: &str| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let mut reader = Reader::new(&lookup);
        let value = read(&mut reader);
        reader.finish(value).map_err(|ConfigFaults(faults)| faults.join("; "))
    }

    #[test]
    fn a_variable_has_its_value_by_its_second_name_too_but_not_two_values() {
        let alias = Variable { name: "FORMER_KEY", ..KEY };
        let read = |environment| {
            with(environment, |reader| {
                reader.read_aliased(&Variable { default: Some("1"), ..KEY }, &alias, str::parse::<u16>)
            })
        };
        assert_eq!(read(&[]), Ok(1));
        assert_eq!(read(&[("KEY", "2")]), Ok(2));
        assert_eq!(read(&[("FORMER_KEY", "3"), ("KEY", " ")]), Ok(3));
        assert_eq!(read(&[("FORMER_KEY", "4"), ("KEY", "04")]), Ok(4));
        assert_eq!(
            read(&[("FORMER_KEY", "4"), ("KEY", "5")]),
            Err("FORMER_KEY=4 and KEY=5 differ; set one of them".to_owned())
        );
        assert!(read(&[("FORMER_KEY", "four")]).unwrap_err().starts_with("FORMER_KEY=four: "));
    }

    #[test]
    fn a_port_is_that_of_the_address_where_there_is_none() {
        let listen = Variable { name: "LISTEN_ADDR", default: Some("127.0.0.1:3001"), meaning: "Where." };
        let read =
            |environment| with(environment, |reader| reader.listen_address(&listen)).map(|at| at.to_string());
        assert_eq!(read(&[]), Ok("127.0.0.1:3001".to_owned()));
        assert_eq!(read(&[("PORT", "8080")]), Ok("127.0.0.1:8080".to_owned()));
        let both = read(&[("PORT", "8080"), ("LISTEN_ADDR", "0.0.0.0:8080")]);
        assert_eq!(both, Ok("0.0.0.0:8080".to_owned()));
        assert_eq!(
            read(&[("PORT", "8080"), ("LISTEN_ADDR", "0.0.0.0:3001")]),
            Err("PORT=8080 and LISTEN_ADDR=0.0.0.0:3001 differ; set one of them".to_owned())
        );
        for port in [&[("PORT", "http")], &[("PORT", "65536")], &[("PORT", "-1")]] as [Environment; 3] {
            assert!(read(port).unwrap_err().contains("must be a port"));
        }
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
