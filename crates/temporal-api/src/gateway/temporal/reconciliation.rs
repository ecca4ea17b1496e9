//! Implements reconciliations over a real Temporal server: their schedule and their runs.

use std::{sync::atomic::Ordering, time::Duration};

use async_trait::async_trait;
use service_kit::correlation::CorrelationId;
use temporalio_client::{
    RpcOptions, WorkflowIdReusePolicy, WorkflowSignalOptions,
    schedules::{
        CreateScheduleOptions, PauseScheduleOptions, ScheduleAction, ScheduleError, ScheduleHandle,
        ScheduleOverlapPolicy, ScheduleSpec, UnpauseScheduleOptions,
    },
    tonic::Code,
};
use workflows::{
    ids,
    reconciliation::{ReconciliationWorkflow, messages::ReconciliationInput, report::Report},
    saga::Reason,
};

use super::{TemporalGateway, signalled, within};
use crate::{
    gateway::{
        Awaited, Begun, FlowGateway, GatewayError, ListedWorkflow, Observed, ReconciliationFlow,
        ReconciliationGateway, ReconciliationSchedule, WorkflowId, visibility,
    },
    idempotency::Claim,
};

/// A run that was due while Temporal was down starts up to this time later. Older ones would only repeat the last.
const CATCH_UP_WINDOW: Duration = Duration::from_hours(1);
const LAST_RUNS: i32 = 10;
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);

impl TemporalGateway {
    /// Creates the schedule, or adapts it to the configuration, with retries and without a timeout. A pause stays.
    #[expect(clippy::disallowed_methods, reason = "waits between two attempts")]
    pub async fn keep_reconciliation_schedule(&self, every: Duration, input: ReconciliationInput) {
        loop {
            match self.ensure_schedule(every, input.clone()).await {
                Ok(()) => {
                    self.is_scheduled.store(true, Ordering::Release);
                    tracing::info!(?every, repair = input.repair, "reconciliation is scheduled");
                    return;
                }
                Err(error) => tracing::warn!(%error, "reconciliation could not be scheduled, trying again"),
            }
            tokio::time::sleep(BETWEEN_ATTEMPTS).await;
        }
    }

    async fn ensure_schedule(&self, every: Duration, input: ReconciliationInput) -> Result<(), GatewayError> {
        let id = ids::reconciliation_id(&self.task_queue);
        let spec = ScheduleSpec::from_interval(every);
        let action = ScheduleAction::start_workflow(
            ReconciliationWorkflow::run,
            input,
            self.task_queue.clone(),
            id.clone(),
        );
        let options = CreateScheduleOptions::builder()
            .action(action.clone())
            .spec(spec.clone())
            .overlap_policy(ScheduleOverlapPolicy::Skip)
            .build();
        match within(self.link()?.client.create_schedule(id, options)).await? {
            Ok(_) => {}
            Err(ScheduleError::Rpc(status)) if status.code() == Code::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
        // Creation has no catch-up window.
        let handle = self.schedule_handle()?;
        let update = handle.update(
            move |schedule| {
                schedule
                    .set_spec(spec)
                    .set_action(action)
                    .set_overlap_policy(ScheduleOverlapPolicy::Skip)
                    .set_catchup_window(CATCH_UP_WINDOW);
            },
            RpcOptions::default(),
        );
        within(update).await?.map_err(failed)
    }

    /// Returns the schedule for callers. They wait for this process, whose adaptation would undo their pause: the
    /// server's update replaces the whole schedule.
    fn adapted_schedule(&self) -> Result<ScheduleHandle<temporalio_client::Client>, GatewayError> {
        let schedule = self.schedule_handle()?;
        self.is_scheduled.load(Ordering::Acquire).then_some(schedule).ok_or(GatewayError::NotFound)
    }

    fn schedule_handle(&self) -> Result<ScheduleHandle<temporalio_client::Client>, GatewayError> {
        Ok(self.link()?.client.get_schedule_handle(ids::reconciliation_id(&self.task_queue)))
    }
}

#[async_trait]
impl FlowGateway<ReconciliationFlow> for TemporalGateway {
    async fn start(
        &self,
        id: &WorkflowId,
        input: ReconciliationInput,
        claim: &Claim,
        correlation: &CorrelationId,
    ) -> Result<Begun, GatewayError> {
        let mut options = self.options(id, claim, correlation, "reconciliation", |_| ());
        options.search_attributes = self.key_attribute(claim)?;
        let reuse = WorkflowIdReusePolicy::AllowDuplicate;
        self.begin_with(id, claim, reuse, (|| ReconciliationWorkflow::run, input), options).await
    }

    async fn state(&self, id: &WorkflowId) -> Result<Observed<Report>, GatewayError> {
        self.observe::<ReconciliationWorkflow, _>(id, || ReconciliationWorkflow::report).await
    }

    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited<Report>, GatewayError> {
        self.outcome::<ReconciliationWorkflow, _>(id, at_most, || ReconciliationWorkflow::report).await
    }

    async fn cancel(&self, id: &WorkflowId, reason: Reason) -> Result<(), GatewayError> {
        let handle = self.handle::<ReconciliationWorkflow>(id)?;
        let options = WorkflowSignalOptions::default();
        signalled(handle.signal(ReconciliationWorkflow::cancel, reason.into(), options)).await
    }
}

#[async_trait]
impl ReconciliationGateway for TemporalGateway {
    async fn schedule(&self) -> Result<ReconciliationSchedule, GatewayError> {
        let description =
            within(self.adapted_schedule()?.describe(RpcOptions::default())).await?.map_err(failed)?;
        let spec = description.raw().schedule.as_ref().and_then(|schedule| schedule.spec.as_ref());
        let interval = spec.and_then(|spec| spec.interval.first()?.interval.as_ref());
        Ok(ReconciliationSchedule {
            paused: description.paused(),
            note: description.note().filter(|note| !note.is_empty()).map(str::to_owned),
            every: interval.and_then(|every| duration(every.seconds, every.nanos)),
            next_runs: description.future_action_times(),
            skipped: description.overlap_skipped(),
            missed: description.missed_catchup_window(),
        })
    }

    async fn set_paused(&self, paused: bool, note: Option<String>) -> Result<(), GatewayError> {
        let handle = self.adapted_schedule()?;
        let note = note.unwrap_or_else(|| (if paused { "paused" } else { "resumed" }).to_owned());
        let sent = async {
            if paused {
                handle.pause(Some(note), PauseScheduleOptions::default()).await
            } else {
                handle.unpause(Some(note), UnpauseScheduleOptions::default()).await
            }
        };
        within(sent).await?.map_err(failed)
    }

    async fn last_runs(&self) -> Result<Vec<ListedWorkflow>, GatewayError> {
        let query = visibility::reconciliation_query(&self.task_queue);
        let found = self.list_executions(query, LAST_RUNS, Vec::new()).await?;
        Ok(found.executions.iter().filter_map(visibility::workflow).collect())
    }
}

fn duration(seconds: i64, nanos: i32) -> Option<Duration> {
    Some(Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?))
}

fn failed(error: ScheduleError) -> GatewayError {
    match error {
        ScheduleError::Rpc(status) => status.into(),
        error => GatewayError::Failed(Box::new(error)),
    }
}
