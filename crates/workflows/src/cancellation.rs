//! Cancellation of a workflow, by its own signal or by Temporal. Both have the same effect.

use futures::{FutureExt, pin_mut};
use temporalio_workflow::{
    WaitConditionOptions, WorkflowCancellationToken, WorkflowContext, workflows::select,
};

/// A workflow that can be cancelled. Its state decides if a cancellation still counts.
pub(crate) trait Cancellable: 'static {
    fn is_cancelled(&self) -> bool;

    /// Cancels the workflow. Returns false if it is too late.
    fn cancel(&mut self, reason: Option<String>) -> bool;
}

/// Runs the steps. A cancellation that still counts cancels the scope, and so the running step.
pub(crate) async fn run_until_cancelled<W: Cancellable, T>(
    ctx: &WorkflowContext<W>,
    scope: &WorkflowCancellationToken,
    steps: impl Future<Output = T>,
) -> T {
    let steps = steps.fuse();
    let cancelled = wait_for_cancellation(ctx).fuse();
    pin_mut!(steps, cancelled);
    select! {
        outcome = steps => outcome,
        () = cancelled => {
            scope.cancel_with_reason("the workflow was cancelled");
            steps.await
        }
    }
}

/// Returns the options of a wait that no cancellation of the workflow ends.
pub(crate) fn uncancelled() -> WaitConditionOptions {
    WaitConditionOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build()
}

/// Waits until no update or signal handler runs, as a continuation as new requires.
pub(crate) async fn wait_for_handlers<W: 'static>(ctx: &WorkflowContext<W>) {
    let view = ctx.clone();
    let _ = ctx.wait_condition_with_options(move |_| view.all_handlers_finished(), uncancelled()).await;
}

/// Resolves when the workflow is cancelled. It never resolves if the cancellation is too late.
async fn wait_for_cancellation<W: Cancellable>(ctx: &WorkflowContext<W>) {
    let signalled = ctx.wait_condition_with_options(W::is_cancelled, uncancelled()).fuse();
    let cancelled = ctx.cancelled();
    pin_mut!(signalled, cancelled);
    select! {
        _ = signalled => {}
        reason = cancelled => {
            let reason = reason.filter(|reason| !reason.is_empty());
            if !ctx.state_mut(|s| s.cancel(reason)) {
                std::future::pending::<()>().await;
            }
        }
    }
}
