//! Implements the notification activities.

use std::sync::Arc;

use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use workflows::activities::notification::{Notified, Notify, SendNotification};

use super::ActivityDeps;

#[derive(Clone)]
pub struct Notification(pub ActivityDeps);

#[activities]
impl Notification {
    #[activity(definition = SendNotification)]
    async fn send(self: Arc<Self>, ctx: ActivityContext, input: Notify) -> Result<Notified, ActivityError> {
        let attempt = async { Ok(self.0.provider().notify(&input).await?) };
        self.0.run_attempt(&ctx, &input.call, attempt).await
    }
}
