//! Registers the search attributes of our workflows, once, and checks that they are usable. An unknown
//! attribute would fail a workflow's task for ever, so this check comes before any start.

use std::{collections::HashMap, time::Duration};

use temporalio_client::{
    Client, NamespacedClient,
    tonic::{Code, IntoRequest, Status},
};
use temporalio_common::protos::temporal::api::{
    operatorservice::v1::{AddSearchAttributesRequest, ListSearchAttributesRequest},
    workflowservice::v1::CountWorkflowExecutionsRequest,
};
use workflows::search_attributes;

/// Limits the wait for a new attribute. A namespace may know it only after a renewal of its cache.
const PROBES: u32 = 120;
const BETWEEN_PROBES: Duration = Duration::from_millis(500);

/// Reports whether orders may write search attributes, and be found by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchAttributes {
    Usable,
    /// We may not register them. Orders work without them, but no list can find the orders by them.
    Unusable,
}

/// Lists the attributes, adds the missing ones, and waits until a query by them works.
///
/// # Errors
/// Fails if the server can't be asked. A later attempt can succeed.
#[expect(clippy::disallowed_methods, reason = "waits between two probes")]
pub async fn ensure(client: &Client) -> Result<SearchAttributes, Status> {
    let missing = match missing(client).await {
        Ok(missing) => missing,
        Err(status) if is_refusal(&status) => return Ok(unusable(&status)),
        Err(status) => return Err(status),
    };
    if !missing.is_empty() {
        let mut names: Vec<_> = missing.keys().cloned().collect();
        names.sort_unstable();
        let request =
            AddSearchAttributesRequest { search_attributes: missing, namespace: client.namespace() };
        match client.connection().operator_service().add_search_attributes(request.into_request()).await {
            Ok(_) => tracing::info!(?names, "registered search attributes"),
            Err(status) if status.code() == Code::AlreadyExists => {}
            Err(status) if is_refusal(&status) => return Ok(unusable(&status)),
            Err(status) => return Err(status),
        }
    }
    for _ in 0..PROBES {
        match probe(client).await {
            Ok(()) => return Ok(SearchAttributes::Usable),
            Err(status) if status.code() == Code::InvalidArgument => {}
            Err(status) => return Err(status),
        }
        tokio::time::sleep(BETWEEN_PROBES).await;
    }
    Err(Status::deadline_exceeded("the namespace still doesn't know the search attributes"))
}

/// Calls `ensure`, with retries and without a timeout.
#[expect(clippy::disallowed_methods, reason = "waits between two attempts")]
pub async fn ensure_with_retry(client: &Client) -> SearchAttributes {
    loop {
        match ensure(client).await {
            Ok(decided) => return decided,
            Err(status) => {
                tracing::warn!(code = ?status.code(), message = status.message(), "search attributes could not be checked, trying again");
            }
        }
        tokio::time::sleep(BETWEEN_PROBES).await;
    }
}

async fn missing(client: &Client) -> Result<HashMap<String, i32>, Status> {
    let request = ListSearchAttributesRequest { namespace: client.namespace() };
    let known = client.connection().operator_service().list_search_attributes(request.into_request()).await?;
    let known = known.into_inner().custom_attributes;
    Ok(search_attributes::all()
        .into_iter()
        .filter(|(name, _)| !known.contains_key(*name))
        .map(|(name, kind)| (name.to_owned(), kind as i32))
        .collect())
}

/// Returns a query that names every attribute. The namespace refuses it until it knows them all.
async fn probe(client: &Client) -> Result<(), Status> {
    let query: Vec<String> =
        search_attributes::all().iter().map(|(name, _)| format!("{name} IS NOT NULL")).collect();
    let request =
        CountWorkflowExecutionsRequest { namespace: client.namespace(), query: query.join(" AND ") };
    client.connection().workflow_service().count_workflow_executions(request.into_request()).await.map(|_| ())
}

/// Reports whether an answer will not change with time.
fn is_refusal(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::PermissionDenied | Code::Unauthenticated | Code::Unimplemented | Code::InvalidArgument
    )
}

fn unusable(status: &Status) -> SearchAttributes {
    tracing::error!(
        code = ?status.code(),
        message = status.message(),
        "search attributes may not be registered: orders work, but lists can't filter by them"
    );
    SearchAttributes::Unusable
}
