//! The contract of every store with the rest of the provider.

use std::sync::Arc;

use fake_stripe_chaos::shared::{
    chaos::ChaosKey,
    clock::Timestamp,
    idempotency::{Fingerprint, KeyRecord, StoredAnswer},
    ids::Key,
    journal,
    store::{Limits, StoreError, Transaction},
};
use tokio::task::JoinSet;

use crate::support::{
    Folder, OPERATIONS, RandomWrite, every_kind, every_kind_within, full_state, line, volatile_state,
    write_everything,
};

fn on_purpose() -> StoreError {
    StoreError::Unavailable("on purpose".to_owned())
}

#[tokio::test]
async fn work_that_fails_changes_nothing() {
    for (stores, _folder) in every_kind() {
        let store = stores.open("default").await.unwrap();
        for round in 1..=2 {
            let before = full_state(&store).await;
            let failed: Result<(), _> = store
                .transact(move |tx| {
                    write_everything(tx, 10 + round)?;
                    tx.clear_journal()?;
                    Err(on_purpose())
                })
                .await;
            assert_eq!(failed, Err(on_purpose()));
            assert_eq!(full_state(&store).await, before);
            store.transact(move |tx| write_everything(tx, round)).await.unwrap();
            assert_ne!(full_state(&store).await, before);
        }
    }
}

#[tokio::test]
async fn a_removed_record_is_gone_unless_its_work_fails() {
    for (stores, _folder) in every_kind() {
        let store = stores.open("default").await.unwrap();
        let write = |tx: &mut dyn Transaction| {
            ["a", "b"].iter().try_for_each(|id| tx.put("payment", id, format!("record {id}")))
        };
        store.transact(write).await.unwrap();
        let failed: Result<(), _> = store
            .transact(|tx| {
                tx.remove("payment", "a")?;
                tx.remove("payment", "unknown")?;
                Err(on_purpose())
            })
            .await;
        assert_eq!(failed, Err(on_purpose()));
        let ids = |tx: &mut dyn Transaction| {
            let mut ids: Vec<_> = tx.list("payment")?.into_iter().map(|(id, _)| id.to_string()).collect();
            ids.sort();
            Ok(ids)
        };
        assert_eq!(store.transact(ids).await.unwrap(), ["a", "b"]);
        store.transact(|tx| tx.remove("payment", "a")).await.unwrap();
        assert_eq!(store.transact(ids).await.unwrap(), ["b"]);
    }
}

#[tokio::test]
async fn a_removed_record_stays_gone_after_a_restart() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.transact(|tx| tx.put("payment", "a", "record".to_owned())).await.unwrap();
    store.transact(|tx| tx.remove("payment", "a")).await.unwrap();
    drop(store);
    assert_eq!(folder.store().await.transact(|tx| tx.get("payment", "a")).await.unwrap(), None);
}

#[tokio::test]
async fn what_work_that_fails_has_dropped_is_there_again() {
    let limits = Limits { keys: 2, journal_bytes: 3_000 };
    for (stores, _folder) in every_kind_within(limits) {
        let store = stores.open("default").await.unwrap();
        let write = |tx: &mut dyn Transaction, round: u32| {
            for place in 0..9 {
                let key: Key = format!("{round}-{place}").parse().unwrap();
                let record = KeyRecord {
                    at: Timestamp::from_millis(i64::from(round)),
                    operation: OPERATIONS[0],
                    fingerprint: Fingerprint::of("/", "{}"),
                    answer: StoredAnswer::Refused,
                    decision: None,
                };
                tx.set_record(&key, record)?;
                tx.set_attempts(OPERATIONS[place % 2], &ChaosKey::Request(key.to_string()), 1)?;
                tx.append_line(line(&"x".repeat(500)))?;
            }
            Ok(())
        };
        let read = |tx: &mut dyn Transaction| {
            let mut known = Vec::new();
            for (round, place) in (1..=3).flat_map(|round| (0..9).map(move |place| (round, place))) {
                let key: Key = format!("{round}-{place}").parse().unwrap();
                let attempts = OPERATIONS.map(|operation| tx.attempts(operation, key.as_str()));
                let refused = tx.record(&key)?.is_some();
                if refused || attempts.contains(&Ok(1)) {
                    known.push((key, refused, attempts));
                }
            }
            Ok(format!("{known:?} {}", volatile_state(tx)?))
        };
        store.transact(move |tx| write(tx, 1)).await.unwrap();
        let (before, usage) = (store.transact(read).await.unwrap(), stores.usage().await.unwrap());
        let sizes = usage.sizes;
        assert_eq!((sizes.refusals, sizes.attempts_of_requests), (2, 2));
        assert!((1..=3_000).contains(&sizes.journal_bytes), "{sizes:?}");
        assert_eq!((usage.dropped.refusals, usage.dropped.attempts), (7, 7));
        let failed: Result<(), _> = store
            .transact(move |tx| {
                write(tx, 2)?;
                tx.clear_journal()?;
                write(tx, 3)?;
                Err(on_purpose())
            })
            .await;
        assert_eq!(failed, Err(on_purpose()));
        assert_eq!(store.transact(read).await.unwrap(), before);
        assert_eq!(stores.usage().await.unwrap(), usage);
    }
}

#[tokio::test]
async fn work_that_panics_does_so_where_it_was_asked_for_and_changes_nothing() {
    for (stores, _folder) in every_kind() {
        let store = stores.open("default").await.unwrap();
        let before = full_state(&store).await;
        let panicking = Arc::clone(&store);
        let task = tokio::spawn(async move {
            panicking
                .transact(|tx| -> Result<(), StoreError> {
                    write_everything(tx, 1)?;
                    panic!("on purpose")
                })
                .await
        });
        let panic = task.await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
        assert_eq!(full_state(&store).await, before);
    }
}

#[tokio::test]
async fn the_journal_forgets_its_oldest_line_first() {
    for (stores, _folder) in every_kind() {
        let store = stores.open("default").await.unwrap();
        let lines = store
            .transact(|tx| {
                for index in 0..=journal::CAPACITY {
                    tx.append_line(line(&index.to_string()))?;
                }
                tx.replace_line(0, line("forgotten"))?;
                let mut lines = Vec::new();
                tx.visit_lines(&mut |number, line| {
                    lines.push((number, line.body.clone()));
                    true
                })?;
                Ok(lines)
            })
            .await
            .unwrap();
        assert_eq!(lines.len(), journal::CAPACITY);
        assert_eq!(lines.first(), Some(&(10_000, "10000".into())));
        assert_eq!(lines.last(), Some(&(1, "1".into())));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn work_that_comes_at_once_is_run_one_after_the_other() {
    for (stores, _folder) in every_kind() {
        let store = stores.open("default").await.unwrap();
        let mut tasks = JoinSet::new();
        for index in 0..400 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                let added = store.transact(move |tx| {
                    let count = tx.setting("count")?.map_or(0, |count| count.parse().unwrap_or(0));
                    tx.set_setting("count", Some((count + 1).to_string()))?;
                    // Every fourth takes its own back, and nobody else's.
                    if index % 4 == 0 { Err(on_purpose()) } else { Ok(()) }
                });
                added.await.is_ok()
            });
        }
        let added = tasks.join_all().await.into_iter().filter(|added| *added).count();
        assert_eq!(added, 300);
        let count = store.transact(|tx| tx.setting("count")).await.unwrap();
        assert_eq!(count.as_deref(), Some("300"));
    }
}

#[tokio::test]
async fn runs_know_nothing_of_each_other() {
    for (stores, _folder) in every_kind() {
        let (one, other) = (stores.open("one").await.unwrap(), stores.open("other").await.unwrap());
        let empty = full_state(&other).await;
        one.transact(|tx| write_everything(tx, 1)).await.unwrap();
        assert_eq!(full_state(&other).await, empty);
        assert_eq!(full_state(&stores.open("one").await.unwrap()).await, full_state(&one).await);
        assert_eq!(stores.runs().await.unwrap(), ["one", "other"]);
    }
}

#[tokio::test]
async fn a_run_that_was_forgotten_refuses_work_and_begins_anew_when_it_is_asked_for() {
    for (stores, _folder) in every_kind() {
        let (run, other) = (stores.open("one").await.unwrap(), stores.open("other").await.unwrap());
        let empty = full_state(&run).await;
        run.transact(|tx| write_everything(tx, 1)).await.unwrap();
        other.transact(|tx| write_everything(tx, 2)).await.unwrap();
        let kept = full_state(&other).await;
        assert_eq!(stores.delete("one").await, Ok(true));
        assert_eq!(stores.delete("one").await, Ok(false));
        assert_eq!(stores.runs().await.unwrap(), ["other"]);
        let write = RandomWrite { method: 0, place: 0, value: 0 };
        assert_eq!(run.transact(move |tx| write.apply(tx)).await, Err(StoreError::RunDeleted));
        assert_eq!(full_state(&stores.open("one").await.unwrap()).await, empty);
        assert_eq!(run.transact(move |tx| write.apply(tx)).await, Err(StoreError::RunDeleted));
        assert_eq!(full_state(&other).await, kept);
    }
}
