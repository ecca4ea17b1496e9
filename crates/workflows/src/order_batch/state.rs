//! The pure state machine of a batch: it receives chunks, lets them run, and counts their orders.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    chunk::{ChunkProgress, OrderEnd, Unshipped},
    messages::ChunkReport,
};

/// The maximum number of unshipped orders in the state. The rest are counted.
pub const MAX_UNSHIPPED: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum BatchStatus {
    /// Chunks arrive, and no order has started.
    Receiving,
    Running,
    Paused,
    /// The running orders undo themselves.
    Cancelling,
    /// Every order has ended.
    Completed,
    Cancelled,
    /// Not all chunks arrived in time, so no order started.
    Abandoned,
}

impl BatchStatus {
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Abandoned)
    }
}

/// A change that a caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BatchChange {
    Pause,
    Resume,
    Cancel,
}

/// The reasons why a batch refuses a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchRefused {
    #[error("the batch has ended")]
    Ended,
    #[error("the batch is being cancelled")]
    Cancelling,
    #[error("the batch is paused already")]
    Paused,
    #[error("the batch is not paused")]
    NotPaused,
    #[error("the batch has not received all its orders")]
    Receiving,
    #[error("the batch has no chunk with this number")]
    NoSuchChunk,
}

/// The state that queries and the endpoint show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchState {
    pub batch_id: String,
    pub status: BatchStatus,
    /// The number of orders in all chunks.
    pub orders: u32,
    pub window: u32,
    pub chunks: u32,
    pub chunks_received: u32,
    pub chunks_ended: u32,
    pub running: u32,
    /// The number of orders with each end so far.
    pub ends: BTreeMap<OrderEnd, u32>,
    /// The first [`MAX_UNSHIPPED`].
    pub unshipped: Vec<Unshipped>,
    pub unshipped_omitted: u32,
    /// Grows by one with every change.
    pub version: u64,
}

impl BatchState {
    /// # Errors
    /// Returns the reason why the change would be refused.
    pub const fn check(&self, change: BatchChange) -> Result<(), BatchRefused> {
        match (change, self.status) {
            (_, BatchStatus::Completed | BatchStatus::Cancelled | BatchStatus::Abandoned) => {
                Err(BatchRefused::Ended)
            }
            (_, BatchStatus::Cancelling) => Err(BatchRefused::Cancelling),
            (BatchChange::Pause, BatchStatus::Paused) => Err(BatchRefused::Paused),
            (BatchChange::Pause | BatchChange::Resume, BatchStatus::Receiving) => {
                Err(BatchRefused::Receiving)
            }
            (BatchChange::Resume, BatchStatus::Running) => Err(BatchRefused::NotPaused),
            _ => Ok(()),
        }
    }
}

/// A received chunk that has not ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OpenChunk {
    /// The window that the chunk knows.
    window: u32,
    cancelled: bool,
    progress: ChunkProgress,
}

/// The next message to a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Allow { index: u32, window: u32 },
    Cancel { index: u32 },
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    state: BatchState,
    open: BTreeMap<u32, OpenChunk>,
    /// The numbers of the chunks that arrived, while the batch receives.
    received: Vec<u32>,
    /// The orders of the chunks that ended.
    ends: BTreeMap<OrderEnd, u32>,
}

impl Batch {
    #[must_use]
    pub fn new(batch_id: &str, orders: u32, chunks: u32, window: u32) -> Self {
        let state = BatchState {
            batch_id: batch_id.to_owned(),
            status: BatchStatus::Receiving,
            orders,
            window,
            chunks,
            chunks_received: 0,
            chunks_ended: 0,
            running: 0,
            ends: BTreeMap::new(),
            unshipped: Vec::new(),
            unshipped_omitted: 0,
            version: 0,
        };
        Self { state, open: BTreeMap::new(), received: Vec::new(), ends: BTreeMap::new() }
    }

    #[must_use]
    pub const fn state(&self) -> &BatchState {
        &self.state
    }

    /// Checks a chunk. One that arrived before is accepted again.
    ///
    /// # Errors
    /// Returns the reason why the chunk would be refused.
    pub fn check_chunk(&self, index: u32) -> Result<(), BatchRefused> {
        match self.state.status {
            _ if index >= self.state.chunks => Err(BatchRefused::NoSuchChunk),
            BatchStatus::Receiving | BatchStatus::Running | BatchStatus::Paused => Ok(()),
            BatchStatus::Cancelling => Err(BatchRefused::Cancelling),
            BatchStatus::Completed | BatchStatus::Cancelled | BatchStatus::Abandoned => {
                Err(BatchRefused::Ended)
            }
        }
    }

    /// Receives a chunk. Returns false if it arrived before.
    pub fn receive(&mut self, index: u32) -> bool {
        let is_new = self.state.status == BatchStatus::Receiving && !self.received.contains(&index);
        if is_new {
            self.received.push(index);
            self.state.chunks_received += 1;
            self.state.version += 1;
        }
        is_new
    }

    /// Records that the workflow of a chunk has started. The batch runs once all have.
    pub fn open_chunk(&mut self, index: u32) {
        self.open.insert(index, OpenChunk::default());
        let all_started = self.open.len() == self.state.chunks as usize;
        if self.state.status == BatchStatus::Receiving && all_started {
            self.set_status(BatchStatus::Running);
            self.received.clear();
        }
    }

    /// Gives up a batch whose chunks did not arrive in time.
    pub fn abandon(&mut self) {
        if self.state.status == BatchStatus::Receiving {
            self.set_status(BatchStatus::Abandoned);
        }
    }

    /// # Errors
    /// Returns the reason why nothing changes.
    pub fn change(&mut self, change: BatchChange) -> Result<(), BatchRefused> {
        self.state.check(change)?;
        self.set_status(match change {
            BatchChange::Pause => BatchStatus::Paused,
            BatchChange::Resume => BatchStatus::Running,
            BatchChange::Cancel => BatchStatus::Cancelling,
        });
        Ok(())
    }

    /// Takes the progress of a chunk.
    pub fn report(&mut self, ChunkReport { index, progress }: ChunkReport) {
        let Some(open) = self.open.get_mut(&index) else { return };
        let known = open.progress.unshipped.len();
        for unshipped in progress.unshipped.iter().skip(known) {
            if self.state.unshipped.len() < MAX_UNSHIPPED {
                self.state.unshipped.push(unshipped.clone());
            } else {
                self.state.unshipped_omitted += 1;
            }
        }
        if progress.ended {
            self.open.remove(&index);
            self.state.chunks_ended += 1;
            for (end, orders) in progress.ends {
                *self.ends.entry(end).or_default() += orders;
            }
        } else {
            open.progress = progress;
        }
        self.state.ends.clone_from(&self.ends);
        for (end, orders) in self.open.values().flat_map(|open| &open.progress.ends) {
            *self.state.ends.entry(*end).or_default() += orders;
        }
        self.state.running = self.open.values().map(|open| open.progress.running).sum();
        self.state.version += 1;
    }

    /// Gives up a chunk whose workflow was ended from outside. Its last report stays.
    pub fn lose_chunk(&mut self, index: u32) {
        if let Some(open) = self.open.get(&index) {
            let mut progress = open.progress.clone();
            let running = std::mem::take(&mut progress.running);
            if running > 0 {
                *progress.ends.entry(OrderEnd::EndedOutside).or_default() += running;
            }
            self.report(ChunkReport {
                index,
                progress: ChunkProgress { ended: true, drained: true, ..progress },
            });
        }
    }

    /// Ends the batch once all its chunks have ended. Returns true if it has ended.
    pub fn has_ended(&mut self) -> bool {
        if self.open.is_empty() {
            match self.state.status {
                BatchStatus::Running | BatchStatus::Paused => self.set_status(BatchStatus::Completed),
                BatchStatus::Cancelling => self.set_status(BatchStatus::Cancelled),
                _ => {}
            }
        }
        self.state.status.is_final() && self.open.is_empty()
    }

    /// Returns true if the workflow has something to do beside waiting.
    #[must_use]
    pub fn is_due(&self) -> bool {
        let has_begun = self.state.status != BatchStatus::Receiving;
        has_begun && self.open.is_empty() || !self.commands().is_empty()
    }

    /// Returns the messages that bring the chunks to where they should be, and records them as sent.
    pub fn take_commands(&mut self) -> Vec<Command> {
        let commands = self.commands();
        for command in &commands {
            match *command {
                Command::Allow { index, window } => self.open.entry(index).or_default().window = window,
                Command::Cancel { index } => self.open.entry(index).or_default().cancelled = true,
            }
        }
        commands
    }

    fn commands(&self) -> Vec<Command> {
        match self.state.status {
            BatchStatus::Cancelling | BatchStatus::Abandoned => {
                let left = self.open.iter().filter(|(_, open)| !open.cancelled);
                left.map(|(index, _)| Command::Cancel { index: *index }).collect()
            }
            BatchStatus::Running => self.windows(self.state.window),
            BatchStatus::Paused => self.windows(0),
            BatchStatus::Receiving | BatchStatus::Completed | BatchStatus::Cancelled => Vec::new(),
        }
    }

    /// Divides the window among the chunks in their order. A chunk gets what those before it can't use any more.
    fn windows(&self, mut left: u32) -> Vec<Command> {
        let mut commands = Vec::new();
        for (index, open) in &self.open {
            if open.progress.drained {
                left = left.saturating_sub(open.progress.running);
                continue;
            }
            if open.window != left {
                commands.push(Command::Allow { index: *index, window: left });
            }
            left = 0;
        }
        commands
    }

    fn set_status(&mut self, status: BatchStatus) {
        self.state.status = status;
        self.state.version += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(chunks: u32, window: u32) -> Batch {
        let mut batch = Batch::new("b", chunks * 10, chunks, window);
        for index in 0..chunks {
            assert!(batch.receive(index));
            batch.open_chunk(index);
        }
        assert_eq!(batch.state().status, BatchStatus::Running);
        batch
    }

    fn report(index: u32, running: u32, shipped: u32, drained: bool, ended: bool) -> ChunkReport {
        let ends = BTreeMap::from([(OrderEnd::Shipped, shipped)]);
        let progress = ChunkProgress { running, ends, unshipped: Vec::new(), drained, ended };
        ChunkReport { index, progress }
    }

    #[test]
    fn nothing_starts_before_all_chunks_have_arrived() {
        let mut batch = Batch::new("b", 20, 2, 5);
        assert!(batch.receive(1));
        assert!(!batch.receive(1), "it arrived before");
        batch.open_chunk(1);
        assert_eq!((batch.take_commands(), batch.state().status), (vec![], BatchStatus::Receiving));
        assert_eq!(batch.check_chunk(2), Err(BatchRefused::NoSuchChunk));
        assert!(batch.receive(0));
        batch.open_chunk(0);
        assert_eq!(batch.take_commands(), [Command::Allow { index: 0, window: 5 }]);
        assert_eq!(batch.check_chunk(0), Ok(()), "a repeated chunk is no fault");
        assert!(!batch.receive(0));
    }

    #[test]
    fn an_abandoned_batch_cancels_the_chunks_that_arrived_and_starts_no_order() {
        let mut batch = Batch::new("b", 20, 2, 5);
        batch.receive(0);
        batch.open_chunk(0);
        batch.abandon();
        assert_eq!(batch.take_commands(), [Command::Cancel { index: 0 }]);
        assert!(!batch.has_ended());
        batch.report(report(0, 0, 0, true, true));
        assert!(batch.has_ended());
        assert_eq!(batch.state().status, BatchStatus::Abandoned);
    }

    #[test]
    fn the_next_chunk_gets_what_the_one_before_can_not_use_any_more() {
        let mut batch = running(3, 5);
        assert_eq!(batch.take_commands(), [Command::Allow { index: 0, window: 5 }]);
        assert_eq!(batch.take_commands(), []);
        batch.report(report(0, 4, 6, true, false));
        assert_eq!(batch.take_commands(), [Command::Allow { index: 1, window: 1 }]);
        batch.report(report(0, 0, 10, true, true));
        assert_eq!(batch.take_commands(), [Command::Allow { index: 1, window: 5 }]);
        batch.report(report(1, 2, 8, true, false));
        batch.report(report(1, 0, 10, true, true));
        assert_eq!(batch.take_commands(), [Command::Allow { index: 2, window: 5 }]);
    }

    #[test]
    fn a_pause_closes_the_windows_and_a_resumption_opens_them() {
        let mut batch = running(2, 5);
        batch.take_commands();
        assert_eq!(batch.change(BatchChange::Resume), Err(BatchRefused::NotPaused));
        batch.change(BatchChange::Pause).unwrap();
        assert_eq!(batch.change(BatchChange::Pause), Err(BatchRefused::Paused));
        assert_eq!(batch.take_commands(), [Command::Allow { index: 0, window: 0 }]);
        batch.change(BatchChange::Resume).unwrap();
        assert_eq!(batch.take_commands(), [Command::Allow { index: 0, window: 5 }]);
    }

    #[test]
    fn a_cancellation_reaches_each_chunk_once_and_ends_after_the_last() {
        let mut batch = running(2, 5);
        batch.change(BatchChange::Cancel).unwrap();
        assert_eq!(batch.take_commands(), [Command::Cancel { index: 0 }, Command::Cancel { index: 1 }]);
        assert_eq!((batch.take_commands(), batch.is_due()), (vec![], false));
        assert_eq!(batch.change(BatchChange::Pause), Err(BatchRefused::Cancelling));
        batch.report(report(1, 0, 0, true, true));
        assert!(!batch.has_ended());
        batch.report(report(0, 0, 3, true, true));
        assert!(batch.has_ended());
        assert_eq!(batch.state().status, BatchStatus::Cancelled);
        assert_eq!(batch.change(BatchChange::Cancel), Err(BatchRefused::Ended));
    }

    #[test]
    fn the_counts_add_up_over_open_and_ended_chunks_and_a_late_report_changes_nothing() {
        let mut batch = running(2, 5);
        batch.report(report(0, 0, 10, true, true));
        batch.report(report(1, 3, 4, false, false));
        batch.report(report(0, 5, 1, false, false));
        assert_eq!((batch.state().ends[&OrderEnd::Shipped], batch.state().running), (14, 3));
        batch.report(report(1, 0, 10, true, true));
        assert!(batch.has_ended());
        assert_eq!((batch.state().ends[&OrderEnd::Shipped], batch.state().running), (20, 0));
    }
}
