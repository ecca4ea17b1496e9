//! A profile: how often each operation meets each scenario.

use std::{collections::BTreeMap, fmt, str::FromStr};

use super::{
    catalogue::Catalogue,
    scenario::{SUCCESS, Scenario},
};
use crate::shared::operation::Operation;

/// The profiles that are built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileName {
    /// Nothing fails.
    Off,
    /// The default weights of every context's own table.
    Seed,
}

impl ProfileName {
    pub const ALL: [Self; 2] = [Self::Off, Self::Seed];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Seed => "seed",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be `off` or `seed`")]
pub struct UnknownProfile;

impl FromStr for ProfileName {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        Self::ALL.into_iter().find(|profile| profile.name() == text).ok_or(UnknownProfile)
    }
}

/// A scenario and its weight among those of the same operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub scenario: Scenario,
    pub weight: u32,
}

/// For each operation a table of shares. An operation without a table always succeeds.
#[derive(Debug, Clone)]
pub struct Profile {
    name: String,
    hash: String,
    tables: BTreeMap<Operation, Vec<Share>>,
}

impl Profile {
    #[must_use]
    pub fn new(name: impl Into<String>, tables: BTreeMap<Operation, Vec<Share>>) -> Self {
        let hash = hash(&tables);
        Self { name: name.into(), hash, tables }
    }

    #[must_use]
    pub fn built_in(name: ProfileName, catalogue: &Catalogue) -> Self {
        let tables = catalogue.operations().map(|entry| {
            let table = match name {
                ProfileName::Off => vec![Share { scenario: SUCCESS, weight: 100 }],
                ProfileName::Seed => {
                    entry.seed.iter().map(|&(scenario, weight)| Share { scenario, weight }).collect()
                }
            };
            (entry.operation, table)
        });
        Self::new(name.name(), tables.collect())
    }

    /// The name that draws are made with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The table that draws for `operation` walk through.
    #[must_use]
    pub fn table(&self, operation: Operation) -> &[Share] {
        self.tables.get(&operation).map_or(&[], Vec::as_slice)
    }

    /// The operations of one context with their tables.
    pub fn tables_of(&self, context: &str) -> impl Iterator<Item = (Operation, &[Share])> {
        self.tables
            .iter()
            .filter(move |(operation, _)| operation.context() == context)
            .map(|(operation, shares)| (*operation, shares.as_slice()))
    }

    /// The scenario that a drawn number stands for: the number, as a fraction of 2^64, is scaled to the
    /// sum of the weights, and the table is walked until the weights so far exceed it. In integers, so
    /// that no platform rounds otherwise; the bias is below the sum of the weights divided by 2^64.
    #[must_use]
    pub fn choose(&self, operation: Operation, drawn: u64) -> Scenario {
        let table = self.table(operation);
        let total: u128 = table.iter().map(|share| u128::from(share.weight)).sum();
        let point = (u128::from(drawn) * total) >> 64;
        let mut reached = 0;
        for share in table {
            reached += u128::from(share.weight);
            if point < reached {
                return share.scenario;
            }
        }
        SUCCESS
    }
}

/// `name@hash`: which profile, and which content of it.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.hash)
    }
}

/// The first 8 hexadecimal digits of BLAKE3 over the tables' fields, each preceded by its length.
fn hash(tables: &BTreeMap<Operation, Vec<Share>>) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for (operation, shares) in tables {
        field(operation.name().as_bytes());
        for share in shares {
            field(share.scenario.name.as_bytes());
            field(&share.weight.to_le_bytes());
        }
    }
    let mut digits = hasher.finalize().to_hex().to_string();
    digits.truncate(8);
    digits
}

#[cfg(test)]
mod tests {
    use super::{super::scenario::TIMEOUT, *};

    const CAPTURE: Operation = Operation::new("payment.capture");

    fn profile(shares: &[(Scenario, u32)]) -> Profile {
        let table = shares.iter().map(|&(scenario, weight)| Share { scenario, weight }).collect();
        Profile::new("test", BTreeMap::from([(CAPTURE, table)]))
    }

    #[test]
    fn the_range_of_a_draw_is_cut_exactly_where_the_weights_say() {
        let profile = profile(&[(SUCCESS, 3), (TIMEOUT, 1)]);
        let quarter = 1_u64 << 62;
        assert_eq!(profile.choose(CAPTURE, 0), SUCCESS);
        assert_eq!(profile.choose(CAPTURE, 3 * quarter - 1), SUCCESS);
        assert_eq!(profile.choose(CAPTURE, 3 * quarter), TIMEOUT);
        assert_eq!(profile.choose(CAPTURE, u64::MAX), TIMEOUT);
    }

    #[test]
    fn a_weight_of_zero_is_never_drawn() {
        let profile = profile(&[(TIMEOUT, 0), (SUCCESS, 5), (TIMEOUT, 0)]);
        assert_eq!(profile.choose(CAPTURE, 0), SUCCESS);
        assert_eq!(profile.choose(CAPTURE, u64::MAX), SUCCESS);
    }

    #[test]
    fn an_operation_without_a_table_succeeds() {
        assert_eq!(profile(&[]).choose(CAPTURE, 7), SUCCESS);
        assert_eq!(profile(&[]).choose(Operation::new("payment.refund"), 7), SUCCESS);
    }

    #[test]
    fn the_hash_changes_with_any_weight() {
        let hash = |weight| profile(&[(SUCCESS, weight), (TIMEOUT, 1)]).to_string();
        assert_eq!(hash(3), hash(3));
        assert_ne!(hash(3), hash(4));
    }
}
