//! The time format of all bodies: RFC 3339 in UTC, with milliseconds and `Z`.

use std::time::Duration;

use jiff::Timestamp;

/// Returns the current time, for example `2026-11-23T20:27:54.123Z`.
#[must_use]
pub fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

/// Formats a time in milliseconds since the Unix epoch. A time outside the range of RFC 3339 becomes the nearest
/// one inside.
#[must_use]
pub fn from_millis(millis: i64) -> String {
    let nearest = if millis < 0 { Timestamp::MIN } else { Timestamp::MAX };
    format!("{:.3}", Timestamp::from_millisecond(millis).unwrap_or(nearest))
}

/// Parses a time by RFC 3339, to milliseconds since the Unix epoch.
#[must_use]
pub fn to_millis(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// Formats a duration in milliseconds as the configuration reads it, for example `30days` or `1h 30m`.
#[must_use]
pub fn duration_text(millis: u64) -> String {
    humantime::format_duration(Duration::from_millis(millis)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_exactly_three_decimals_and_a_z() {
        assert_eq!(from_millis(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(from_millis(1_764_000_000_007), "2025-11-24T16:00:00.007Z");
    }

    #[test]
    fn a_time_out_of_range_becomes_the_nearest_valid_one() {
        assert!(from_millis(i64::MAX).ends_with('Z'));
        assert!(from_millis(i64::MIN).ends_with('Z'));
    }
}
