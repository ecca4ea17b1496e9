//! The draw: a number that depends on nothing but what it is drawn for, so that the same order meets
//! the same fate under any concurrency, order of arrival and version of this program.

use crate::shared::{operation::Operation, run::RunName};

/// The first 8 bytes, read big-endian, of BLAKE3 over five fields: seed, profile name, operation, chaos
/// key, attempt. Each field is preceded by its length in bytes; lengths and numbers are 64-bit
/// little-endian. The profile counts by its name alone, so that changing one weight moves only the
/// decisions next to that weight's borders.
#[must_use]
pub fn draw(seed: u64, profile: &str, operation: Operation, key: &str, attempt: u32) -> u64 {
    first_bytes(&[
        &seed.to_le_bytes(),
        profile.as_bytes(),
        operation.name().as_bytes(),
        key.as_bytes(),
        &u64::from(attempt).to_le_bytes(),
    ])
}

/// The seed of a run that brings none: it follows from the server's and its name, so that the same suite
/// meets the same fate next time.
#[must_use]
pub fn seed_of_run(server: u64, run: &RunName) -> u64 {
    first_bytes(&[b"run", &server.to_le_bytes(), run.as_str().as_bytes()])
}

#[expect(clippy::disallowed_methods, reason = "chaos draws")]
fn first_bytes(fields: &[&[u8]]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for field in fields {
        hasher.update(&(field.len() as u64).to_le_bytes());
        hasher.update(field);
    }
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    u64::from_be_bytes(first)
}

/// Returns a seed that nobody can foresee. Each of its bits is random.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the seed of a provider that has none configured")]
pub fn random_seed() -> u64 {
    rand::random()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTURE: Operation = Operation::new("payment.capture");
    const AUTHORIZE: Operation = Operation::new("payment.authorize");

    /// If one of these changes, every seed that anybody wrote down has lost its meaning. They were computed
    /// by another implementation of BLAKE3, from the description above.
    #[test]
    fn golden_vectors_hold() {
        let vectors = [
            (draw(0, "seed", AUTHORIZE, "order-1", 1), 0x290f_43f5_57f8_d785),
            (draw(42, "seed", AUTHORIZE, "order-1", 1), 0x6765_09b6_0695_7b2f),
            (draw(42, "seed", AUTHORIZE, "order-1", 2), 0x881b_04dc_9cb9_2bdb),
            (draw(42, "seed", CAPTURE, "order-1", 1), 0xebef_5f37_e510_0fec),
            (draw(42, "off", CAPTURE, "order-1", 1), 0x7bff_ddd6_46f5_a752),
            (draw(u64::MAX, "seed", CAPTURE, "wf/run/é", u32::MAX), 0x7eae_4835_2504_ef77),
        ];
        for (index, (drawn, golden)) in vectors.into_iter().enumerate() {
            assert_eq!(drawn, golden, "vector {index}: {drawn:#018x}");
        }
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let operation = Operation::new("a");
        let joined = Operation::new("ab");
        assert_ne!(draw(1, "p", operation, "bc", 1), draw(1, "p", joined, "c", 1));
        assert_ne!(draw(1, "pa", Operation::new("b"), "c", 1), draw(1, "p", joined, "c", 1));
    }

    #[test]
    fn no_bit_of_a_random_seed_is_fixed() {
        let (ones, zeros) =
            (0..256).map(|_| random_seed()).fold((0, 0), |(ones, zeros), seed| (ones | seed, zeros | !seed));
        assert_eq!((ones, zeros), (u64::MAX, u64::MAX));
    }
}
