//! A profile: the weights of the scenarios of each operation.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc, time::Duration};

use super::{
    catalogue::{Catalogue, OperationChaos},
    scenario::{
        CONNECTION_RESET, CONNECTION_RESET_AFTER_COMMIT, INTERNAL_ERROR, MALFORMED_JSON,
        MALFORMED_JSON_AFTER_COMMIT, RATE_LIMITED, SUCCESS, Scenario, TIMEOUT, TIMEOUT_AFTER_COMMIT,
        TRUNCATED_BODY, TRUNCATED_BODY_AFTER_COMMIT,
    },
};
use crate::shared::operation::Operation;

/// The profiles that are built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileName {
    /// Nothing fails.
    Off,
    /// Two faults in a hundred. A retry with the same key recovers from each.
    Calm,
    /// The default weights of every context's own table.
    Seed,
    /// `seed`, and a fifth of all answers lost or broken on the wire.
    Hostile,
    /// Shipping is down: by then the money is taken and the stock reserved, and both must come back.
    Outage,
}

/// The weights have a sum of 200, so half a percent is an integer.
const CALM: &[(Scenario, u32)] =
    &[(SUCCESS, 196), (TIMEOUT, 1), (TIMEOUT_AFTER_COMMIT, 1), (INTERNAL_ERROR, 1), (RATE_LIMITED, 1)];
/// The weights that `hostile` adds to the hundred of `seed`.
const HOSTILE_EXTRA: &[(Scenario, u32)] = &[
    (CONNECTION_RESET, 5),
    (CONNECTION_RESET_AFTER_COMMIT, 5),
    (TRUNCATED_BODY, 2),
    (TRUNCATED_BODY_AFTER_COMMIT, 3),
    (MALFORMED_JSON, 2),
    (MALFORMED_JSON_AFTER_COMMIT, 3),
    (RATE_LIMITED, 5),
];
/// The context that `outage` takes down.
const OUTAGE_CONTEXT: &str = "shipping";
const OUTAGE: &[(Scenario, u32)] = &[(CONNECTION_RESET, 50), (INTERNAL_ERROR, 30), (TIMEOUT, 20)];
const ALWAYS_SUCCEEDS: &[(Scenario, u32)] = &[(SUCCESS, 100)];

impl ProfileName {
    pub const ALL: [Self; 5] = [Self::Off, Self::Calm, Self::Seed, Self::Hostile, Self::Outage];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Calm => "calm",
            Self::Seed => "seed",
            Self::Hostile => "hostile",
            Self::Outage => "outage",
        }
    }

    fn table(self, entry: &OperationChaos) -> Vec<Share> {
        let OperationChaos { operation, seed, is_delivery } = *entry;
        match self {
            Self::Calm if is_delivery => shares(ALWAYS_SUCCEEDS),
            Self::Calm => shares(CALM),
            Self::Seed => shares(seed),
            Self::Hostile if is_delivery => shares(seed),
            Self::Hostile => [shares(seed), shares(HOSTILE_EXTRA)].concat(),
            Self::Outage if operation.context() == OUTAGE_CONTEXT => shares(OUTAGE),
            Self::Off | Self::Outage => shares(ALWAYS_SUCCEEDS),
        }
    }
}

fn shares(table: &[(Scenario, u32)]) -> Vec<Share> {
    table.iter().map(|&(scenario, weight)| Share::new(scenario, Weight::from_units(weight))).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of off, calm, seed, hostile, outage, or the path of a .toml or .json file")]
pub struct UnknownProfile;

impl FromStr for ProfileName {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        Self::ALL.into_iter().find(|profile| profile.name() == text).ok_or(UnknownProfile)
    }
}

/// The size of a scenario's share: a number from 0 to 1 000 000 with at most six decimals. It is an integer of
/// millionths, so no platform rounds it differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u64);

impl Weight {
    pub const ZERO: Self = Self(0);
    const DECIMALS: u32 = 6;
    const MAXIMUM: u64 = 1_000_000 * 1_000_000;

    #[must_use]
    pub const fn from_units(weight: u32) -> Self {
        Self(weight as u64 * 1_000_000)
    }

    #[must_use]
    pub const fn from_millionths(millionths: u64) -> Self {
        Self(millionths)
    }

    /// Returns `mantissa` divided by ten to the power of `scale`, or none if that is not a weight.
    #[must_use]
    pub fn decimal(mantissa: i128, scale: u32) -> Option<Self> {
        let factor = 10_i128.checked_pow(Self::DECIMALS.checked_sub(scale)?)?;
        let millionths = u64::try_from(mantissa.checked_mul(factor)?).ok()?;
        (millionths <= Self::MAXIMUM).then_some(Self(millionths))
    }

    #[must_use]
    pub const fn as_millionths(self) -> u64 {
        self.0
    }
}

/// Writes `40` or `0.5`, without trailing zeros.
impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / 1_000_000, self.0 % 1_000_000);
        write!(f, "{whole}")?;
        if fraction > 0 {
            write!(f, ".{}", format!("{fraction:06}").trim_end_matches('0'))?;
        }
        Ok(())
    }
}

/// A scenario and its weight among those of the same operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub scenario: Scenario,
    pub weight: Weight,
    /// The delay of an answer that was drawn from this share, if it is not the usual one.
    pub delay: Option<Duration>,
}

impl Share {
    #[must_use]
    pub const fn new(scenario: Scenario, weight: Weight) -> Self {
        Self { scenario, weight, delay: None }
    }
}

/// A table of shares for each operation. An operation without a table always succeeds.
#[derive(Debug, Clone)]
pub struct Profile {
    name: String,
    /// `name@hash`.
    version: Arc<str>,
    tables: BTreeMap<Operation, Vec<Share>>,
}

impl Profile {
    #[must_use]
    pub fn new(name: impl Into<String>, tables: BTreeMap<Operation, Vec<Share>>) -> Self {
        let name = name.into();
        let version = format!("{name}@{}", hash(&tables)).into();
        Self { name, version, tables }
    }

    #[must_use]
    pub fn built_in(name: ProfileName, catalogue: &Catalogue) -> Self {
        let tables = catalogue.operations().map(|entry| (entry.operation, name.table(entry)));
        Self::new(name.name(), tables.collect())
    }

    /// Returns the name that draws depend on.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns `name@hash`, which identifies the profile and its content.
    #[must_use]
    pub const fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// Returns the table of an operation.
    #[must_use]
    pub fn table(&self, operation: Operation) -> &[Share] {
        self.tables.get(&operation).map_or(&[], Vec::as_slice)
    }

    /// Returns all operations with their tables.
    pub fn tables(&self) -> impl Iterator<Item = (Operation, &[Share])> {
        self.tables.iter().map(|(operation, shares)| (*operation, shares.as_slice()))
    }

    /// Returns the operations of one context with their tables.
    pub fn tables_of(&self, context: &str) -> impl Iterator<Item = (Operation, &[Share])> {
        self.tables().filter(move |(operation, _)| operation.context() == context)
    }

    /// Returns the scenario of a drawn number. The number, as a fraction of 2^64, is scaled to the sum of the
    /// weights. The first share at which the running sum exceeds it is chosen. The arithmetic is in integers,
    /// so no platform rounds differently. The bias is below the sum of the weights divided by 2^64.
    #[must_use]
    pub fn choose(&self, operation: Operation, drawn: u64) -> Scenario {
        self.share(operation, drawn).map_or(SUCCESS, |share| share.scenario)
    }

    /// Returns the share of a drawn number, see [`choose`](Self::choose), or none without a table.
    #[must_use]
    pub fn share(&self, operation: Operation, drawn: u64) -> Option<&Share> {
        let table = self.table(operation);
        let total: u128 = table.iter().map(|share| u128::from(share.weight.as_millionths())).sum();
        let point = (u128::from(drawn) * total) >> 64;
        let mut reached = 0;
        table.iter().find(|share| {
            reached += u128::from(share.weight.as_millionths());
            point < reached
        })
    }
}

/// `name@hash`.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.version)
    }
}

/// Returns the first 8 hexadecimal digits of BLAKE3 over the tables' fields, each preceded by its length.
#[expect(clippy::disallowed_methods, reason = "the hash names a profile")]
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
            field(&share.weight.as_millionths().to_le_bytes());
            // Profiles without delays keep their old hash.
            if let Some(delay) = share.delay {
                field(&delay.as_millis().to_le_bytes());
            }
        }
    }
    let mut digits = hasher.finalize().to_hex().to_string();
    digits.truncate(8);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTURE: Operation = Operation::new("payment.capture");

    fn profile(table: &[(Scenario, u32)]) -> Profile {
        Profile::new("test", BTreeMap::from([(CAPTURE, shares(table))]))
    }

    #[test]
    fn the_weights_divide_the_range_of_a_draw_exactly() {
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

    #[test]
    fn a_delay_changes_the_hash_and_no_draw() {
        let mut table = shares(&[(SUCCESS, 3), (TIMEOUT, 1)]);
        let prompt = Profile::new("test", BTreeMap::from([(CAPTURE, table.clone())]));
        table[0].delay = Some(Duration::from_millis(7));
        let slow = Profile::new("test", BTreeMap::from([(CAPTURE, table)]));
        assert_ne!(slow.to_string(), prompt.to_string());
        for drawn in [0, 1 << 62, 3 << 62, u64::MAX] {
            assert_eq!(slow.choose(CAPTURE, drawn), prompt.choose(CAPTURE, drawn));
        }
    }

    #[test]
    fn a_weight_has_up_to_six_decimals_and_is_written_as_it_was_read() {
        for (mantissa, scale, text) in
            [(0, 0, "0"), (40, 0, "40"), (995, 1, "99.5"), (1, 6, "0.000001"), (1_000_000, 0, "1000000")]
        {
            assert_eq!(Weight::decimal(mantissa, scale).unwrap().to_string(), text);
        }
        for (mantissa, scale) in [(-1, 0), (1, 7), (1_000_001, 0), (i128::MAX, 0)] {
            assert_eq!(Weight::decimal(mantissa, scale), None);
        }
    }

    #[test]
    fn calm_fails_two_in_a_hundred() {
        let total: u32 = CALM.iter().map(|(_, weight)| weight).sum();
        assert_eq!(CALM[0], (SUCCESS, total * 98 / 100));
    }
}
