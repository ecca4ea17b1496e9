//! Any sequence of transactions, restarts among them: both stores know the same.

use std::sync::Arc;

use fake_stripe_chaos::shared::store::{MemoryStores, Store, StoreError, Stores, Transaction};
use proptest::{prelude::*, test_runner::TestCaseResult};
use tokio::task::JoinSet;

use crate::help::{Folder, METHODS, PLACES, Write, everything, lasting};

#[derive(Debug, Clone)]
enum Step {
    /// One transaction, which commits or fails.
    Work {
        writes: Vec<Write>,
        fails: bool,
    },
    Restart,
}

fn write() -> impl Strategy<Value = Write> {
    // The journal is emptied now and then, not every twelfth time.
    let method = prop_oneof![40 => 0..METHODS - 1, 1 => Just(METHODS - 1)];
    (method, 0..PLACES, 0..60_u32).prop_map(|(method, place, value)| Write { method, place, value })
}

fn step() -> impl Strategy<Value = Step> {
    let work = (proptest::collection::vec(write(), 0..12), proptest::bool::weighted(0.2))
        .prop_map(|(writes, fails)| Step::Work { writes, fails });
    prop_oneof![8 => work, 1 => Just(Step::Restart)]
}

fn run(tx: &mut dyn Transaction, writes: &[Write], fails: bool) -> Result<(), StoreError> {
    writes.iter().try_for_each(|write| write.apply(tx))?;
    if fails { Err(StoreError::Unavailable("on purpose".to_owned())) } else { Ok(()) }
}

/// What a restart takes from the file's store.
async fn forget_what_passes(store: &Arc<dyn Store>) {
    let clear = |tx: &mut dyn Transaction| {
        tx.clear_journal()?;
        (0..PLACES).try_for_each(|place| Write { method: 2, place, value: 0 }.apply(tx))
    };
    store.transact(clear).await.unwrap();
}

async fn alike(steps: Vec<Step>) -> TestCaseResult {
    let memory = MemoryStores::default().open("default").await.unwrap();
    let folder = Folder::new();
    let mut sqlite = folder.store().await;
    let mut restarted = false;
    for step in steps {
        match step {
            Step::Work { writes, fails } => {
                let again = writes.clone();
                let of_memory = memory.transact(move |tx| run(tx, &writes, fails)).await;
                let of_sqlite = sqlite.transact(move |tx| run(tx, &again, fails)).await;
                prop_assert_eq!(of_memory, of_sqlite);
            }
            Step::Restart => {
                drop(sqlite);
                sqlite = folder.store().await;
                forget_what_passes(&memory).await;
                restarted = true;
            }
        }
        if restarted {
            // The lines of the journal are numbered anew.
            let (of_memory, of_sqlite) =
                (memory.transact(|tx| lasting(tx)).await, sqlite.transact(|tx| lasting(tx)).await);
            prop_assert_eq!(of_memory, of_sqlite);
        } else {
            prop_assert_eq!(everything(&memory).await, everything(&sqlite).await);
        }
    }
    Ok(())
}

/// All the work at once, so that many pieces share a commit; then a restart.
async fn survives(works: Vec<(Vec<Write>, bool)>) -> TestCaseResult {
    let folder = Folder::new();
    let store = folder.store().await;
    let mut tasks = JoinSet::new();
    for (writes, fails) in works {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.transact(move |tx| run(tx, &writes, fails)).await.is_ok() });
    }
    tasks.join_all().await;
    let before = store.transact(|tx| lasting(tx)).await;
    drop(store);
    prop_assert_eq!(folder.store().await.transact(|tx| lasting(tx)).await, before);
    Ok(())
}

fn on_a_runtime(work: impl Future<Output = TestCaseResult>) -> TestCaseResult {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn memory_and_file_know_the_same_after_any_work_and_restarts(steps in proptest::collection::vec(step(), 1..25)) {
        on_a_runtime(alike(steps))?;
    }

    #[test]
    fn what_many_wrote_in_one_commit_is_there_after_a_restart(
        works in proptest::collection::vec((proptest::collection::vec(write(), 0..6), proptest::bool::weighted(0.3)), 1..60)
    ) {
        on_a_runtime(survives(works))?;
    }
}
