//! What ended by itself: holds and reservations whose time is over. The ledger has no entry for it, since it
//! is a matter of the clock alone.

use std::collections::BTreeMap;

use crate::shared::{
    clock::Timestamp,
    ledger::{NewEntry, Posting},
    money::{Currency, Money},
};

/// The holds and reservations that nothing ended yet, by their ids.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    holds: BTreeMap<String, (Money, Timestamp)>,
    reservations: BTreeMap<String, Timestamp>,
}

/// What of them is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expired {
    /// Minor units.
    pub held: BTreeMap<Currency, i128>,
    pub reserved: i128,
}

impl Standing {
    /// Takes in the next entry of the ledger.
    pub fn see(&mut self, entry: &NewEntry) {
        let Some(id) = &entry.resource else { return };
        match entry.posting {
            Posting::Held { money, until } => {
                self.holds.insert(id.clone(), (money, until));
            }
            Posting::Captured(_) | Posting::Released(_) => {
                self.holds.remove(id);
            }
            Posting::Reserved { until } => {
                self.reservations.insert(id.clone(), until);
            }
            Posting::Fulfilled | Posting::Returned => {
                self.reservations.remove(id);
            }
            _ => {}
        }
    }

    #[must_use]
    pub fn expired(&self, now: Timestamp) -> Expired {
        let mut expired = Expired::default();
        for (money, _) in self.holds.values().filter(|(_, until)| now >= *until) {
            *expired.held.entry(money.currency).or_default() += i128::from(money.amount.minor_units());
        }
        expired.reserved = self.reservations.values().filter(|until| now >= **until).map(|_| 1).sum();
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::money::Amount;

    const UNTIL: Timestamp = Timestamp::from_millis(1_000);

    fn expired(postings: &[(&str, Posting)], now: i64) -> Expired {
        let mut standing = Standing::default();
        for (id, posting) in postings {
            standing.see(&NewEntry {
                at: Timestamp::from_millis(0),
                operation: None,
                order: None,
                key: None,
                resource: Some((*id).to_owned()),
                posting: *posting,
            });
        }
        standing.expired(Timestamp::from_millis(now))
    }

    #[test]
    fn only_what_still_stood_when_its_time_came_has_expired() {
        let money = Money { amount: Amount::new(5), currency: Currency::Eur };
        let postings = [
            ("a", Posting::Held { money, until: UNTIL }),
            ("b", Posting::Held { money, until: UNTIL }),
            ("b", Posting::Captured(money)),
            ("c", Posting::Held { money, until: UNTIL }),
            ("c", Posting::Released(money)),
            ("r", Posting::Reserved { until: UNTIL }),
            ("s", Posting::Reserved { until: UNTIL }),
            ("s", Posting::Fulfilled),
            ("t", Posting::Reserved { until: UNTIL }),
            ("t", Posting::Returned),
        ];
        assert_eq!(expired(&postings, 999), Expired::default());
        let found = expired(&postings, 1_000);
        assert_eq!((found.held, found.reserved), (BTreeMap::from([(Currency::Eur, 5)]), 1));
    }
}
