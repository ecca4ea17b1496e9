//! Workflow time in messages and states.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Formats a time by RFC 3339, in UTC with milliseconds. A workflow's time is that of its event, so a replay
/// has the same.
#[must_use]
pub fn rfc3339(at: Option<SystemTime>) -> String {
    format!("{:.3}", Timestamp::from_millisecond(millis(at)).unwrap_or(Timestamp::MAX))
}

/// Returns a time in milliseconds since the Unix epoch.
#[must_use]
pub fn millis(at: Option<SystemTime>) -> i64 {
    let since_epoch = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn workflow_time_is_written_with_milliseconds() {
        let at = UNIX_EPOCH + Duration::from_millis(1_764_000_000_007);
        assert_eq!(rfc3339(Some(at)), "2025-11-24T16:00:00.007Z");
    }
}
