//! The audit: whether what was drawn fits the weights it was drawn by (Pearson's chi-square test).

/// Draws that deviate as much as these do once in a thousand times by pure chance are called deviating.
pub const SIGNIFICANCE: f64 = 0.001;
/// The test means nothing where a scenario is to be expected less often than this.
const LEAST_EXPECTED: f64 = 5.0;

/// How often a scenario was drawn, and its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedDraws {
    pub drawn: u64,
    /// Millionths.
    pub weight: u64,
}

/// What the test comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AuditResult {
    pub chi_square: f64,
    pub degrees_of_freedom: u32,
    /// How probable it is that fair draws deviate as much as these, or more.
    pub p_value: f64,
    pub verdict: AuditVerdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditVerdict {
    Fits,
    Deviates,
    TooFewDraws,
}

impl AuditVerdict {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Deviates => "deviates",
            Self::TooFewDraws => "too_few_draws",
        }
    }
}

/// Compares draws with weights. What has no weight isn't expected at all: one such draw deviates.
#[must_use]
pub fn chi_square_test(observed: &[ObservedDraws]) -> AuditResult {
    let drawn: u64 = observed.iter().map(|scenario| scenario.drawn).sum();
    let weights: u64 = observed.iter().map(|scenario| scenario.weight).sum();
    let (mut chi_square, mut expected_least, mut kinds, mut impossible) = (0.0, f64::INFINITY, 0_u32, false);
    for scenario in observed {
        if scenario.weight == 0 {
            impossible |= scenario.drawn > 0;
            continue;
        }
        let expected = as_f64(drawn) * as_f64(scenario.weight) / as_f64(weights);
        chi_square += (as_f64(scenario.drawn) - expected).powi(2) / expected.max(f64::MIN_POSITIVE);
        expected_least = expected.min(expected_least);
        kinds += 1;
    }
    let degrees_of_freedom = kinds.saturating_sub(1);
    let p_value = if impossible { 0.0 } else { p_value_of(chi_square, degrees_of_freedom) };
    let verdict = if impossible {
        AuditVerdict::Deviates
    } else if drawn == 0 || expected_least < LEAST_EXPECTED {
        AuditVerdict::TooFewDraws
    } else if p_value < SIGNIFICANCE {
        AuditVerdict::Deviates
    } else {
        AuditVerdict::Fits
    };
    AuditResult { chi_square, degrees_of_freedom, p_value, verdict }
}

#[allow(clippy::cast_precision_loss, reason = "beyond 2^53 draws a share needs no more digits")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

/// The probability that a chi-square distributed number of so many degrees of freedom is greater: the
/// regularized upper incomplete gamma function of half of both.
fn p_value_of(chi_square: f64, degrees_of_freedom: u32) -> f64 {
    if degrees_of_freedom == 0 || chi_square <= 0.0 {
        return 1.0;
    }
    let (shape, x) = (f64::from(degrees_of_freedom) / 2.0, chi_square / 2.0);
    let scale = (shape * x.ln() - x - ln_gamma_of_half(degrees_of_freedom)).exp();
    if x < shape + 1.0 { 1.0 - scale * lower_series(shape, x) } else { scale * upper_fraction(shape, x) }
}

/// The logarithm of the gamma function at half of a whole number from 1 on, by its recurrence.
fn ln_gamma_of_half(twice: u32) -> f64 {
    let start = if twice.is_multiple_of(2) { 0.0 } else { std::f64::consts::PI.sqrt().ln() };
    let first = if twice.is_multiple_of(2) { 2 } else { 1 };
    (first..twice).step_by(2).map(|step| (f64::from(step) / 2.0).ln()).sum::<f64>() + start
}

/// The power series of the lower incomplete gamma function, without its leading factor.
fn lower_series(shape: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut next) = (1.0 / shape, 1.0 / shape, shape);
    while term > sum * f64::EPSILON {
        next += 1.0;
        term *= x / next;
        sum += term;
    }
    sum
}

/// The continued fraction of the upper incomplete gamma function, without its leading factor, evaluated
/// from a depth at which it has settled for every `x` above `shape + 1`.
fn upper_fraction(shape: f64, x: f64) -> f64 {
    const DEPTH: u32 = 200;
    let tail = (1..=DEPTH).rev().fold(0.0, |tail, step| {
        let step = f64::from(step);
        step * (shape - step) / (x + 2.0 * step + 1.0 - shape + tail)
    });
    1.0 / (x + 1.0 - shape + tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(counts: &[(u64, u64)]) -> Vec<ObservedDraws> {
        counts.iter().map(|&(drawn, weight)| ObservedDraws { drawn, weight }).collect()
    }

    /// From the usual tables of critical values.
    #[test]
    fn the_probabilities_are_those_of_the_tables() {
        for (chi_square, degrees, p) in [
            (3.841, 1, 0.05),
            (6.635, 1, 0.01),
            (5.991, 2, 0.05),
            (9.488, 4, 0.05),
            (18.467, 4, 0.001),
            (0.711, 4, 0.95),
            (18.307, 10, 0.05),
            (29.588, 10, 0.001),
            (3.940, 10, 0.95),
        ] {
            let found = p_value_of(chi_square, degrees);
            assert!((found - p).abs() < p * 0.005 + 1e-5, "{chi_square} of {degrees}: {found} is not {p}");
        }
        assert!(p_value_of(10_000.0, 4) < 1e-300);
    }

    #[test]
    fn draws_as_the_weights_say_fit_and_others_deviate() {
        assert_eq!(chi_square_test(&observed(&[(40, 40), (60, 60)])).verdict, AuditVerdict::Fits);
        let off = chi_square_test(&observed(&[(4_300, 40), (5_700, 60)]));
        assert_eq!((off.verdict, off.degrees_of_freedom), (AuditVerdict::Deviates, 1));
        assert!((off.chi_square - 37.5).abs() < 1e-9, "{off:?}");
    }

    #[test]
    fn what_has_no_weight_may_not_be_drawn() {
        assert_eq!(chi_square_test(&observed(&[(1, 0), (99_999, 5)])).verdict, AuditVerdict::Deviates);
        assert_eq!(chi_square_test(&observed(&[(0, 0), (99_999, 5)])).verdict, AuditVerdict::Fits);
    }

    #[test]
    fn few_draws_prove_nothing() {
        assert_eq!(chi_square_test(&[]).verdict, AuditVerdict::TooFewDraws);
        assert_eq!(chi_square_test(&observed(&[(9, 50), (0, 50)])).verdict, AuditVerdict::TooFewDraws);
        assert_eq!(chi_square_test(&observed(&[(5, 50), (5, 50)])).verdict, AuditVerdict::Fits);
    }
}
