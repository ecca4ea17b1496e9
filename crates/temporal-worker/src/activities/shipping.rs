//! Shipping activities. A label takes long. Its activity heartbeats the progress and can be cancelled, and an
//! attempt after a crash joins the work in progress.

use std::{sync::Arc, time::Duration};

use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio::time::{MissedTickBehavior, interval};
use workflows::{
    activities::{
        CallContext, UndoInput, UndoOutput,
        shipping::{CancelShippingLabel, CreateLabel, CreateReturnLabel, CreateShippingLabel, Label},
    },
    ids::Call,
};

use super::{ActivityDeps, AttemptError, undo_output};
use crate::{failure::CallError, provider::Provider};

/// The pause between two heartbeats. The answer to a heartbeat brings the cancellation.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Clone)]
pub struct Shipping(pub ActivityDeps);

#[activities]
impl Shipping {
    #[activity(definition = CreateShippingLabel)]
    async fn create_label(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: CreateLabel,
    ) -> Result<Label, ActivityError> {
        self.create(&ctx, Call::CreateShippingLabel, &input).await
    }

    #[activity(definition = CreateReturnLabel)]
    async fn create_return_label(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: CreateLabel,
    ) -> Result<Label, ActivityError> {
        self.create(&ctx, Call::CreateReturnLabel, &input).await
    }

    #[activity(definition = CancelShippingLabel)]
    async fn cancel_label(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: UndoInput,
    ) -> Result<UndoOutput, ActivityError> {
        let attempt = async { Ok(undo_output(&ctx, self.0.provider().cancel_label(&input).await?)) };
        self.0.run_attempt(&ctx, &input.call, attempt).await
    }
}

impl Shipping {
    async fn create(
        &self,
        ctx: &ActivityContext,
        call: Call,
        input: &CreateLabel,
    ) -> Result<Label, ActivityError> {
        let provider = self.0.provider();
        let attempt = async {
            let progress = ctx.heartbeat_details().deserialize::<u8>().ok().flatten().unwrap_or(0);
            tokio::select! {
                made = create_or_join(provider, call, input) => Ok(made?),
                ended = heartbeat_progress(provider, ctx, &input.call, progress) => Err(ended),
                () = ctx.cancelled() => Err(AttemptError::Cancelled),
            }
        };
        self.0.run_attempt(ctx, &input.call, attempt).await
    }
}

/// Requests the label. While an earlier attempt's call is in flight, it waits for that call; the same key
/// gets the same label.
#[expect(clippy::disallowed_methods, reason = "waits between two attempts while the key is in use")]
async fn create_or_join(provider: &Provider, call: Call, input: &CreateLabel) -> Result<Label, CallError> {
    loop {
        match provider.create_label(call, input).await {
            Err(error) if error.code == "idempotency_key_in_use" => {
                tokio::time::sleep(error.retry_after.unwrap_or(POLL_INTERVAL).min(POLL_INTERVAL)).await;
            }
            answer => return answer,
        }
    }
}

/// Heartbeats the progress of the label. The progress never decreases, also when the provider doesn't answer.
#[expect(clippy::disallowed_methods, reason = "heartbeats while a label is made")]
async fn heartbeat_progress(
    provider: &Provider,
    ctx: &ActivityContext,
    call: &CallContext,
    mut progress: u8,
) -> AttemptError {
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Ok(label) = provider.label_progress(call).await {
            progress = progress.max(label.progress.min(100));
        }
        if let Err(error) = ctx.record_heartbeat(progress).await {
            tracing::warn!(%error, "label heartbeat failed");
        }
    }
}
