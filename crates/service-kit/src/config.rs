//! Configuration from the environment. Each binary has one table of variables, reads it once at the start, and
//! reports all errors together.

use std::{fmt, net::SocketAddr, time::Duration};

use crate::{cors::CorsOrigins, telemetry};

/// One environment variable. It is also a row of `docs/configuration.md`; a test compares the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    pub name: &'static str,
    /// The value of an absent or empty variable. None when there is no fixed one.
    pub default: Option<&'static str>,
    pub meaning: &'static str,
}

pub const LOG_FORMAT: Variable = Variable {
    name: "LOG_FORMAT",
    default: Some("json"),
    meaning: "The format of the logs: `json` (one object for each event) or `pretty` (for people).",
};
pub const RUST_LOG: Variable = Variable {
    name: "RUST_LOG",
    default: Some("info"),
    meaning: "The filter of the logs in the syntax of tracing-subscriber, for example `info,temporal_worker=debug`.",
};
pub const SHUTDOWN_GRACE: Variable = Variable {
    name: "SHUTDOWN_GRACE",
    default: Some("10s"),
    meaning: "The time that requests in flight have to finish when the service stops.",
};
pub const REQUEST_TIMEOUT: Variable = Variable {
    name: "REQUEST_TIMEOUT",
    default: Some("30s"),
    meaning: "The time limit of a request. After it the answer is 503 `request_timeout`.",
};
pub const BODY_LIMIT: Variable = Variable {
    name: "BODY_LIMIT",
    default: Some("262144"),
    meaning: "The largest request body in bytes, before and after decompression. A larger one gets 413.",
};

pub const BODY_TIMEOUT: Variable = Variable {
    name: "BODY_TIMEOUT",
    default: Some("10s"),
    meaning: "The longest pause within a request body. After it the answer is 408 `request_body_timeout`.",
};
pub const HEADER_TIMEOUT: Variable = Variable {
    name: "HEADER_TIMEOUT",
    default: Some("30s"),
    meaning: "The time limit for the head of a request. A connection without a whole head is closed after it, also an idle one.",
};
pub const MAX_CONNECTIONS: Variable = Variable {
    name: "MAX_CONNECTIONS",
    default: Some("1000"),
    meaning: "The number of connections that are served at once. Further ones wait until one ends.",
};
pub const CORS_ORIGINS: Variable = Variable {
    name: "CORS_ORIGINS",
    default: Some("http://localhost:*,http://127.0.0.1:*"),
    meaning: "The origins whose pages may send requests from a browser, separated by commas; `:*` allows any port. `*` allows all origins, `off` none.",
};
pub const OTEL_EXPORTER_OTLP_ENDPOINT: Variable = Variable {
    name: "OTEL_EXPORTER_OTLP_ENDPOINT",
    default: None,
    meaning: "The OTLP endpoint that gets the traces by HTTP, for example `http://localhost:4318`. Without it there are no traces.",
};
pub const OTEL_EXPORTER_OTLP_PROTOCOL: Variable = Variable {
    name: "OTEL_EXPORTER_OTLP_PROTOCOL",
    default: Some("http/protobuf"),
    meaning: "The protocol of that endpoint. Only `http/protobuf` is there.",
};
pub const OTEL_TRACES_SAMPLER: Variable = Variable {
    name: "OTEL_TRACES_SAMPLER",
    default: Some("parentbased_always_on"),
    meaning: "Which traces are recorded: `always_on`, `always_off`, `traceidratio`, or one of these after `parentbased_`, which follows the caller's decision.",
};
pub const OTEL_TRACES_SAMPLER_ARG: Variable = Variable {
    name: "OTEL_TRACES_SAMPLER_ARG",
    default: None,
    meaning: "The share of the traces that `traceidratio` records, from 0 to 1.",
};
/// See [`Reader::listen_address`].
pub const PORT: Variable = Variable {
    name: "PORT",
    default: None,
    meaning: "The port of `LISTEN_ADDR`, if that isn't set. If both are set, they must agree.",
};

/// The variables that every service reads.
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
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_TRACES_SAMPLER,
    OTEL_TRACES_SAMPLER_ARG,
];

/// The format of the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Pretty,
}

/// Names the receiver of the traces. The exporter reads its other settings from the standard variables itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceExport {
    pub endpoint: String,
}

impl TraceExport {
    /// Reads and checks the variables, which the exporter would only warn about.
    #[allow(clippy::option_option, reason = "as `Reader::read_optional`")]
    fn read(reader: &mut Reader<'_>) -> Option<Option<Self>> {
        let endpoint = reader.read_optional(&OTEL_EXPORTER_OTLP_ENDPOINT, base_url);
        let protocol = reader.read(&OTEL_EXPORTER_OTLP_PROTOCOL, |text| match text {
            "http/protobuf" => Ok(()),
            _ => Err("must be `http/protobuf`"),
        });
        let sampler = reader.read(&OTEL_TRACES_SAMPLER, |text| {
            match text.strip_prefix("parentbased_").unwrap_or(text) {
                "always_on" | "always_off" => Ok(false),
                "traceidratio" => Ok(true),
                _ => Err("must be `always_on`, `always_off` or `traceidratio`, or one of these after `parentbased_`"),
            }
        });
        let ratio = reader.read_optional(&OTEL_TRACES_SAMPLER_ARG, |text| {
            let ratio = text.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
            ratio.ok_or("must be a number from 0 to 1")
        });
        if sampler? && ratio?.is_none() {
            return reader.missing(&OTEL_TRACES_SAMPLER_ARG);
        }
        protocol?;
        Some(endpoint?.map(|endpoint| Self { endpoint }))
    }
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
    /// None for a service without traces.
    pub trace_export: Option<TraceExport>,
}

impl Common {
    /// Reads the common settings.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Self::read_with_request_timeout(reader, &REQUEST_TIMEOUT)
    }

    /// Reads the common settings for a service with its own default of the request timeout.
    pub fn read_with_request_timeout(reader: &mut Reader<'_>, request_timeout: &Variable) -> Option<Self> {
        let log_format = reader.read(&LOG_FORMAT, |text| match text {
            "json" => Ok(LogFormat::Json),
            "pretty" => Ok(LogFormat::Pretty),
            _ => Err("must be `json` or `pretty`"),
        });
        let log_filter =
            reader.read(&RUST_LOG, |text| telemetry::parse_filter(text).map(|_| text.to_owned()));
        let shutdown_grace = reader.read(&SHUTDOWN_GRACE, duration);
        let request_timeout = reader.read(request_timeout, positive_duration);
        let body_limit = reader.read(&BODY_LIMIT, count);
        let body_timeout = reader.read(&BODY_TIMEOUT, positive_duration);
        let header_timeout = reader.read(&HEADER_TIMEOUT, positive_duration);
        let max_connections = reader.read(&MAX_CONNECTIONS, count);
        let cors_origins = reader.read(&CORS_ORIGINS, str::parse);
        let trace_export = TraceExport::read(reader);
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
            trace_export: trace_export?,
        })
    }
}

/// All errors of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFaults(pub Vec<String>);

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0.len() == 1 { "error" } else { "errors" };
        write!(f, "{} {noun} in the configuration", self.0.len())?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl std::error::Error for ConfigFaults {}

/// Reads variables by a look-up function (the environment, or the map of a test), and collects the errors.
pub struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    errors: Vec<String>,
}

impl<'a> Reader<'a> {
    #[must_use]
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, errors: Vec::new() }
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
            self.parse_value(variable, text, parse)
        } else {
            self.missing(variable)
        }
    }

    pub(crate) fn missing<T>(&mut self, variable: &Variable) -> Option<T> {
        self.errors.push(format!("{} is required: {}", variable.name, variable.meaning));
        None
    }

    /// Reads a variable that also has an older name. Both may be set if they have the same value.
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
        let value = self.parse_value(alias, &aliased, &parse);
        let Some(given) = given else { return value };
        let (own, value) = (self.parse_value(variable, &given, &parse)?, value?);
        if own != value {
            return self.contradiction((alias, &aliased), (variable, &given));
        }
        Some(own)
    }

    /// Reads the address to listen on: the variable, or its default with the port from [`PORT`].
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
        self.errors.push(format!("{one} and {other} differ; set one of them"));
        None
    }

    /// Reads a variable that needs a value, its own or the default.
    pub fn read<T, E: fmt::Display>(
        &mut self,
        variable: &Variable,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let given = self.given(variable);
        self.given_or_default(variable, given.as_deref(), parse)
    }

    /// Reads a variable that may be absent. Returns `Some(None)` for an absent one, and `None` only for an error.
    #[allow(clippy::option_option, reason = "an error, an absence and a value are three things")]
    pub fn read_optional<T, E: fmt::Display>(
        &mut self,
        variable: &Variable,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        match self.text(variable) {
            Some(text) => self.parse_value(variable, &text, parse).map(Some),
            None => Some(None),
        }
    }

    fn parse_value<T, E: fmt::Display>(
        &mut self,
        variable: &Variable,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        parse(text).map_err(|error| self.errors.push(format!("{}={text}: {error}", variable.name))).ok()
    }

    /// Returns the configuration, or all its errors.
    ///
    /// # Errors
    /// Returns every error that a `read` found.
    pub fn finish<T>(self, config: Option<T>) -> Result<T, ConfigFaults> {
        match config {
            Some(config) if self.errors.is_empty() => Ok(config),
            _ => Err(ConfigFaults(self.errors)),
        }
    }
}

/// Parses a duration such as `500ms`, `20s` or `2m`.
///
/// # Errors
/// Returns a message that shows the format.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error} (a duration looks like 500ms, 20s or 2m)"))
}

/// Parses a duration that must be longer than 0.
///
/// # Errors
/// Returns a message that shows the format, or refuses 0.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than 0s".to_owned()),
        duration => Ok(duration),
    }
}

/// Parses a whole number from 1.
fn count(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|count| *count > 0).ok_or("must be a whole number from 1")
}

/// Parses an address and a port, such as `127.0.0.1:3001`.
///
/// # Errors
/// Returns a message that shows the format.
pub fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an address and a port such as 127.0.0.1:3001".to_owned())
}

/// Reads a secret that a header will carry.
///
/// # Errors
/// Returns the reason for a secret that is too short, or that no header can hold.
pub fn secret(text: &str) -> Result<String, &'static str> {
    let fits = (16..=1024).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(text.to_owned()) } else { Err("must be 16 to 1024 visible ASCII characters") }
}

/// Parses an absolute `http` or `https` URL, and removes its closing slash.
///
/// # Errors
/// Returns a message that shows the format.
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
    fn traces_are_off_without_an_endpoint_and_their_variables_are_checked() {
        let read = |variables: &[(&str, &str)]| {
            let lookup = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            let mut reader = Reader::new(&lookup);
            let export = TraceExport::read(&mut reader);
            reader.finish(export).map_err(|ConfigFaults(errors)| errors.join("; "))
        };
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");
        assert_eq!(read(&[]), Ok(None));
        let export = TraceExport { endpoint: "http://collector:4318".to_owned() };
        assert_eq!(read(&[endpoint]), Ok(Some(export.clone())));
        let ratio = ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio");
        assert_eq!(read(&[endpoint, ratio, ("OTEL_TRACES_SAMPLER_ARG", "0.01")]), Ok(Some(export)));
        let missing = read(&[endpoint, ratio]).unwrap_err();
        assert!(missing.starts_with("OTEL_TRACES_SAMPLER_ARG is required"), "{missing}");
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert!(error.starts_with(&format!("{name}={value}: must be")), "{error}");
        }
    }

    #[test]
    fn an_empty_variable_counts_as_absent() {
        let lookup = |_: &str| Some("  ".to_owned());
        let mut reader = Reader::new(&lookup);
        assert_eq!(reader.read(&SIZE, str::parse::<u16>), Some(80));
        assert_eq!(reader.read_optional(&KEY, str::parse::<u16>), Some(None));
        assert_eq!(reader.finish(Some(())), Ok(()));
    }

    #[test]
    fn all_errors_are_reported_together() {
        let lookup = |name: &str| (name == "SIZE").then(|| "eighty".to_owned());
        let mut reader = Reader::new(&lookup);
        assert_eq!(reader.read(&SIZE, str::parse::<u16>), None);
        assert_eq!(reader.read(&KEY, |text| Ok::<_, String>(text.to_owned())), None);
        let errors = reader.finish(None::<()>).unwrap_err();
        assert_eq!(
            errors.to_string(),
            "2 errors in the configuration\n  SIZE=eighty: invalid digit found in string\n  KEY is required: The key."
        );
    }

    fn common_with(name: &'static str, value: &'static str) -> Result<Common, ConfigFaults> {
        let lookup = move |asked: &str| (asked == name).then(|| value.to_owned());
        let mut reader = Reader::new(&lookup);
        let common = Common::read(&mut reader);
        reader.finish(common)
    }

    #[test]
    fn limits_of_zero_and_invalid_values_are_rejected() {
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
            let ConfigFaults(errors) = common_with(name, value).unwrap_err();
            assert_eq!(errors.len(), 1);
            assert!(errors[0].starts_with(&format!("{name}={value}: ")), "{errors:?}");
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
        reader.finish(value).map_err(|ConfigFaults(errors)| errors.join("; "))
    }

    #[test]
    fn a_variable_may_have_its_older_name_but_not_two_values() {
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
    fn the_port_completes_an_address_that_is_not_set() {
        let listen =
            Variable { name: "LISTEN_ADDR", default: Some("127.0.0.1:3001"), meaning: "The address." };
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
    fn an_invalid_log_filter_is_rejected() {
        let read = |filter: &'static str| {
            let lookup = move |name: &str| (name == "RUST_LOG").then(|| filter.to_owned());
            let mut reader = Reader::new(&lookup);
            let common = Common::read(&mut reader);
            reader.finish(common).map(|common| common.log_filter)
        };
        assert_eq!(read("info,temporal_worker=debug"), Ok("info,temporal_worker=debug".to_owned()));
        for bad in ["info,temporal_worker=loud", "temporal_worker=debug=trace", "[{]=info"] {
            let ConfigFaults(errors) = read(bad).unwrap_err();
            assert!(errors[0].starts_with(&format!("RUST_LOG={bad}: ")), "{errors:?}");
        }
    }

    #[test]
    fn a_base_url_is_absolute_and_loses_its_closing_slash() {
        assert_eq!(base_url("http://localhost:3001/"), Ok("http://localhost:3001".to_owned()));
        assert!(base_url("localhost:3001").is_err());
        assert!(base_url("/payment").is_err());
    }
}
