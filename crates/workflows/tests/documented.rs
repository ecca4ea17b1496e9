//! Compares the code in docs/saga.md with the workflow.

#![allow(clippy::disallowed_methods, reason = "a test may read files")]

use std::{fs, path::Path};

#[test]
fn the_documented_saga_is_the_code_of_the_workflow() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("../../docs/saga.md")).unwrap();
    let workflow = fs::read_to_string(root.join("src/order_fulfillment/workflow.rs")).unwrap();
    let (_, rest) = document.split_once("```rust\n").expect("docs/saga.md has a block of Rust");
    let (saga, _) = rest.split_once("```").unwrap();
    assert!(
        saga.starts_with("async fn run_steps(") && workflow.contains(saga),
        "docs/saga.md has other code:\n{saga}"
    );
    assert!(saga.lines().count() <= 60, "the saga fits on one page");
}
