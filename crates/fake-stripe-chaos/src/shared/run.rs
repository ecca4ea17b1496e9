//! Runs: worlds of their own on one server, each with its seed, profile, ledger, journal and attempts, so
//! that parallel suites don't meet.

use std::{fmt, str::FromStr};

use crate::shared::store::{StoreError, Stores, Transaction};

/// A run's name: 1 to 64 ASCII letters, digits, hyphens, underscores and dots, the first a letter or a
/// digit. It becomes part of a file's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunName(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to 64 ASCII letters, digits, hyphens, underscores and dots, the first a letter or a digit"
)]
pub struct InvalidRunName;

const MAX_LENGTH: usize = 64;

impl RunName {
    /// The run of whoever names none.
    #[must_use]
    pub fn default_run() -> Self {
        Self("default".to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default_run()
    }
}

/// The setting that a run's seed is kept under.
const SEED: &str = "run.seed";

/// Returns the seed that a run's store keeps; none where the run is new.
///
/// # Errors
/// When the store fails, or keeps no number there.
pub fn load_seed(tx: &dyn Transaction) -> Result<Option<u64>, StoreError> {
    tx.setting(SEED)?.as_deref().map(seed).transpose()
}

/// Returns every run with the seed that its store keeps, sorted by name; opens none of them.
///
/// # Errors
/// When the stores fail, or keep no number there.
pub async fn load_seeds(stores: &dyn Stores) -> Result<Vec<(String, Option<u64>)>, StoreError> {
    let runs = stores.settings(SEED).await?;
    runs.into_iter().map(|(run, text)| Ok((run, text.as_deref().map(seed).transpose()?))).collect()
}

fn seed(text: &str) -> Result<u64, StoreError> {
    text.parse().map_err(|error: std::num::ParseIntError| StoreError::Corrupt {
        kind: "setting",
        id: SEED.to_owned(),
        why: error.to_string(),
    })
}

/// Keeps a run's seed for as long as the run is.
///
/// # Errors
/// When the store fails.
pub fn store_seed(tx: &mut dyn Transaction, seed: u64) -> Result<(), StoreError> {
    tx.set_setting(SEED, Some(seed.to_string()))
}

impl FromStr for RunName {
    type Err = InvalidRunName;

    fn from_str(text: &str) -> Result<Self, InvalidRunName> {
        let fits = (1..=MAX_LENGTH).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidRunName) }
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_part_of_a_files_name_and_of_a_header() {
        for good in ["a", "suite-1", "2026.11.24_nightly", &"x".repeat(64)] {
            assert_eq!(good.parse::<RunName>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", ".hidden", "-a", "a/b", "a b", "a;b", "é", &"x".repeat(65)] {
            assert_eq!(bad.parse::<RunName>(), Err(InvalidRunName), "{bad:?}");
        }
    }
}
