//! What the ledger knows of one order, and what that comes to.

use std::collections::BTreeMap;

use crate::shared::{
    clock::Timestamp,
    ids::{Key, OrderId},
    ledger::{Entry, Posting},
    money::{Currency, Money},
    orders::Told,
};

/// All there is about one order, or about everything that belongs to none.
#[derive(Debug, Clone)]
pub struct Facts {
    pub order: Option<OrderId>,
    pub told: Option<Told>,
    /// In time order.
    pub entries: Vec<Entry>,
    /// Which of the entries' keys are buried, and by which entry.
    pub tombstones: BTreeMap<Key, u64>,
    pub now: Timestamp,
}

/// What the entries of one payment come to, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PaymentSums {
    pub authorized: i128,
    pub captured: i128,
    pub refunded: i128,
    pub released: i128,
    /// When the last hold ends by itself.
    pub until: Option<Timestamp>,
}

impl PaymentSums {
    #[must_use]
    pub const fn net(&self) -> i128 {
        self.captured - self.refunded
    }

    /// What is held at a time.
    #[must_use]
    pub fn held(&self, now: Timestamp) -> i128 {
        let expired = self.until.is_some_and(|until| now >= until);
        if expired { 0 } else { self.authorized - self.captured - self.released }
    }
}

/// What the entries of one reservation or label come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Standing {
    made: bool,
    ended: bool,
    used: bool,
    until: Option<Timestamp>,
}

impl Standing {
    fn is_live(self, now: Timestamp) -> bool {
        let expired = self.until.is_some_and(|until| now >= until);
        self.made && !self.ended && (self.used || !expired)
    }
}

impl Facts {
    fn of_resources(&self) -> impl Iterator<Item = (&str, Posting)> {
        self.entries
            .iter()
            .filter_map(|entry| entry.entry.resource.as_deref().map(|id| (id, entry.entry.posting)))
    }

    /// Returns the sums of each payment, by its id. Where a payment has entries in several currencies, which
    /// may never be, it has sums in each: nothing is added up across currencies.
    #[must_use]
    pub fn payments(&self) -> Vec<(&str, PaymentSums)> {
        let mut payments: BTreeMap<(&str, Currency), PaymentSums> = BTreeMap::new();
        for (id, posting) in self.of_resources() {
            let Some(Money { amount, currency }) = posting.money() else { continue };
            let sums = payments.entry((id, currency)).or_default();
            let units = i128::from(amount.minor_units());
            match posting {
                Posting::Held { until, .. } => {
                    sums.authorized += units;
                    sums.until = Some(until);
                }
                Posting::Captured(_) => sums.captured += units,
                Posting::Refunded(_) => sums.refunded += units,
                Posting::Released(_) => sums.released += units,
                _ => {}
            }
        }
        payments.into_iter().map(|((id, _), sums)| (id, sums)).collect()
    }

    /// The ids of the reservations that stand: neither returned nor expired, or used.
    #[must_use]
    pub fn live_reservations(&self) -> Vec<&str> {
        self.standing(|standing, posting| match posting {
            Posting::Reserved { until } => (standing.made, standing.until) = (true, Some(until)),
            Posting::Returned => standing.ended = true,
            Posting::Fulfilled => standing.used = true,
            _ => {}
        })
    }

    /// The ids of the labels that stand.
    #[must_use]
    pub fn live_labels(&self) -> Vec<&str> {
        self.standing(|standing, posting| match posting {
            Posting::Labelled => standing.made = true,
            Posting::LabelCancelled => standing.ended = true,
            _ => {}
        })
    }

    fn standing(&self, apply: impl Fn(&mut Standing, Posting)) -> Vec<&str> {
        let mut all: BTreeMap<&str, Standing> = BTreeMap::new();
        for (id, posting) in self.of_resources() {
            apply(all.entry(id).or_default(), posting);
        }
        all.into_iter().filter(|(_, standing)| standing.is_live(self.now)).map(|(id, _)| id).collect()
    }
}
