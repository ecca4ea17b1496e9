//! Implements the inventory activities.

use std::sync::Arc;

use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use workflows::activities::{
    UndoInput, UndoOutput,
    inventory::{ReleaseInventory, Reserve, ReserveInventory, Reserved, Restock, RestockInventory},
};

use super::{ActivityDeps, undo_output};

#[derive(Clone)]
pub struct Inventory(pub ActivityDeps);

#[activities]
impl Inventory {
    #[activity(definition = ReserveInventory)]
    async fn reserve(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: Reserve,
    ) -> Result<Reserved, ActivityError> {
        let attempt = async { Ok(self.0.provider().reserve(&input).await?) };
        self.0.run_attempt(&ctx, &input.call, attempt).await
    }

    #[activity(definition = RestockInventory)]
    async fn restock(self: Arc<Self>, ctx: ActivityContext, input: Restock) -> Result<(), ActivityError> {
        let attempt = async { Ok(self.0.provider().restock(&input).await?) };
        self.0.run_attempt(&ctx, &input.call, attempt).await
    }

    #[activity(definition = ReleaseInventory)]
    async fn release(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: UndoInput,
    ) -> Result<UndoOutput, ActivityError> {
        let attempt = async { Ok(undo_output(&ctx, self.0.provider().release_inventory(&input).await?)) };
        self.0.run_attempt(&ctx, &input.call, attempt).await
    }
}
