//! Inventory activities.

use std::sync::Arc;

use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use workflows::activities::{
    Undo, Undone,
    inventory::{ReleaseInventory, Reserve, ReserveInventory, Reserved},
};

use super::{Shared, undone};

#[derive(Clone)]
pub struct Inventory(pub Shared);

#[activities]
impl Inventory {
    #[activity(definition = ReserveInventory)]
    async fn reserve(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: Reserve,
    ) -> Result<Reserved, ActivityError> {
        let attempt = async { Ok(self.0.provider().reserve(&input).await?) };
        self.0.observe(&ctx, &input.call, attempt).await
    }

    #[activity(definition = ReleaseInventory)]
    async fn release(self: Arc<Self>, ctx: ActivityContext, input: Undo) -> Result<Undone, ActivityError> {
        let attempt = async { Ok(undone(&ctx, self.0.provider().release_inventory(&input).await?)) };
        self.0.observe(&ctx, &input.call, attempt).await
    }
}
