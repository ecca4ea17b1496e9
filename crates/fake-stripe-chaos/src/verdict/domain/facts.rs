//! The facts of one order in the ledger, and their sums.

use std::collections::BTreeMap;

use crate::shared::{
    clock::Timestamp,
    ids::{Key, OrderId},
    ledger::{Entry, Posting},
    money::{Currency, Money},
    orders::RecordedOutcome,
};

/// Everything about one order, or about the entries that belong to none.
#[derive(Debug, Clone)]
pub struct OrderFacts {
    pub order: Option<OrderId>,
    pub outcome: Option<RecordedOutcome>,
    /// In their order of time.
    pub entries: Vec<Entry>,
    /// The keys of the entries that have a tombstone, with the number of its entry.
    pub tombstones: BTreeMap<Key, u64>,
    pub now: Timestamp,
}

/// The sums of the entries of one payment, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PaymentSums {
    pub authorized: i128,
    pub captured: i128,
    pub refunded: i128,
    pub released: i128,
    /// When the last authorization expires.
    pub until: Option<Timestamp>,
}

impl PaymentSums {
    /// Returns the captured amount without the refunds.
    #[must_use]
    pub const fn net(&self) -> i128 {
        self.captured - self.refunded
    }

    /// Returns the authorized amount that is open at a time.
    #[must_use]
    pub fn held(&self, now: Timestamp) -> i128 {
        let expired = self.until.is_some_and(|until| now >= until);
        if expired { 0 } else { self.authorized - self.captured - self.released }
    }
}

/// The state of one reservation or label after its entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct ResourceState {
    exists: bool,
    ended: bool,
    used: bool,
    until: Option<Timestamp>,
}

impl ResourceState {
    fn is_live(self, now: Timestamp) -> bool {
        let expired = self.until.is_some_and(|until| now >= until);
        self.exists && !self.ended && (self.used || !expired)
    }
}

/// An effect that nothing has undone: money, stock, or a label of the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenEffect {
    pub kind: OpenKind,
    pub resource: String,
    /// The idempotency key of the request that caused it. An undo names it.
    pub key: Option<Key>,
    /// Minor units, for money only.
    pub amount: Option<i128>,
    pub currency: Option<Currency>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenKind {
    Held,
    Captured,
    Reserved,
    Labelled,
    ReturnLabelled,
}

impl OpenKind {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Captured => "captured",
            Self::Reserved => "reserved",
            Self::Labelled => "labelled",
            Self::ReturnLabelled => "return_labelled",
        }
    }

    const fn is_caused_by(self, posting: Posting) -> bool {
        matches!(
            (self, posting),
            (Self::Held, Posting::Held { .. })
                | (Self::Captured, Posting::Captured(_))
                | (Self::Reserved, Posting::Reserved { .. })
                | (Self::Labelled, Posting::Labelled)
                | (Self::ReturnLabelled, Posting::ReturnLabelled)
        )
    }
}

impl OrderFacts {
    /// Returns what the order leaves open: amounts that are held or captured, stock, and labels.
    #[must_use]
    pub fn open_effects(&self) -> Vec<OpenEffect> {
        let payments = self.payments();
        let held = payments.iter().map(|(id, sums)| (OpenKind::Held, *id, sums.held(self.now)));
        let captured = payments.iter().map(|(id, sums)| (OpenKind::Captured, *id, sums.net()));
        let money = held.chain(captured).filter(|(.., amount)| *amount != 0);
        let reservations = self.live_reservations().into_iter().map(|id| (OpenKind::Reserved, id));
        let labels = self.live_labels().into_iter().map(|id| (OpenKind::Labelled, id));
        let returns = self.live_return_labels().into_iter().map(|id| (OpenKind::ReturnLabelled, id));
        money
            .map(|(kind, id, amount)| self.open_effect(kind, id, Some(amount)))
            .chain(
                reservations.chain(labels).chain(returns).map(|(kind, id)| self.open_effect(kind, id, None)),
            )
            .collect()
    }

    fn open_effect(&self, kind: OpenKind, resource: &str, amount: Option<i128>) -> OpenEffect {
        let cause =
            self.entries.iter().map(|entry| &entry.entry).find(|entry| {
                entry.resource.as_deref() == Some(resource) && kind.is_caused_by(entry.posting)
            });
        OpenEffect {
            kind,
            resource: resource.to_owned(),
            key: cause.and_then(|entry| entry.key.clone()),
            amount,
            currency: cause.and_then(|entry| entry.posting.money()).map(|money| money.currency),
        }
    }

    fn resource_postings(&self) -> impl Iterator<Item = (&str, Posting)> {
        self.entries
            .iter()
            .filter_map(|entry| entry.entry.resource.as_deref().map(|id| (id, entry.entry.posting)))
    }

    /// Returns the sums of each payment by its id. A payment with entries in several currencies has sums in
    /// each of them, so that nothing is added across currencies. No correct ledger has such a payment.
    #[must_use]
    pub fn payments(&self) -> Vec<(&str, PaymentSums)> {
        let mut payments: BTreeMap<(&str, Currency), PaymentSums> = BTreeMap::new();
        for (id, posting) in self.resource_postings() {
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

    /// Returns the ids of the reservations that are used, or neither returned nor expired.
    #[must_use]
    pub fn live_reservations(&self) -> Vec<&str> {
        self.reservations(|_| true)
    }

    /// Returns the ids of the reservations that are live and not used.
    #[must_use]
    pub fn reserved_stock(&self) -> Vec<&str> {
        self.reservations(|state| !state.used)
    }

    fn reservations(&self, is_wanted: impl Fn(&ResourceState) -> bool) -> Vec<&str> {
        self.live_ids(is_wanted, |state, posting| match posting {
            Posting::Reserved { until } => (state.exists, state.until) = (true, Some(until)),
            Posting::Returned | Posting::Restocked => state.ended = true,
            Posting::Fulfilled | Posting::RestockedInPart => state.used = true,
            _ => {}
        })
    }

    /// Returns the ids of the reservations whose stock came back: as a whole, or at least in part.
    #[must_use]
    pub fn restocked(&self, as_a_whole: bool) -> Vec<&str> {
        self.live_ids(
            |_| true,
            |state, posting| {
                state.exists |=
                    posting == Posting::Restocked || (!as_a_whole && posting == Posting::RestockedInPart);
            },
        )
    }

    /// Returns the ids of the labels for the way back that are not cancelled.
    #[must_use]
    pub fn live_return_labels(&self) -> Vec<&str> {
        self.labels(Posting::ReturnLabelled, Posting::ReturnLabelCancelled)
    }

    /// Returns the ids of the labels that are not cancelled.
    #[must_use]
    pub fn live_labels(&self) -> Vec<&str> {
        self.labels(Posting::Labelled, Posting::LabelCancelled)
    }

    fn labels(&self, made: Posting, cancelled: Posting) -> Vec<&str> {
        self.live_ids(
            |_| true,
            |state, posting| {
                state.exists |= posting == made;
                state.ended |= posting == cancelled;
            },
        )
    }

    fn live_ids(
        &self,
        is_wanted: impl Fn(&ResourceState) -> bool,
        apply: impl Fn(&mut ResourceState, Posting),
    ) -> Vec<&str> {
        let mut all: BTreeMap<&str, ResourceState> = BTreeMap::new();
        for (id, posting) in self.resource_postings() {
            apply(all.entry(id).or_default(), posting);
        }
        let live = all.into_iter().filter(|(_, state)| state.is_live(self.now) && is_wanted(state));
        live.map(|(id, _)| id).collect()
    }
}
