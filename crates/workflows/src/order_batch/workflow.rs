//! The sequence of a batch: receive all chunks, divide the window among them, and continue as new.

use std::{collections::VecDeque, time::Duration};

use futures::{FutureExt, pin_mut};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ChildWorkflowOptions, ContinueAsNewOptions, ParentClosePolicy, SignalWorkflowOptions,
    SyncWorkflowContext, TimerOptions, WorkflowCancellationToken, WorkflowContext, WorkflowContextView,
    WorkflowIdReusePolicy, WorkflowResult, WorkflowTermination, workflows::select,
};

use super::{
    BatchChunkWorkflow,
    chunk::{ChunkProgress, OrderEnd},
    messages::{AddOrders, Allow, BatchInput, ChunkInput, ChunkReport},
    state::{Batch, BatchChange, BatchState, BatchStatus, Command},
};
use crate::{
    cancellation::{uncancelled, wait_for_handlers},
    ids,
    signal::Signal,
};

/// The chunks that one history starts. Each is in it twice: as an update, and as the input of its workflow.
const CHUNKS_PER_RUN: u32 = 20;

/// `orderBatchWorkflow`: places many orders, a limited number at the same time.
#[workflow]
pub struct OrderBatchWorkflow {
    input: BatchInput,
    batch: Batch,
    /// The chunks that arrived and whose workflows have not started.
    inbox: VecDeque<AddOrders>,
    /// The chunks that started in this history.
    chunks_started: u32,
}

type Context = WorkflowContext<OrderBatchWorkflow>;
type Refusal = Box<dyn std::error::Error + Send + Sync>;

#[workflow_methods]
impl OrderBatchWorkflow {
    #[init]
    pub fn new(_ctx: &WorkflowContextView, mut input: BatchInput) -> Self {
        let batch = match input.resumed.take() {
            Some(resumed) => *resumed,
            None => Batch::new(&input.batch_id, input.orders, input.chunks, input.window),
        };
        Self { input, batch, inbox: VecDeque::new(), chunks_started: 0 }
    }

    /// # Errors
    /// Never fails by itself. The error is the continuation in a new history.
    #[run(name = "orderBatchWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<BatchState> {
        loop {
            while let Some(chunk) = ctx.state_mut(|s| s.inbox.pop_front()) {
                start_chunk(ctx, chunk).await;
            }
            for command in ctx.state_mut(|s| s.batch.take_commands()) {
                send(ctx, command).await;
            }
            let has_ended = ctx.state_mut(|s| s.inbox.is_empty() && s.batch.has_ended());
            publish_state(ctx);
            if has_ended {
                return Ok(ctx.state(|s| s.batch.state().clone()));
            }
            if ctx.state(|s| s.chunks_started >= CHUNKS_PER_RUN) || ctx.continue_as_new_suggested() {
                continue_as_new(ctx).await?;
            }
            wait(ctx).await;
        }
    }

    #[update_validator(add_orders)]
    fn check_orders(&self, _ctx: &WorkflowContextView, chunk: &AddOrders) -> Result<(), Refusal> {
        Ok(self.batch.check_chunk(chunk.index)?)
    }

    /// Receives a chunk. A repeated one changes nothing.
    ///
    /// # Errors
    /// Returns the reason why the chunk is refused.
    #[update(name = "addOrders")]
    pub fn add_orders(
        &mut self,
        _ctx: &mut SyncWorkflowContext<Self>,
        chunk: AddOrders,
    ) -> Result<BatchState, Refusal> {
        self.batch.check_chunk(chunk.index)?;
        if self.batch.receive(chunk.index) {
            self.inbox.push_back(chunk);
        }
        Ok(self.batch.state().clone())
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the macro passes a reference")]
    #[update_validator(change)]
    fn check_change(&self, _ctx: &WorkflowContextView, change: &BatchChange) -> Result<(), Refusal> {
        Ok(self.batch.state().check(*change)?)
    }

    /// Pauses, resumes or cancels the batch.
    ///
    /// # Errors
    /// Returns the reason why nothing changes.
    #[update(name = "changeBatch")]
    pub fn change(
        &mut self,
        _ctx: &mut SyncWorkflowContext<Self>,
        change: BatchChange,
    ) -> Result<BatchState, Refusal> {
        self.batch.change(change)?;
        Ok(self.batch.state().clone())
    }

    #[signal(name = "cancelBatch")]
    pub fn cancel(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _: Signal<()>) {
        // A signal can't answer.
        let _ = self.batch.change(BatchChange::Cancel);
    }

    #[signal(name = "reportChunk")]
    pub fn report_chunk(&mut self, _ctx: &mut SyncWorkflowContext<Self>, report: Signal<ChunkReport>) {
        if let Some(report) = report.0 {
            self.batch.report(report);
        }
    }

    #[query(name = "getBatch")]
    pub fn state(&self, _ctx: &WorkflowContextView) -> BatchState {
        self.batch.state().clone()
    }
}

/// Starts the workflow of a chunk. It places no order before it is allowed to, and survives a continuation.
async fn start_chunk(ctx: &Context, AddOrders { index, orders }: AddOrders) {
    let count = u32::try_from(orders.len()).unwrap_or(u32::MAX);
    let options = ChildWorkflowOptions::builder()
        .workflow_id(ctx.state(|s| ids::batch_chunk_workflow_id(&s.input.batch_id, index)))
        .static_summary(format!("chunk {index} of {count} orders"))
        .parent_close_policy(ParentClosePolicy::Abandon)
        .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
        .cancellation_token(WorkflowCancellationToken::new())
        .build();
    let input = ChunkInput { batch_workflow_id: ctx.workflow_id().to_owned(), index, orders };
    let started = ctx.start_child_workflow(BatchChunkWorkflow::run, input, options).await;
    ctx.state_mut(|s| {
        s.chunks_started += 1;
        s.batch.open_chunk(index);
        if started.is_err() {
            // Nobody will report on it.
            let ends = [(OrderEnd::NotStarted, count)].into();
            let progress = ChunkProgress { ends, drained: true, ended: true, ..ChunkProgress::default() };
            s.batch.report(ChunkReport { index, progress });
        }
    });
}

/// Sends a message to a chunk. A chunk that was ended from outside counts as ended.
async fn send(ctx: &Context, command: Command) {
    let (Command::Allow { index, .. } | Command::Cancel { index }) = command;
    let chunk =
        ctx.external_workflow(ctx.state(|s| ids::batch_chunk_workflow_id(&s.input.batch_id, index)), None);
    let options =
        SignalWorkflowOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build();
    let sent = match command {
        Command::Allow { window, .. } => {
            chunk.signal(BatchChunkWorkflow::allow, Signal(Some(Allow { window })), options).await
        }
        Command::Cancel { .. } => chunk.signal(BatchChunkWorkflow::cancel, Signal(None), options).await,
    };
    if sent.is_err() {
        ctx.state_mut(|s| s.batch.lose_chunk(index));
    }
}

/// Waits for a chunk, a report, a change, or the end of the time for the next chunk.
async fn wait(ctx: &Context) {
    let (is_receiving, received, timeout) = ctx.state(|s| {
        let state = s.batch.state();
        let timeout = Duration::from_millis(s.input.receive_timeout_ms);
        (state.status == BatchStatus::Receiving, state.chunks_received, timeout)
    });
    let due = ctx
        .wait_condition_with_options(
            move |s| !s.inbox.is_empty() || s.batch.is_due() || s.batch.state().chunks_received != received,
            uncancelled(),
        )
        .fuse();
    let token = WorkflowCancellationToken::new();
    let late = async {
        if is_receiving {
            let options = TimerOptions::builder(timeout).cancellation_token(token.clone());
            ctx.timer(options.summary("next chunk".to_owned()).build()).await;
        } else {
            std::future::pending::<()>().await;
        }
    }
    .fuse();
    let cancelled = async {
        // A cancellation that was noticed stays, and must not end each wait.
        if ctx.state(|s| s.batch.state().check(BatchChange::Cancel).is_err()) {
            std::future::pending::<()>().await;
        }
        ctx.cancelled().await;
    }
    .fuse();
    pin_mut!(due, late, cancelled);
    select! {
        _ = due => token.cancel(),
        () = late => ctx.state_mut(|s| s.batch.abandon()),
        () = cancelled => {
            token.cancel();
            // It may be too late.
            let _ = ctx.state_mut(|s| s.batch.change(BatchChange::Cancel));
        }
    }
}

/// Continues in a new history, when no handler runs and every chunk that arrived has started.
async fn continue_as_new(ctx: &Context) -> Result<(), WorkflowTermination> {
    wait_for_handlers(ctx).await;
    if ctx.state(|s| !s.inbox.is_empty()) {
        return Ok(());
    }
    let input = ctx.state(|s| BatchInput { resumed: Some(Box::new(s.batch.clone())), ..s.input.clone() });
    ctx.continue_as_new(input, ContinueAsNewOptions::default())?;
    Ok(())
}

/// Writes the summary that the Temporal UI shows.
fn publish_state(ctx: &Context) {
    let details = ctx.state(|s| {
        let state = s.batch.state();
        let ended: u32 = state.ends.values().sum();
        format!("**{}**: {ended} of {} orders, {} run", state.status.name(), state.orders, state.running)
    });
    ctx.set_current_details(details);
}
