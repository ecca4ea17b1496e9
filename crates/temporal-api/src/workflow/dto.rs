//! Defines the bodies that are the same for every workflow.

use std::time::SystemTime;

use axum::{
    Json,
    http::{StatusCode, header::LOCATION},
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};
use service_kit::{correlation::CorrelationId, problem::Problem};
use utoipa::{IntoParams, ToSchema};

use super::problem;
use crate::{
    batch::BatchBody,
    fields,
    gateway::{Begun, GatewayError, HistoryEvent, HistoryPage, ListedWorkflow, WorkflowId, WorkflowPage},
    idempotency::Answered,
    order::{ProgressBody, RunBody, StateBody},
    order_return::ReturnBody,
    payment::PaymentBody,
    reconciliation::ReportBody,
    subscription::SubscriptionBody,
    user_context::{ContextProgressBody, UserContextBody},
};

/// Describes a workflow that was started.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Started)]
pub struct StartedBody {
    /// Confirms that the workflow was started. Its result gives the outcome.
    success: bool,
    #[schema(example = "payment-order-1001")]
    workflow_id: String,
    run_id: String,
    correlation_id: String,
    message: &'static str,
}

impl StartedBody {
    /// Answers 202 with the next links.
    ///
    /// # Errors
    /// Fails if the workflow runs and another key started it.
    pub fn answer(
        begun: Begun,
        correlation_id: &CorrelationId,
        message: &'static str,
    ) -> Result<impl IntoResponse + use<>, Problem> {
        let (started, correlation_id, replayed) = match begun {
            Begun::Started(started) => (started, correlation_id.to_string(), false),
            Begun::Replayed { started, correlation_id: first } => {
                (started, first.unwrap_or_else(|| correlation_id.to_string()), true)
            }
            Begun::Running { started, .. } => {
                let exists = GatewayError::AlreadyExists { run_id: Some(started.run_id) };
                return Err(problem(started.workflow_id.as_str(), exists));
            }
        };
        let id = percent_encoding::utf8_percent_encode(started.workflow_id.as_str(), IN_A_PATH);
        let location = format!("/api/v1/workflows/{id}/status");
        let workflow_id = started.workflow_id.as_str().to_owned();
        let body = Self { success: true, workflow_id, run_id: started.run_id, correlation_id, message };
        Ok(Answered { answer: (StatusCode::ACCEPTED, [(LOCATION, location)], Json(body)), replayed })
    }
}

/// Lists the characters that an id keeps unchanged in a path.
const IN_A_PATH: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Describes the state of any workflow.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = WorkflowState)]
pub enum WorkflowBody {
    Order(StateBody),
    Payment(PaymentBody),
    UserContext(UserContextBody),
    Subscription(Box<SubscriptionBody>),
    Reconciliation(Box<ReportBody>),
    Batch(Box<BatchBody>),
    Return(Box<ReturnBody>),
}

/// Describes the progress of a workflow.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = WorkflowProgress)]
pub enum WorkflowProgressBody {
    Order(ProgressBody),
    Payment(Box<PaymentBody>),
    UserContext(ContextProgressBody),
    Subscription(Box<SubscriptionBody>),
    Reconciliation(Box<ReportBody>),
    Batch(Box<BatchBody>),
    Return(Box<ReturnBody>),
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Limits the events on a page: 1 to 1000; 1000 if absent.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    pub limit: Option<String>,
    /// Is the `nextPageToken` of the previous page.
    pub page_token: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Is `orders`, `payments`, `user-contexts`, `subscriptions`, `reconciliations`, `batches` or `returns`.
    #[param(value_type = String, example = "payments")]
    pub kind: Option<String>,
    /// Limits the workflows on a page: 1 to 100; 20 if absent.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    pub limit: Option<String>,
    /// Is the `nextPageToken` of the previous page.
    pub page_token: Option<String>,
}

/// Holds one page of workflows.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Workflows)]
pub struct WorkflowsBody {
    success: bool,
    workflows: Vec<ListedBody>,
    /// Is the `pageToken` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

impl WorkflowsBody {
    pub fn new(page: WorkflowPage) -> Self {
        let workflows = page.workflows.into_iter().map(Into::into).collect();
        Self { success: true, workflows, next_page_token: fields::token(&page.next) }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ListedWorkflow)]
pub struct ListedBody {
    #[schema(example = "payment-order-1001")]
    workflow_id: String,
    #[serde(flatten)]
    run: RunBody,
    /// Is the status of the execution: `running`, `completed`, `terminated` or `timed_out`. A workflow that failed in
    /// its own way is `completed`; its state says how.
    #[schema(example = "running")]
    status: &'static str,
}

impl From<ListedWorkflow> for ListedBody {
    fn from(ListedWorkflow { workflow_id, run, status }: ListedWorkflow) -> Self {
        Self { workflow_id: workflow_id.as_str().to_owned(), run: run.into(), status }
    }
}

/// Lists the events of a workflow's last run, oldest first, without inputs and results.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = History)]
pub struct HistoryBody {
    success: bool,
    workflow_id: String,
    events: Vec<EventBody>,
    /// Is the `pageToken` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

impl HistoryBody {
    pub fn new(id: &WorkflowId, page: HistoryPage) -> Self {
        Self {
            success: true,
            workflow_id: id.as_str().to_owned(),
            next_page_token: fields::token(&page.next),
            events: page.events.into_iter().map(Into::into).collect(),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = HistoryEvent)]
pub struct EventBody {
    id: i64,
    #[schema(example = "ActivityTaskScheduled")]
    r#type: String,
    #[schema(format = "date-time")]
    timestamp: Option<String>,
    /// Names the activity, signal or workflow of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "processPaymentActivity")]
    name: Option<String>,
    /// Holds the code of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "insufficient_funds")]
    failure: Option<String>,
}

impl From<HistoryEvent> for EventBody {
    fn from(event: HistoryEvent) -> Self {
        let time = |at: SystemTime| workflows::time::rfc3339(Some(at));
        Self {
            id: event.id,
            r#type: event.kind,
            timestamp: event.at.map(time),
            name: event.name,
            failure: event.failure,
        }
    }
}
