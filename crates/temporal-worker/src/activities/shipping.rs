//! Shipping activities. Making a label takes long, so it reports its progress, can be interrupted,
//! and an attempt after a crash joins the work that is still going on.

use std::{sync::Arc, time::Duration};

use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio::time::{MissedTickBehavior, interval};
use workflows::activities::{
    CallContext, Undo, Undone,
    shipping::{CancelShippingLabel, CreateLabel, CreateShippingLabel, Label},
};

use super::{Ended, Shared, undone};
use crate::{failure::CallError, provider::Provider};

/// Between two looks at the label's progress; each is a heartbeat, and with it a chance to learn of a
/// cancellation.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Clone)]
pub struct Shipping(pub Shared);

#[activities]
impl Shipping {
    #[activity(definition = CreateShippingLabel)]
    async fn create_label(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: CreateLabel,
    ) -> Result<Label, ActivityError> {
        let provider = self.0.provider();
        let attempt = async {
            let progress = ctx.heartbeat_details().deserialize::<u8>().ok().flatten().unwrap_or(0);
            tokio::select! {
                made = make(provider, &input) => Ok(made?),
                ended = report(provider, &ctx, &input.call, progress) => Err(ended),
                () = ctx.cancelled() => Err(Ended::Cancelled),
            }
        };
        self.0.observe(&ctx, &input.call, attempt).await
    }

    #[activity(definition = CancelShippingLabel)]
    async fn cancel_label(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: Undo,
    ) -> Result<Undone, ActivityError> {
        let attempt = async { Ok(undone(&ctx, self.0.provider().cancel_label(&input).await?)) };
        self.0.observe(&ctx, &input.call, attempt).await
    }
}

/// Asks for the label. While an earlier attempt's call is still being worked on, it waits for that
/// one: the same key then gets the same label.
#[expect(clippy::disallowed_methods, reason = "waits between two attempts while the key is in use")]
async fn make(provider: &Provider, input: &CreateLabel) -> Result<Label, CallError> {
    loop {
        match provider.create_label(input).await {
            Err(error) if error.code == "idempotency_key_in_use" => {
                tokio::time::sleep(error.retry_after.unwrap_or(LOOK).min(LOOK)).await;
            }
            answer => return answer,
        }
    }
}

/// Heartbeats the progress for as long as the label is made; it never goes back. A look that fails
/// is no news of the label, only that nobody knows its progress right now.
#[expect(clippy::disallowed_methods, reason = "heartbeats while a label is made")]
async fn report(provider: &Provider, ctx: &ActivityContext, call: &CallContext, mut progress: u8) -> Ended {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        if let Ok(label) = provider.label_progress(call).await {
            progress = progress.max(label.progress.min(100));
        }
        if let Err(error) = ctx.record_heartbeat(progress).await {
            tracing::warn!(%error, "the progress could not be reported");
        }
    }
}
