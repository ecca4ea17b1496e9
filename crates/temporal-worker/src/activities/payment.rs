//! Implements the payment activities.

use std::sync::Arc;

use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use workflows::activities::{
    UndoInput, UndoOutput,
    payment::{
        Authorize, AuthorizePayment, Authorized, Capture, CapturePayment, Charge, ChargePayment, Charged,
        RefundPart, RefundPayment, RefundReturn, Refunded, ReleasePayment,
    },
};

use super::{ActivityDeps, undo_output};
use crate::provider::ChargeResponse;

#[derive(Clone)]
pub struct Payment(pub ActivityDeps);

#[activities]
impl Payment {
    #[activity(definition = AuthorizePayment)]
    async fn authorize(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: Authorize,
    ) -> Result<Authorized, ActivityError> {
        let attempt = async { Ok(self.0.provider().authorize(&input).await?) };
        self.0.run_attempt(&ctx, &input.call, attempt).await
    }

    #[activity(definition = CapturePayment)]
    async fn capture(self: Arc<Self>, ctx: ActivityContext, input: Capture) -> Result<(), ActivityError> {
        let attempt = async { Ok(self.0.provider().capture(&input).await?) };
        self.0.run_attempt(&ctx, &input.call, attempt).await
    }

    #[activity(definition = ChargePayment)]
    async fn charge(self: Arc<Self>, ctx: ActivityContext, input: Charge) -> Result<Charged, ActivityError> {
        let attempt = async {
            let ChargeResponse { id, auth_id, .. } = self.0.provider().charge(&input).await?;
            Ok(Charged { charge_id: id, auth_id, attempt: ctx.info().attempt })
        };
        self.0.run_attempt(&ctx, &input.call, attempt).await
    }

    #[activity(definition = ReleasePayment)]
    async fn release(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: UndoInput,
    ) -> Result<UndoOutput, ActivityError> {
        let attempt = async { Ok(undo_output(&ctx, self.0.provider().release_payment(&input).await?)) };
        self.0.run_attempt(&ctx, &input.call, attempt).await
    }

    #[activity(definition = RefundReturn)]
    async fn refund_return(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: RefundPart,
    ) -> Result<Refunded, ActivityError> {
        let attempt = async { Ok(self.0.provider().refund_part(&input).await?) };
        self.0.run_attempt(&ctx, &input.call, attempt).await
    }

    #[activity(definition = RefundPayment)]
    async fn refund(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: UndoInput,
    ) -> Result<UndoOutput, ActivityError> {
        let attempt = async { Ok(undo_output(&ctx, self.0.provider().refund(&input).await?)) };
        self.0.run_attempt(&ctx, &input.call, attempt).await
    }
}
