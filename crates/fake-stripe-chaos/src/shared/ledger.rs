//! The ledger: every effect there ever was, in the order in which it happened, never changed.

use std::collections::BTreeMap;

use crate::shared::{
    clock::Timestamp,
    ids::{Key, OrderId},
    money::{Amount, Currency, Money},
    operation::Operation,
    store::StoreError,
};

/// What an entry says happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posting {
    /// Money is held for a capture until a time.
    Held {
        money: Money,
        until: Timestamp,
    },
    Captured(Money),
    /// What was held is free again.
    Released(Money),
    Refunded(Money),
    /// Stock is reserved until a time.
    Reserved {
        until: Timestamp,
    },
    /// The order shipped, so its reservation was used.
    Fulfilled,
    /// The stock is free again.
    Returned,
    Labelled,
    LabelCancelled,
    Notified,
    /// The key of the entry was undone before it was executed; it must never have an effect.
    Tombstoned,
}

impl Posting {
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::Captured(_) => "captured",
            Self::Released(_) => "released",
            Self::Refunded(_) => "refunded",
            Self::Reserved { .. } => "reserved",
            Self::Fulfilled => "fulfilled",
            Self::Returned => "returned",
            Self::Labelled => "labelled",
            Self::LabelCancelled => "label_cancelled",
            Self::Notified => "notified",
            Self::Tombstoned => "tombstoned",
        }
    }

    #[must_use]
    pub const fn money(&self) -> Option<Money> {
        match self {
            Self::Held { money, .. }
            | Self::Captured(money)
            | Self::Released(money)
            | Self::Refunded(money) => Some(*money),
            _ => None,
        }
    }
}

/// An entry that has no place in the ledger yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    pub at: Timestamp,
    /// Nothing where somebody outside caused it: an outcome that was told.
    pub operation: Option<Operation>,
    pub order: Option<OrderId>,
    /// The idempotency key of the request that caused it; for a tombstone, the key that is undone.
    pub key: Option<Key>,
    /// What it happened to: a payment's, reservation's, label's or notification's id. A tombstone has none.
    pub resource: Option<String>,
    pub posting: Posting,
}

/// An entry and its place, counted from 1 without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub sequence: u64,
    pub entry: NewEntry,
}

/// The sums of one currency, in minor units. Wide and signed, so that no sum of entries overflows and a
/// ledger that went wrong shows as a negative number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MoneyTotals {
    /// Held now: neither captured nor released.
    pub held: i128,
    pub captured: i128,
    pub refunded: i128,
    pub released: i128,
}

/// The sums of all entries, kept along with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    pub money: BTreeMap<Currency, MoneyTotals>,
    /// Reserved now: neither used nor returned.
    pub reserved: i128,
    pub fulfilled: i128,
    pub returned: i128,
    /// Labels that are open now.
    pub labels: i128,
    pub labels_cancelled: i128,
    pub notifications: i128,
}

impl Totals {
    #[must_use]
    pub fn from_postings<'a>(postings: impl IntoIterator<Item = &'a Posting>) -> Self {
        let mut totals = Self::default();
        postings.into_iter().for_each(|posting| totals.post(posting));
        totals
    }

    pub fn post(&mut self, posting: &Posting) {
        let units = |amount: Amount| i128::from(amount.minor_units());
        if let Some(money) = posting.money() {
            let (sums, units) = (self.money.entry(money.currency).or_default(), units(money.amount));
            match posting {
                Posting::Held { .. } => sums.held += units,
                Posting::Captured(_) => {
                    sums.held -= units;
                    sums.captured += units;
                }
                Posting::Released(_) => {
                    sums.held -= units;
                    sums.released += units;
                }
                Posting::Refunded(_) => sums.refunded += units,
                _ => {}
            }
        }
        match posting {
            Posting::Reserved { .. } => self.reserved += 1,
            Posting::Fulfilled => {
                self.reserved -= 1;
                self.fulfilled += 1;
            }
            Posting::Returned => {
                self.reserved -= 1;
                self.returned += 1;
            }
            Posting::Labelled => self.labels += 1,
            Posting::LabelCancelled => {
                self.labels -= 1;
                self.labels_cancelled += 1;
            }
            Posting::Notified => self.notifications += 1,
            _ => {}
        }
    }
}

/// The ledger in the store.
pub trait Ledger {
    /// Appends, adds to the totals, and gives the entry's sequence. The entry's order is known from then
    /// on, so that no effect escapes the verdict.
    ///
    /// # Errors
    /// When the store fails.
    fn append(&mut self, entry: NewEntry) -> Result<u64, StoreError>;

    /// The entries of one order, or those of none, in time order.
    ///
    /// # Errors
    /// When the store fails.
    fn entries_for(&self, order: Option<&OrderId>) -> Result<Vec<Entry>, StoreError>;

    /// Shows every entry, in time order.
    ///
    /// # Errors
    /// When the store fails.
    fn visit_entries(&self, see: &mut dyn FnMut(&Entry)) -> Result<(), StoreError>;

    /// # Errors
    /// When the store fails.
    fn totals(&self) -> Result<Totals, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_moves_money_out_of_what_is_held_and_a_refund_does_not_touch_it() {
        let money = |minor_units| Money { amount: Amount::new(minor_units), currency: Currency::Eur };
        let until = Timestamp::from_millis(0);
        let totals = Totals::from_postings(&[
            Posting::Held { money: money(500), until },
            Posting::Held { money: money(70), until },
            Posting::Captured(money(500)),
            Posting::Refunded(money(200)),
            Posting::Released(money(70)),
        ]);
        let expected = MoneyTotals { held: 0, captured: 500, refunded: 200, released: 70 };
        assert_eq!(totals.money, BTreeMap::from([(Currency::Eur, expected)]));
    }
}
