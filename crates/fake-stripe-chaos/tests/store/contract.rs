//! What the rest of the provider may rely on, whichever store it has.

use std::sync::Arc;

use fake_stripe_chaos::shared::{journal, store::StoreError};
use tokio::task::JoinSet;

use crate::help::{Write, every_kind, everything, line, write_everything};

fn on_purpose() -> StoreError {
    StoreError::Unavailable("on purpose".to_owned())
}

#[tokio::test]
async fn work_that_fails_changes_nothing() {
    for (stores, _folder) in every_kind() {
        let store = stores.open("default").await.unwrap();
        for round in 1..=2 {
            let before = everything(&store).await;
            let failed: Result<(), _> = store
                .transact(move |tx| {
                    write_everything(tx, 10 + round)?;
                    tx.forget()?;
                    Err(on_purpose())
                })
                .await;
            assert_eq!(failed, Err(on_purpose()));
            assert_eq!(everything(&store).await, before);
            store.transact(move |tx| write_everything(tx, round)).await.unwrap();
            assert_ne!(everything(&store).await, before);
        }
    }
}

#[tokio::test]
async fn work_that_panics_does_so_where_it_was_asked_for_and_changes_nothing() {
    for (stores, _folder) in every_kind() {
        let store = stores.open("default").await.unwrap();
        let before = everything(&store).await;
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
        assert_eq!(everything(&store).await, before);
    }
}

#[tokio::test]
async fn the_journal_forgets_its_oldest_line_first() {
    for (stores, _folder) in every_kind() {
        let store = stores.open("default").await.unwrap();
        let lines = store
            .transact(|tx| {
                for index in 0..=journal::CAPACITY {
                    tx.note(line(&index.to_string()))?;
                }
                tx.amend(0, line("forgotten"))?;
                let mut lines = Vec::new();
                tx.each_line(&mut |number, line| {
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
        let empty = everything(&other).await;
        one.transact(|tx| write_everything(tx, 1)).await.unwrap();
        assert_eq!(everything(&other).await, empty);
        assert_eq!(everything(&stores.open("one").await.unwrap()).await, everything(&one).await);
        assert_eq!(stores.runs().await.unwrap(), ["one", "other"]);
    }
}

#[tokio::test]
async fn a_run_that_was_forgotten_refuses_work_and_begins_anew_when_it_is_asked_for() {
    for (stores, _folder) in every_kind() {
        let (run, other) = (stores.open("one").await.unwrap(), stores.open("other").await.unwrap());
        let empty = everything(&run).await;
        run.transact(|tx| write_everything(tx, 1)).await.unwrap();
        other.transact(|tx| write_everything(tx, 2)).await.unwrap();
        let kept = everything(&other).await;
        assert_eq!(stores.forget("one").await, Ok(true));
        assert_eq!(stores.forget("one").await, Ok(false));
        assert_eq!(stores.runs().await.unwrap(), ["other"]);
        let write = Write { method: 0, place: 0, value: 0 };
        assert_eq!(run.transact(move |tx| write.apply(tx)).await, Err(StoreError::Forgotten));
        assert_eq!(everything(&stores.open("one").await.unwrap()).await, empty);
        assert_eq!(run.transact(move |tx| write.apply(tx)).await, Err(StoreError::Forgotten));
        assert_eq!(everything(&other).await, kept);
    }
}
