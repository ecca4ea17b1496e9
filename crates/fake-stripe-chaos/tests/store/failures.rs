//! A ledger that cannot be written: no caller gets a success, and nothing is changed.

use rusqlite::Connection;

use crate::support::{Folder, durable_state, full_state, write_everything};

#[tokio::test]
async fn work_whose_commit_fails_changes_nothing_and_the_store_goes_on() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.transact(|tx| write_everything(tx, 1)).await.unwrap();
    let before = full_state(&store).await;
    let somebody_else = Connection::open(folder.ledger()).unwrap();
    somebody_else.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (one, other) = tokio::join!(
        store.transact(|tx| write_everything(tx, 2)),
        store.transact(|tx| write_everything(tx, 3)),
    );
    assert!(one.is_err() && other.is_err(), "{one:?} {other:?}");
    assert_eq!(full_state(&store).await, before);
    somebody_else.execute_batch("ROLLBACK").unwrap();
    store.transact(|tx| write_everything(tx, 4)).await.unwrap();
    let after = store.transact(|tx| durable_state(tx)).await.unwrap();
    drop(store);
    assert_eq!(folder.store().await.transact(|tx| durable_state(tx)).await.unwrap(), after);
}

#[tokio::test]
async fn a_ledger_can_be_read_and_copied_while_it_is_in_use() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.transact(|tx| write_everything(tx, 1)).await.unwrap();
    let known = store.transact(|tx| durable_state(tx)).await.unwrap();
    let copied = Folder::new();
    let reader = Connection::open(folder.ledger()).unwrap();
    reader.execute("VACUUM INTO ?", [copied.ledger().to_str().unwrap()]).unwrap();
    store.transact(|tx| write_everything(tx, 2)).await.unwrap();
    assert_eq!(copied.store().await.transact(|tx| durable_state(tx)).await.unwrap(), known);
}
