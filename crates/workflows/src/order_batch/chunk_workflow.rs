//! The sequence of a chunk: wait for permission, keep a window of orders running, and report.

use std::{pin::Pin, task::Poll};

use futures::{FutureExt, pin_mut};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SignalWorkflowOptions, SyncWorkflowContext, WorkflowCancellationToken, WorkflowContext,
    WorkflowContextView, WorkflowResult, workflows::select,
};

use super::{
    OrderBatchWorkflow,
    chunk::{Chunk, ChunkProgress},
    messages::{Allow, BatchOrder, ChunkInput, ChunkReport},
};
use crate::{
    cancellation::uncancelled,
    child_order::{self, ChildOrder},
    signal::Signal,
};

/// `orderBatchChunkWorkflow`: places the orders of one chunk.
#[workflow]
pub struct BatchChunkWorkflow {
    input: ChunkInput,
    chunk: Chunk,
}

type Context = WorkflowContext<BatchChunkWorkflow>;
/// A running order: resolves to its id and its end.
type Running<'a> = Pin<Box<dyn Future<Output = (String, ChildOrder)> + 'a>>;

#[workflow_methods]
impl BatchChunkWorkflow {
    #[init]
    pub fn new(_ctx: &WorkflowContextView, input: ChunkInput) -> Self {
        let chunk = Chunk::new(u32::try_from(input.orders.len()).unwrap_or(u32::MAX));
        Self { input, chunk }
    }

    /// # Errors
    /// Never fails.
    #[run(name = "orderBatchChunkWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<ChunkProgress> {
        Ok(place_orders(ctx).await)
    }

    #[signal(name = "allowOrders")]
    pub fn allow(&mut self, _ctx: &mut SyncWorkflowContext<Self>, allow: Signal<Allow>) {
        if let Some(allow) = allow.0 {
            self.chunk.allow(allow);
        }
    }

    #[signal(name = "cancelChunk")]
    pub fn cancel(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _: Signal<()>) {
        self.chunk.cancel();
    }

    #[query(name = "getChunk")]
    pub fn progress(&self, _ctx: &WorkflowContextView) -> ChunkProgress {
        self.chunk.progress().clone()
    }
}

async fn place_orders(ctx: &Context) -> ChunkProgress {
    let scope = WorkflowCancellationToken::new();
    let mut running: Vec<Running<'_>> = Vec::new();
    loop {
        while let Some(order) = start_next(ctx) {
            running.push(Box::pin(run_order(ctx, order, scope.clone())));
        }
        if ctx.state(|s| s.chunk.is_cancelled()) {
            scope.cancel_with_reason("the batch was cancelled");
        }
        let has_ended = ctx.state_mut(|s| s.chunk.has_ended());
        report(ctx).await;
        if has_ended {
            return ctx.state(|s| s.chunk.progress().clone());
        }
        wait(ctx, &mut running).await;
    }
}

fn start_next(ctx: &Context) -> Option<BatchOrder> {
    ctx.state_mut(|s| {
        let index = s.chunk.start_next()?;
        s.input.orders.get(index as usize).cloned()
    })
}

async fn run_order(
    ctx: &Context,
    BatchOrder { order, total }: BatchOrder,
    scope: WorkflowCancellationToken,
) -> (String, ChildOrder) {
    let order_id = order.order_id.clone();
    (order_id, child_order::run(ctx, order, &total, scope).await)
}

/// Waits for the end of an order, or for a signal.
async fn wait(ctx: &Context, running: &mut Vec<Running<'_>>) {
    let version = ctx.state(|s| s.chunk.version);
    let changed = ctx.wait_condition_with_options(move |s| s.chunk.version != version, uncancelled()).fuse();
    let cancelled = cancelled_once(ctx).fuse();
    let ended = next_end(running).fuse();
    pin_mut!(changed, cancelled, ended);
    select! {
        (order_id, end) = ended => ctx.state_mut(|s| s.chunk.finish(order_id, end)),
        _ = changed => {}
        () = cancelled => ctx.state_mut(|s| s.chunk.cancel()),
    }
}

/// Resolves to the end of the first order that has ended, in the order of their starts.
async fn next_end(running: &mut Vec<Running<'_>>) -> (String, ChildOrder) {
    std::future::poll_fn(|cx| {
        let ended = running.iter_mut().enumerate().find_map(|(index, order)| match order.as_mut().poll(cx) {
            Poll::Ready(end) => Some((index, end)),
            Poll::Pending => None,
        });
        match ended {
            Some((index, end)) => {
                drop(running.remove(index));
                Poll::Ready(end)
            }
            None => Poll::Pending,
        }
    })
    .await
}

/// Resolves at Temporal's own cancellation, unless the chunk is cancelled already.
async fn cancelled_once(ctx: &Context) {
    if ctx.state(|s| s.chunk.is_cancelled()) {
        std::future::pending::<()>().await;
    }
    ctx.cancelled().await;
}

/// Reports the progress to the batch, if it is due.
async fn report(ctx: &Context) {
    let Some(progress) = ctx.state_mut(|s| s.chunk.take_report()) else { return };
    let (batch, report) = ctx.state(|s| {
        let report = ChunkReport { index: s.input.index, progress };
        (s.input.batch_workflow_id.clone(), report)
    });
    let options =
        SignalWorkflowOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build();
    // Somebody may have ended the batch from outside. The orders continue.
    let _ = ctx
        .external_workflow(batch, None)
        .signal(OrderBatchWorkflow::report_chunk, Signal(Some(report)), options)
        .await;
}
