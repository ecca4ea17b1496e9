//! The times of a subscription's orders. All times are milliseconds since the Unix epoch, in UTC.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use croner::Cron;
use serde::{Deserialize, Serialize};

/// The rule for the time of the next order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Recurrence {
    /// One order after each interval. The first order's time fixes the grid.
    EveryMs(u64),
    /// A cron expression of five fields.
    Cron(String),
}

/// The reason why a cron expression can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCron {
    #[error("must have five fields, for example 0 9 1 * *")]
    Fields,
    #[error("is no cron expression: {0}")]
    Syntax(String),
    #[error("never comes")]
    Never,
}

impl Recurrence {
    /// Parses a cron expression that has a time after `now`.
    ///
    /// # Errors
    /// Returns the reason why the text can't be used.
    pub fn cron(text: &str, now: i64) -> Result<Self, InvalidCron> {
        if text.split_ascii_whitespace().count() != 5 {
            return Err(InvalidCron::Fields);
        }
        let cron = Cron::from_str(text).map_err(|error| InvalidCron::Syntax(error.to_string()))?;
        next_of(&cron, now).map(|_| Self::Cron(text.to_owned())).ok_or(InvalidCron::Never)
    }

    /// Returns the first time of the grid from `due` on that is after both `due` and `now`. Missed times are not
    /// made up for. Returns `None` if there is none.
    #[must_use]
    pub fn next(&self, due: i64, now: i64) -> Option<i64> {
        match self {
            Self::EveryMs(every) => {
                let every = i64::try_from(*every).ok().filter(|every| *every > 0)?;
                let missed = now.saturating_sub(due).max(0) / every;
                due.checked_add(every.checked_mul(missed.checked_add(1)?)?)
            }
            Self::Cron(text) => next_of(&Cron::from_str(text).ok()?, due.max(now)),
        }
    }
}

fn next_of(cron: &Cron, after: i64) -> Option<i64> {
    let after: DateTime<Utc> = DateTime::from_timestamp_millis(after)?;
    cron.find_next_occurrence(&after, false).ok().map(|next| next.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-11-26T14:00:00Z.
    const NOON: i64 = 1_795_701_600_000;
    const HOUR: i64 = 3_600_000;

    #[test]
    fn an_interval_keeps_its_grid_and_skips_missed_times() {
        let hourly = Recurrence::EveryMs(3_600_000);
        assert_eq!(hourly.next(NOON, NOON), Some(NOON + HOUR));
        assert_eq!(hourly.next(NOON, NOON + 1), Some(NOON + HOUR));
        assert_eq!(hourly.next(NOON, NOON + 5 * HOUR / 2), Some(NOON + 3 * HOUR));
        assert_eq!(hourly.next(NOON, NOON - HOUR), Some(NOON + HOUR));
    }

    #[test]
    fn a_cron_expression_is_read_in_utc() {
        let daily = Recurrence::cron("30 14 * * *", NOON).unwrap();
        assert_eq!(daily.next(NOON, NOON), Some(NOON + HOUR / 2));
        assert_eq!(daily.next(NOON, NOON + HOUR), Some(NOON + HOUR / 2 + 24 * HOUR));
    }

    #[test]
    fn a_cron_expression_that_cannot_be_used_is_refused() {
        assert_eq!(Recurrence::cron("* * * *", NOON), Err(InvalidCron::Fields));
        assert_eq!(Recurrence::cron("* * * * * *", NOON), Err(InvalidCron::Fields));
        assert!(matches!(Recurrence::cron("61 * * * *", NOON), Err(InvalidCron::Syntax(_))));
        assert_eq!(Recurrence::cron("0 0 31 2 *", NOON), Err(InvalidCron::Never));
    }

    proptest! {
        #[test]
        fn the_next_time_is_on_the_grid_and_in_the_future(
            every in 1_u64..1_000_000_000,
            due in 0_i64..10_000_000_000_000,
            late in -1_000_000_000_i64..1_000_000_000_000,
        ) {
            let next = Recurrence::EveryMs(every).next(due, due + late).unwrap();
            let grid = i64::try_from(every).unwrap();
            prop_assert!(next > due && next > due + late);
            prop_assert_eq!((next - due) % grid, 0);
            prop_assert!(next - grid <= due.max(due + late));
        }
    }
}
