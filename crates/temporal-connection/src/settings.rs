//! Reads Temporal's address and our credentials from the SDK's own environment configuration. So every
//! Temporal tool on the machine reads the same variables.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use service_kit::{
    config::{Common, Reader, Variable},
    traces,
};
use temporalio_client::{
    ClientInterceptor, ClientOptions, ConnectionOptions, Next, StartWorkflowInput, StartWorkflowOutput,
    envconfig::LoadClientConfigProfileOptions, errors::WorkflowStartError,
};
use temporalio_common::envconfig::load_client_config_profile;
use temporalio_sdk::opentelemetry::OpenTelemetryPlugin;

const fn variable(name: &'static str, default: Option<&'static str>, meaning: &'static str) -> Variable {
    Variable { name, default, meaning }
}

const ADDRESS: Variable =
    variable("TEMPORAL_ADDRESS", Some("localhost:7233"), "Host and port of the Temporal server.");
const NAMESPACE: Variable = variable("TEMPORAL_NAMESPACE", Some("default"), "The Temporal namespace.");

/// Lists the variables of the SDK that our services pass on to it.
pub const VARIABLES: &[Variable] = &[
    ADDRESS,
    NAMESPACE,
    variable("TEMPORAL_API_KEY", None, "API key, for Temporal Cloud; turns TLS on."),
    variable("TEMPORAL_TLS", None, "`true` turns TLS on."),
    variable("TEMPORAL_TLS_CLIENT_CERT_PATH", None, "Client certificate for mutual TLS (PEM)."),
    variable("TEMPORAL_TLS_CLIENT_KEY_PATH", None, "Key of the client certificate (PEM)."),
    variable("TEMPORAL_TLS_SERVER_CA_CERT_PATH", None, "Certificate authority of the server (PEM)."),
    variable("TEMPORAL_TLS_SERVER_NAME", None, "The name the server's certificate must carry."),
    variable("TEMPORAL_PROFILE", None, "Profile of the SDK's configuration file."),
    variable("TEMPORAL_CONFIG_FILE", None, "The SDK's configuration file, instead of its usual place."),
];

/// Holds the options of the connection.
#[derive(Clone)]
pub struct Settings {
    pub connection: ConnectionOptions,
    pub client: ClientOptions,
}

impl fmt::Debug for Settings {
    /// Omits the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("target", &self.connection.target.as_str()).finish_non_exhaustive()
    }
}

impl Settings {
    /// Passes the current trace on to workflows and activities, if traces are exported.
    #[must_use]
    pub fn with_traces(mut self, common: &Common) -> Self {
        if common.trace_export.is_some() {
            let plugin = OpenTelemetryPlugin::builder().build();
            self.client = ClientOptions::new(self.client.namespace)
                .plugin(plugin)
                .client_interceptors(vec![Arc::new(TraceHeader)])
                .build();
        }
        self
    }

    /// Returns the name of the namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.client.namespace
    }

    /// Reads the SDK's variables. Temporal shows the identity as the author of an action.
    pub fn read(reader: &mut Reader<'_>, identity: &str) -> Option<Self> {
        let mut environment = HashMap::new();
        for variable in VARIABLES {
            let value = reader.read_optional(variable, |text| Ok::<_, String>(text.to_owned()))?;
            environment.extend(value.map(|value| (variable.name.to_owned(), value)));
        }
        let identity = format!("{identity}@{}", std::process::id());
        let profile =
            load_client_config_profile(LoadClientConfigProfileOptions::default(), Some(&environment))
                .map_err(|error| error.to_string());
        reader.read(&ADDRESS, |address| {
            check(address)?;
            let profile = profile?;
            let namespace = profile.namespace.clone().unwrap_or_else(|| "default".to_owned());
            let mut connection = ConnectionOptions::try_from(profile).map_err(|error| error.to_string())?;
            connection.identity = identity;
            connection.connect_timeout = Some(Duration::from_secs(3));
            Ok::<_, String>(Self { connection, client: ClientOptions::new(namespace).build() })
        })
    }
}

/// Sends the current trace to Temporal's server with the start of a workflow, so the server's spans belong to it.
struct TraceHeader;

impl ClientInterceptor for TraceHeader {
    fn start_workflow<'a>(
        &'a self,
        mut input: StartWorkflowInput,
        next: Next<'a, StartWorkflowInput, BoxFuture<'a, Result<StartWorkflowOutput, WorkflowStartError>>>,
    ) -> BoxFuture<'a, Result<StartWorkflowOutput, WorkflowStartError>> {
        if let Some(header) = traces::current_header() {
            // The header is always ASCII.
            let _ = input.rpc_options.metadata.insert("traceparent", header);
        }
        next.run(input)
    }
}

/// Checks an address. The SDK accepts nearly any text as an address, and then fails to connect for
/// ever.
fn check(address: &str) -> Result<(), String> {
    let (_, rest) = address.split_once("://").unwrap_or(("", address));
    let port = rest
        .trim_end_matches('/')
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty() && !host.contains(['/', '@', ' ']));
    match port.and_then(|(_, port)| port.parse::<u16>().ok()) {
        Some(1..) => Ok(()),
        _ => Err("must be a host and a port such as localhost:7233".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let lookup = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let mut reader = Reader::new(&lookup);
        let settings = Settings::read(&mut reader, "test");
        reader.finish(settings).map_err(|faults| faults.to_string())
    }

    #[test]
    fn without_any_variable_it_is_the_local_server() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.connection.target.as_str(), "http://localhost:7233/");
        assert_eq!(settings.client.namespace, "default");
    }

    #[test]
    fn address_namespace_and_key_are_the_sdks_own_variables() {
        let settings = read(&[
            ("TEMPORAL_ADDRESS", "eu.example.org:7233"),
            ("TEMPORAL_NAMESPACE", "orders"),
            ("TEMPORAL_API_KEY", "secret"),
        ])
        .unwrap();
        assert_eq!(settings.connection.target.as_str(), "https://eu.example.org:7233/");
        assert_eq!(settings.client.namespace, "orders");
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn an_address_that_is_none_is_a_fault() {
        for address in ["http://[oops", "localhost", "localhost:port", "localhost:0", ":7233", "http//x:1"] {
            let fault = read(&[("TEMPORAL_ADDRESS", address)]).unwrap_err();
            assert!(fault.contains(&format!("TEMPORAL_ADDRESS={address}: must be a host")), "{fault}");
        }
        for address in ["temporal:7233", "127.0.0.1:7233", "[::1]:7233", "http://temporal:7233/"] {
            assert!(read(&[("TEMPORAL_ADDRESS", address)]).is_ok(), "{address}");
        }
    }
}
