//! Expiry: authorizations and reservations that ended by time. The ledger has no entry for it, because only the
//! clock decides it.

use std::collections::BTreeMap;

use crate::shared::{
    clock::Timestamp,
    ledger::{NewEntry, Posting},
    money::{Currency, Money},
};

/// The authorizations and reservations that no entry ended, by their ids.
#[derive(Debug, Clone, Default)]
pub struct OpenResources {
    holds: BTreeMap<String, (Money, Timestamp)>,
    reservations: BTreeMap<String, Timestamp>,
}

/// The expired part of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expired {
    /// Minor units.
    pub held: BTreeMap<Currency, i128>,
    pub reserved: i128,
}

impl OpenResources {
    /// Applies the next entry of the ledger.
    pub fn apply(&mut self, entry: &NewEntry) {
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
            Posting::Fulfilled | Posting::Returned | Posting::RestockedInPart | Posting::Restocked => {
                self.reservations.remove(id);
            }
            _ => {}
        }
    }

    /// Returns the part that has expired at `now`.
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
        let mut open = OpenResources::default();
        for (id, posting) in postings {
            open.apply(&NewEntry {
                at: Timestamp::from_millis(0),
                operation: None,
                order: None,
                key: None,
                resource: Some((*id).to_owned()),
                posting: *posting,
            });
        }
        open.expired(Timestamp::from_millis(now))
    }

    #[test]
    fn an_open_resource_expires_and_an_ended_one_does_not() {
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
