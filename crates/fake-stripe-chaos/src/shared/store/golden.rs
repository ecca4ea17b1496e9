//! Compares stored records with golden files. An old ledger must stay readable, byte for byte.

use std::fmt::Debug;

use futures::FutureExt;

use super::{MemoryStore, Store};
use crate::shared::resource::{Repository, Resource};

/// Asserts that each entity is stored as its line of the golden file, and that the line is read back as the entity.
///
/// # Panics
/// Panics if they differ.
#[expect(clippy::needless_pass_by_value, reason = "each transaction takes its own copy")]
pub fn assert_golden<R: Resource + PartialEq + Debug>(
    records: impl Repository<R> + Clone + 'static,
    kind: &'static str,
    golden: &'static str,
    entities: Vec<R>,
) {
    assert_eq!(
        golden.lines().count(),
        entities.len(),
        "the golden file of {kind} has a line for each entity"
    );
    for (line, entity) in golden.lines().zip(entities) {
        let (writer, reader) = (records.clone(), records.clone());
        let (id, stored_id) = (entity.id().to_owned(), entity.id().to_owned());
        let saved = entity.clone();
        let store: &dyn Store = &MemoryStore::default();
        let written = store.transact(move |tx| {
            writer.save(tx, &saved)?;
            tx.get(kind, &id)
        });
        let written = written.now_or_never().unwrap().unwrap();
        assert_eq!(written.as_deref(), Some(line), "{entity:?}");
        let read = store.transact(move |tx| {
            tx.put(kind, &stored_id, line.to_owned())?;
            reader.load(tx, &stored_id)
        });
        assert_eq!(read.now_or_never().unwrap().unwrap(), Some(entity), "{line}");
    }
}
