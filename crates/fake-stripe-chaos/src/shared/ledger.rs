//! The ledger: every effect in its order. Entries are only added.

use std::collections::BTreeMap;

use crate::shared::{
    clock::Timestamp,
    ids::{Key, OrderId},
    money::{Amount, Currency, Money},
    operation::Operation,
    store::StoreError,
};

/// The effect of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posting {
    /// An amount is authorized until a time.
    Held {
        money: Money,
        until: Timestamp,
    },
    Captured(Money),
    /// The authorization is voided.
    Released(Money),
    Refunded(Money),
    /// Stock is reserved until a time.
    Reserved {
        until: Timestamp,
    },
    /// The order shipped and used its reservation.
    Fulfilled,
    /// The stock is returned, because the order does not need it.
    Returned,
    /// The customer sent back a part of the stock.
    RestockedInPart,
    /// The customer has sent back all of the stock.
    Restocked,
    Labelled,
    LabelCancelled,
    /// There is a label for the way back.
    ReturnLabelled,
    ReturnLabelCancelled,
    Notified,
    /// The key was undone before it was executed. It must never have an effect.
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
            Self::RestockedInPart => "restocked_in_part",
            Self::Restocked => "restocked",
            Self::Labelled => "labelled",
            Self::LabelCancelled => "label_cancelled",
            Self::ReturnLabelled => "return_labelled",
            Self::ReturnLabelCancelled => "return_label_cancelled",
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

/// An entry without a place in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    pub at: Timestamp,
    /// None for the effect of a recorded outcome.
    pub operation: Option<Operation>,
    pub order: Option<OrderId>,
    /// The idempotency key of the request. For a tombstone, the undone key.
    pub key: Option<Key>,
    /// The id of the payment, reservation, label or notification. A tombstone has none.
    pub resource: Option<String>,
    pub posting: Posting,
}

/// An entry and its place, counted from 1 without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub sequence: u64,
    pub entry: NewEntry,
}

/// The sums of one currency, in minor units. They are wide and signed, so no sum overflows, and a wrong ledger
/// shows as a negative number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MoneyTotals {
    /// Authorized at present: neither captured nor voided.
    pub held: i128,
    pub captured: i128,
    pub refunded: i128,
    pub released: i128,
}

/// The sums of all entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    pub money: BTreeMap<Currency, MoneyTotals>,
    /// Reserved at present: neither used nor returned.
    pub reserved: i128,
    pub fulfilled: i128,
    pub returned: i128,
    /// Labels that are not cancelled.
    pub labels: i128,
    pub labels_cancelled: i128,
    /// Reservations whose stock came back as a whole.
    pub restocked: i128,
    /// Labels for the way back that are not cancelled.
    pub return_labels: i128,
    pub return_labels_cancelled: i128,
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
            Posting::Restocked => self.restocked += 1,
            Posting::ReturnLabelled => self.return_labels += 1,
            Posting::ReturnLabelCancelled => {
                self.return_labels -= 1;
                self.return_labels_cancelled += 1;
            }
            Posting::Notified => self.notifications += 1,
            _ => {}
        }
    }
}

/// The ledger in the store.
pub trait Ledger {
    /// Appends an entry, adds it to the totals, and returns its sequence number. It also adds the entry's order, so
    /// the verdict checks every effect.
    ///
    /// # Errors
    /// When the store fails.
    fn append(&mut self, entry: NewEntry) -> Result<u64, StoreError>;

    /// Returns the entries of one order, or those without an order, in the order of time.
    ///
    /// # Errors
    /// When the store fails.
    fn entries_for(&self, order: Option<&OrderId>) -> Result<Vec<Entry>, StoreError>;

    /// Visits every entry in the order of time.
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
    fn a_capture_reduces_the_authorized_amount_and_a_refund_does_not() {
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
