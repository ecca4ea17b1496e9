#![doc = include_str!("../README.md")]

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
/// Fails if the server can't be reached or refuses the credentials.
pub async fn connect(settings: &Settings) -> Result<Client, ClientConnectError> {
    let connection = Connection::connect(settings.connection.clone()).await?;
    Ok(Client::new(connection, settings.client.clone())?)
}

/// Connects, with retries and without a timeout. It logs each failure.
#[expect(clippy::disallowed_methods, reason = "waits between two attempts to connect")]
pub async fn connect_with_retry(settings: &Settings) -> Client {
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

/// Asks the server for our namespace. It is the cheapest call that proves that both exist.
///
/// # Errors
/// Fails with the reason if Temporal is not usable.
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
