//! The errors of opening a ledger file.

use std::{error::Error, path::PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the ledger {} is a directory; name a file in it", .0.display())]
    Directory(PathBuf),
    #[error("the ledger {} can't be opened", .path.display())]
    Unusable { path: PathBuf, source: Box<dyn Error + Send + Sync> },
    #[error("the ledger {} is in use by another process", .0.display())]
    InUse(PathBuf),
    #[error("{} is not a ledger of this program; it is left as it is", .0.display())]
    Foreign(PathBuf),
    #[error(
        "the ledger {} has version {found}, and this program knows versions up to {known}; use the program that wrote it, or a newer one",
        .path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
}
