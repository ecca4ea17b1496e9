//! An unusable ledger file is refused with one clear line, and stays unchanged.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    sync::Arc,
};

use fake_stripe_chaos::{app, shared::store::SqliteStores};
use rusqlite::Connection;

use crate::support::{Folder, write_everything};

fn refused(path: &Path) -> String {
    match SqliteStores::open(path, Arc::new(app::catalogue())) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error.to_string(),
    }
}

/// The whole program, on this ledger.
fn started(path: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fake-stripe-chaos"))
        .env_clear()
        .current_dir(std::env::temp_dir())
        .env("LISTEN_ADDR", "127.0.0.1:0")
        .env("LEDGER", format!("sqlite:{}", path.display()))
        .output()
        .unwrap()
}

#[tokio::test]
async fn a_ledger_of_a_newer_version_is_refused_and_stays_as_it_is() {
    let folder = Folder::new();
    folder.store().await.transact(|tx| write_everything(tx, 1)).await.unwrap();
    let newer = Connection::open(folder.ledger()).unwrap();
    newer.pragma_update(None, "user_version", 7).unwrap();
    newer.close().unwrap();
    let before = fs::read(folder.ledger()).unwrap();
    assert!(refused(&folder.ledger()).contains("has version 7, and this program knows versions up to 1"));
    assert!(fs::read(folder.ledger()).unwrap() == before);
}

#[test]
fn a_file_that_is_no_ledger_is_refused_and_stays_as_it_is() {
    let folder = Folder::new();
    let words = "These are my notes, and not a ledger.\n".repeat(100);
    fs::write(folder.ledger(), &words).unwrap();
    assert!(refused(&folder.ledger()).contains("is not a ledger of this program"));
    assert_eq!(fs::read_to_string(folder.ledger()).unwrap(), words);
}

#[test]
fn a_database_of_another_program_is_refused_and_stays_as_it_is() {
    let folder = Folder::new();
    let theirs = Connection::open(folder.ledger()).unwrap();
    theirs.execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    theirs.close().unwrap();
    let before = fs::read(folder.ledger()).unwrap();
    assert!(refused(&folder.ledger()).contains("is not a ledger of this program"));
    assert!(fs::read(folder.ledger()).unwrap() == before);
}

#[tokio::test]
async fn a_ledger_in_use_is_refused() {
    let folder = Folder::new();
    let _stores = folder.stores();
    assert!(refused(&folder.ledger()).contains("is in use by another process"));
}

#[test]
fn a_ledger_that_somebody_else_writes_to_is_refused() {
    let folder = Folder::new();
    drop(folder.stores());
    let theirs = Connection::open(folder.ledger()).unwrap();
    theirs.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(refused(&folder.ledger()).contains("is in use by another process"));
}

#[test]
fn the_program_ends_with_one_line_that_says_why() {
    let folder = Folder::new();
    let parent = folder.ledger().parent().unwrap().to_owned();
    let file = parent.join("file");
    fs::write(&file, "no ledger, but long enough to have a header of a hundred bytes: ".repeat(3)).unwrap();
    for (path, why) in [
        (parent.join("."), "is a directory"),
        (parent.join("nowhere").join("ledger.db"), "can't be opened: "),
        (file.join("ledger.db"), "can't be opened: "),
        (file.clone(), "is not a ledger of this program"),
    ] {
        let ended = started(&path);
        let message = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success(), "{}", path.display());
        assert!(message.contains(why) && message.lines().count() == 1, "{}: {message}", path.display());
    }
}
