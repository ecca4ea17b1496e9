//! Reads histories without the inputs and results of their events.

use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use temporalio_client::{NamespacedClient, tonic::IntoRequest};
use temporalio_common::protos::temporal::api::{
    common::v1::WorkflowExecution,
    failure::v1::{Failure, failure::FailureInfo},
    history::v1::{HistoryEvent as Event, history_event::Attributes},
    workflowservice::v1::GetWorkflowExecutionHistoryRequest,
};

use super::{TemporalGateway, is_bad_token, within};
use crate::gateway::{
    GatewayError, HistoryEvent, HistoryGateway, HistoryPage, Kind, WorkflowId, WorkflowPage, visibility,
};

#[async_trait]
impl HistoryGateway for TemporalGateway {
    async fn history(&self, id: &WorkflowId, limit: u16, page: Vec<u8>) -> Result<HistoryPage, GatewayError> {
        let link = self.link()?;
        let first_page = page.is_empty();
        let request = GetWorkflowExecutionHistoryRequest {
            namespace: link.client.namespace(),
            execution: Some(WorkflowExecution { workflow_id: id.as_str().to_owned(), ..Default::default() }),
            maximum_page_size: i32::from(limit),
            next_page_token: page,
            ..Default::default()
        };
        let mut service = link.client.connection().workflow_service();
        match within(service.get_workflow_execution_history(request.into_request())).await? {
            Ok(response) => {
                let response = response.into_inner();
                let events = response.history.unwrap_or_default().events;
                Ok(HistoryPage { events: events.iter().map(event).collect(), next: response.next_page_token })
            }
            Err(status) if !first_page && is_bad_token(&status) => Err(GatewayError::BadPageToken),
            Err(status) => Err(status.into()),
        }
    }

    async fn list(&self, kind: Kind, limit: u8, page: Vec<u8>) -> Result<WorkflowPage, GatewayError> {
        let response = self.list_executions(visibility::kind_query(kind), i32::from(limit), page).await?;
        let workflows = response.executions.iter().filter_map(visibility::workflow).collect();
        Ok(WorkflowPage { workflows, next: response.next_page_token })
    }
}

fn event(event: &Event) -> HistoryEvent {
    let (name, failure) = event.attributes.as_ref().map_or((None, None), about);
    HistoryEvent {
        id: event.event_id,
        kind: camel_case(event.event_type().as_str_name()),
        at: event.event_time.as_ref().and_then(|at| {
            let since = Duration::new(u64::try_from(at.seconds).ok()?, u32::try_from(at.nanos).ok()?);
            UNIX_EPOCH.checked_add(since)
        }),
        name,
        failure,
    }
}

/// Returns the subject of an event, and its failure.
fn about(attributes: &Attributes) -> (Option<String>, Option<String>) {
    match attributes {
        Attributes::WorkflowExecutionStartedEventAttributes(started) => {
            (started.workflow_type.as_ref().map(|kind| kind.name.clone()), None)
        }
        Attributes::ActivityTaskScheduledEventAttributes(scheduled) => {
            (scheduled.activity_type.as_ref().map(|kind| kind.name.clone()), None)
        }
        Attributes::WorkflowExecutionSignaledEventAttributes(signal) => {
            (Some(signal.signal_name.clone()), None)
        }
        Attributes::ActivityTaskFailedEventAttributes(failed) => (None, code(failed.failure.as_ref())),
        Attributes::ActivityTaskTimedOutEventAttributes(late) => (None, code(late.failure.as_ref())),
        Attributes::WorkflowExecutionFailedEventAttributes(failed) => (None, code(failed.failure.as_ref())),
        _ => (None, None),
    }
}

fn code(failure: Option<&Failure>) -> Option<String> {
    match failure?.failure_info.as_ref()? {
        FailureInfo::ApplicationFailureInfo(application) => Some(application.r#type.clone()),
        FailureInfo::TimeoutFailureInfo(_) => Some("timeout".to_owned()),
        _ => None,
    }
}

/// Converts the name of an event type: `EVENT_TYPE_TIMER_FIRED` becomes `TimerFired`.
fn camel_case(name: &str) -> String {
    let words = name.strip_prefix("EVENT_TYPE_").unwrap_or(name).split('_');
    let word = |word: &str| {
        let rest = word.chars().skip(1).map(|letter| letter.to_ascii_lowercase());
        word.chars().take(1).chain(rest).collect::<Vec<_>>()
    };
    words.flat_map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_named_as_temporal_documents_it() {
        assert_eq!(camel_case("EVENT_TYPE_ACTIVITY_TASK_SCHEDULED"), "ActivityTaskScheduled");
        assert_eq!(camel_case(""), "");
    }
}
