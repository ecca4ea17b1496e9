//! The way to Temporal that the API and the worker share: where it is, how to connect and stay
//! patient, and that the namespace knows the search attributes of our workflows.

pub mod search_attributes;
mod settings;

use std::time::Duration;

use temporalio_client::{
    Client, Connection, NamespacedClient, errors::ClientConnectError, tonic::IntoRequest,
};
use temporalio_common::protos::temporal::api::workflowservice::v1::DescribeNamespaceRequest;

pub use settings::{Settings, VARIABLES};

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Connects once.
///
/// # Errors
/// When the server can't be reached or refuses the credentials.
pub async fn connect(settings: &Settings) -> Result<Client, ClientConnectError> {
    let connection = Connection::connect(settings.connection.clone()).await?;
    Ok(Client::new(connection, settings.client.clone())?)
}

/// Connects, however long it takes; says so when it doesn't succeed at once.
#[expect(clippy::disallowed_methods, reason = "waits between two attempts to connect")]
pub async fn connect_patiently(settings: &Settings) -> Client {
    let mut wait = FIRST_WAIT;
    loop {
        match connect(settings).await {
            Ok(client) => {
                tracing::info!(address = %settings.connection.target, "connected to Temporal");
                return client;
            }
            Err(error) => {
                tracing::warn!(address = %settings.connection.target, %error, "Temporal cannot be reached, trying again");
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Asks the server for our namespace: the cheapest call that proves that both are there.
///
/// # Errors
/// Why Temporal can't be used.
pub async fn ping(client: &Client) -> Result<(), String> {
    let request = DescribeNamespaceRequest { namespace: client.namespace(), ..Default::default() };
    client
        .connection()
        .workflow_service()
        .describe_namespace(request.into_request())
        .await
        .map(|_| ())
        .map_err(|status| format!("{:?}: {}", status.code(), status.message()))
}
