//! The rules of the ledger. Each returns a text about the violation it finds.

use std::collections::BTreeMap;

use super::facts::OrderFacts;
use crate::shared::{
    ledger::{Posting, Totals},
    money::Money,
    orders::Outcome,
};

/// The name of a rule, and the check that returns a violation.
pub type Rule = (&'static str, fn(&OrderFacts) -> Option<String>);

/// The rules of an order. Four apply to an order that shipped, four to one that came back, four to one that is paid
/// with nothing to ship, and four to one that did not ship. The last three apply to all.
pub const RULES: [Rule; 19] = [
    ("shipped_is_paid_once_in_full", shipped_is_paid_once_in_full),
    ("shipped_leaves_no_hold", shipped_leaves_no_hold),
    ("shipped_has_one_reservation", shipped_has_one_reservation),
    ("shipped_has_one_label", shipped_has_one_label),
    ("returned_is_refunded", returned_is_refunded),
    ("returned_leaves_no_hold", returned_leaves_no_hold),
    ("returned_is_restocked", returned_is_restocked),
    ("returned_has_a_label_each_way", returned_has_a_label_each_way),
    ("paid_is_captured_once_in_full", paid_is_captured_once_in_full),
    ("paid_leaves_no_hold", paid_leaves_no_hold),
    ("paid_leaves_no_reservation", paid_leaves_no_reservation),
    ("paid_leaves_no_label", paid_leaves_no_label),
    ("not_shipped_leaves_no_money_captured", not_shipped_leaves_no_money_captured),
    ("not_shipped_leaves_no_hold", not_shipped_leaves_no_hold),
    ("not_shipped_leaves_no_reservation", not_shipped_leaves_no_reservation),
    ("not_shipped_leaves_no_label", not_shipped_leaves_no_label),
    ("refunds_stay_within_captures", refunds_stay_within_captures),
    ("no_effect_after_a_tombstone", no_effect_after_a_tombstone),
    ("a_retry_keeps_its_key", a_retry_keeps_its_key),
];

/// The context whose calls are known to be retries: SDKs make a key for each call.
const STRIPE: &str = "stripe";

/// The rule of the whole ledger.
pub const TOTALS: &str = "totals_equal_the_sum_of_entries";
/// The rule of a final verdict.
pub const OUTCOME_IS_RECORDED: &str = "outcome_is_told";

fn has_outcome(facts: &OrderFacts, outcome: Outcome) -> bool {
    facts.outcome.is_some_and(|recorded| recorded.outcome == outcome)
}

fn shipped_is_paid_once_in_full(facts: &OrderFacts) -> Option<String> {
    has_outcome(facts, Outcome::Shipped).then(|| captured_once_in_full(facts)).flatten()
}

fn captured_once_in_full(facts: &OrderFacts) -> Option<String> {
    let payments = facts.payments();
    let paid: Vec<_> = payments.iter().filter(|(_, sums)| sums.net() != 0).collect();
    match paid.as_slice() {
        // A capture in part voids the rest, so what it left is all that was to be paid.
        [(_, sums)] if sums.net() == sums.authorized - sums.released => None,
        [(id, sums)] => Some(format!("{id} is captured with {} of {}", sums.net(), sums.authorized)),
        [] => Some("nothing is captured".to_owned()),
        many => {
            Some(format!("{} payments are captured: {}", many.len(), join_ids(many.iter().map(|(id, _)| id))))
        }
    }
}

fn shipped_leaves_no_hold(facts: &OrderFacts) -> Option<String> {
    has_outcome(facts, Outcome::Shipped).then(|| expect_no_hold(facts)).flatten()
}

fn shipped_has_one_reservation(facts: &OrderFacts) -> Option<String> {
    has_outcome(facts, Outcome::Shipped)
        .then(|| expect_one("reservation", &facts.live_reservations()))
        .flatten()
}

fn shipped_has_one_label(facts: &OrderFacts) -> Option<String> {
    if !has_outcome(facts, Outcome::Shipped) {
        return None;
    }
    let one = expect_one("label", &facts.live_labels());
    one.or_else(|| expect_none("open for the way back", &facts.live_return_labels()))
}

/// Returns true for a whole return and false for one in part. `None` for an order that did not come back.
fn returned_as_a_whole(facts: &OrderFacts) -> Option<bool> {
    match facts.outcome?.outcome {
        Outcome::Returned => Some(true),
        Outcome::PartlyReturned => Some(false),
        Outcome::Shipped | Outcome::Paid | Outcome::NotShipped => None,
    }
}

fn returned_is_refunded(facts: &OrderFacts) -> Option<String> {
    let as_a_whole = returned_as_a_whole(facts)?;
    let payments = facts.payments();
    let captured: Vec<_> = payments.iter().filter(|(_, sums)| sums.captured != 0).collect();
    let [(id, sums)] = captured.as_slice() else {
        return Some(format!("{} payments are captured", captured.len()));
    };
    let is_right = if as_a_whole { sums.net() == 0 } else { 0 < sums.refunded && 0 < sums.net() };
    (!is_right).then(|| format!("{id} has a refund of {} of {}", sums.refunded, sums.captured))
}

fn returned_leaves_no_hold(facts: &OrderFacts) -> Option<String> {
    returned_as_a_whole(facts).and_then(|_| expect_no_hold(facts))
}

fn returned_is_restocked(facts: &OrderFacts) -> Option<String> {
    let as_a_whole = returned_as_a_whole(facts)?;
    if as_a_whole {
        expect_one("restocked reservation", &facts.restocked(true))
            .or_else(|| expect_none("reserved", &facts.live_reservations()))
    } else {
        expect_one("reservation that is restocked in part", &facts.restocked(false))
            .or_else(|| expect_one("reservation", &facts.live_reservations()))
    }
}

fn returned_has_a_label_each_way(facts: &OrderFacts) -> Option<String> {
    returned_as_a_whole(facts)?;
    let back = facts.live_return_labels();
    expect_one("label", &facts.live_labels())
        .or_else(|| back.is_empty().then(|| "there is no live label for the way back".to_owned()))
}

fn paid_is_captured_once_in_full(facts: &OrderFacts) -> Option<String> {
    has_outcome(facts, Outcome::Paid).then(|| captured_once_in_full(facts)).flatten()
}

fn paid_leaves_no_hold(facts: &OrderFacts) -> Option<String> {
    has_outcome(facts, Outcome::Paid).then(|| expect_no_hold(facts)).flatten()
}

fn paid_leaves_no_reservation(facts: &OrderFacts) -> Option<String> {
    has_outcome(facts, Outcome::Paid).then(|| expect_none("reserved", &facts.live_reservations())).flatten()
}

fn paid_leaves_no_label(facts: &OrderFacts) -> Option<String> {
    has_outcome(facts, Outcome::Paid).then(|| expect_none("open", &facts.live_labels())).flatten()
}

fn not_shipped_leaves_no_money_captured(facts: &OrderFacts) -> Option<String> {
    if !has_outcome(facts, Outcome::NotShipped) {
        return None;
    }
    let payments = facts.payments();
    let captured = payments.iter().filter(|(_, sums)| sums.net() != 0);
    joined(captured.map(|(id, sums)| format!("{id} keeps {}", sums.net())))
}

fn not_shipped_leaves_no_hold(facts: &OrderFacts) -> Option<String> {
    has_outcome(facts, Outcome::NotShipped).then(|| expect_no_hold(facts)).flatten()
}

fn not_shipped_leaves_no_reservation(facts: &OrderFacts) -> Option<String> {
    has_outcome(facts, Outcome::NotShipped)
        .then(|| expect_none("reserved", &facts.live_reservations()))
        .flatten()
}

fn not_shipped_leaves_no_label(facts: &OrderFacts) -> Option<String> {
    if !has_outcome(facts, Outcome::NotShipped) {
        return None;
    }
    let labels = [facts.live_labels(), facts.live_return_labels()].concat();
    expect_none("open", &labels)
}

fn refunds_stay_within_captures(facts: &OrderFacts) -> Option<String> {
    let payments = facts.payments();
    let beyond = payments.iter().filter(|(_, sums)| sums.refunded > sums.captured);
    joined(
        beyond.map(|(id, sums)| {
            format!("{id} has refunds of {} and captures of {}", sums.refunded, sums.captured)
        }),
    )
}

fn no_effect_after_a_tombstone(facts: &OrderFacts) -> Option<String> {
    joined(facts.entries.iter().filter_map(|entry| {
        let key = entry.entry.key.as_ref()?;
        let late = facts.tombstones.get(key).is_some_and(|tombstone| entry.sequence > *tombstone);
        (late && entry.entry.posting != Posting::Tombstoned).then(|| {
            format!(
                "entry {} is {} under key {key}, which has a tombstone",
                entry.sequence,
                entry.entry.posting.name()
            )
        })
    }))
}

/// Finds equal payments of one order that different calls of Stripe's API made, unless all but one were undone. A retry
/// with the key of the first call makes no second payment.
fn a_retry_keeps_its_key(facts: &OrderFacts) -> Option<String> {
    facts.order.as_ref()?;
    let payments = facts.payments();
    let is_live = |id: &str| {
        payments.iter().any(|(known, sums)| *known == id && (sums.net() != 0 || sums.held(facts.now) != 0))
    };
    let mut calls: BTreeMap<Money, Vec<String>> = BTreeMap::new();
    for entry in facts.entries.iter().map(|entry| &entry.entry) {
        let (Posting::Held { money, .. }, Some(operation), Some(id)) =
            (entry.posting, entry.operation, entry.resource.as_deref())
        else {
            continue;
        };
        if operation.context() == STRIPE && is_live(id) {
            let key = entry.key.as_ref().map_or_else(|| "no key".to_owned(), |key| format!("key {key}"));
            calls.entry(money).or_default().push(format!("{id} ({operation}, {key})"));
        }
    }
    joined(
        calls
            .iter()
            .filter(|(_, calls)| calls.len() > 1)
            .map(|(money, calls)| format!("{} payments of {money} each: {}", calls.len(), calls.join(", "))),
    )
}

/// Compares the stored totals with the sum of the entries.
pub fn totals_differ(stored: &Totals, sum: &Totals) -> Option<String> {
    (stored != sum).then(|| format!("the stored totals are {stored:?}, but the entries sum to {sum:?}"))
}

fn expect_no_hold(facts: &OrderFacts) -> Option<String> {
    let payments = facts.payments();
    let held = payments.iter().map(|(id, sums)| (id, sums.held(facts.now))).filter(|(_, held)| *held != 0);
    joined(held.map(|(id, held)| format!("{id} holds {held}")))
}

fn expect_one(kind: &str, live: &[&str]) -> Option<String> {
    match live {
        [_] => None,
        [] => Some(format!("there is no live {kind}")),
        many => Some(format!("there are {} live {kind}s: {}", many.len(), join_ids(many))),
    }
}

fn expect_none(state: &str, live: &[&str]) -> Option<String> {
    (!live.is_empty()).then(|| format!("still {state}: {}", join_ids(live)))
}

fn joined(violations: impl Iterator<Item = String>) -> Option<String> {
    let violations: Vec<_> = violations.collect();
    (!violations.is_empty()).then(|| violations.join("; "))
}

fn join_ids<'a>(ids: impl IntoIterator<Item = &'a &'a str>) -> String {
    ids.into_iter().copied().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;
    use crate::shared::{
        clock::Timestamp,
        ids::Key,
        ledger::{Entry, NewEntry},
        money::{Amount, Currency, Money},
        operation::Operation,
        orders::RecordedOutcome,
    };

    const NOW: Timestamp = Timestamp::from_millis(1_000);
    const LATER: Timestamp = Timestamp::from_millis(2_000);

    fn usd(minor_units: u64) -> Money {
        Money { amount: Amount::new(minor_units), currency: Currency::Usd }
    }

    fn held(minor_units: u64) -> Posting {
        Posting::Held { money: usd(minor_units), until: LATER }
    }

    const RESERVED: Posting = Posting::Reserved { until: LATER };

    fn facts(outcome: Option<Outcome>, entries: &[(&str, Posting)]) -> OrderFacts {
        let entries = entries.iter().zip(1..).map(|((resource, posting), sequence)| Entry {
            sequence,
            entry: NewEntry {
                at: NOW,
                operation: None,
                order: None,
                key: None,
                resource: Some((*resource).to_owned()),
                posting: *posting,
            },
        });
        OrderFacts {
            order: "order".parse().ok(),
            outcome: outcome.map(|outcome| RecordedOutcome { outcome, at: NOW }),
            entries: entries.collect(),
            tombstones: BTreeMap::new(),
            now: NOW,
        }
    }

    fn shipped(entries: &[(&str, Posting)]) -> OrderFacts {
        facts(Some(Outcome::Shipped), entries)
    }

    fn not_shipped(entries: &[(&str, Posting)]) -> OrderFacts {
        facts(Some(Outcome::NotShipped), entries)
    }

    /// Returns the entries of an order that shipped correctly.
    fn good() -> Vec<(&'static str, Posting)> {
        vec![
            ("auth", held(500)),
            ("res", RESERVED),
            ("auth", Posting::Captured(usd(500))),
            ("lbl", Posting::Labelled),
            ("ntf", Posting::Notified),
            ("res", Posting::Fulfilled),
        ]
    }

    fn broken(facts: &OrderFacts) -> Vec<&'static str> {
        RULES.iter().filter(|(_, check)| check(facts).is_some()).map(|(name, _)| *name).collect()
    }

    /// Returns the rules that one more entry breaks for a shipped order.
    fn good_and(posting: (&'static str, Posting)) -> Vec<&'static str> {
        let mut entries = good();
        entries.push(posting);
        broken(&shipped(&entries))
    }

    /// Returns the rules that a shipped order breaks without the entries of one resource.
    fn good_without(resource: &str) -> Vec<&'static str> {
        let entries: Vec<_> = good().into_iter().filter(|(id, _)| *id != resource).collect();
        broken(&shipped(&entries))
    }

    #[test]
    fn a_correctly_shipped_order_breaks_no_rule() {
        assert_eq!(broken(&shipped(&good())), [""; 0]);
    }

    #[test]
    fn currencies_are_never_added_together() {
        let eur = Money { currency: Currency::Eur, ..usd(500) };
        let entries = [
            ("auth", held(500)),
            ("auth", Posting::Captured(eur)),
            ("res", RESERVED),
            ("lbl", Posting::Labelled),
            ("res", Posting::Fulfilled),
        ];
        assert_eq!(broken(&shipped(&entries)), ["shipped_is_paid_once_in_full", "shipped_leaves_no_hold"]);
        let refunded =
            [("auth", held(500)), ("auth", Posting::Captured(usd(500))), ("auth", Posting::Refunded(eur))];
        let found = broken(&not_shipped(&refunded));
        assert!(found.contains(&"refunds_stay_within_captures"), "{found:?}");
        assert!(found.contains(&"not_shipped_leaves_no_money_captured"), "{found:?}");
    }

    #[test]
    fn a_refused_attempt_that_was_undone_does_not_count_against_a_shipped_order() {
        let mut entries = vec![
            ("auth-0", held(500)),
            ("auth-0", Posting::Captured(usd(500))),
            ("auth-0", Posting::Refunded(usd(500))),
            ("res-0", RESERVED),
            ("res-0", Posting::Returned),
            ("lbl-0", Posting::Labelled),
            ("lbl-0", Posting::LabelCancelled),
        ];
        entries.extend(good());
        assert_eq!(broken(&shipped(&entries)), [""; 0]);
    }

    #[test]
    fn a_shipped_order_is_paid_once_in_full() {
        let rule = ["shipped_is_paid_once_in_full"];
        assert_eq!(good_without("auth"), rule);
        assert_eq!(good_and(("auth", Posting::Refunded(usd(1)))), rule);
        let mut twice = good();
        twice.extend([("auth-2", held(500)), ("auth-2", Posting::Captured(usd(500)))]);
        assert_eq!(broken(&shipped(&twice)), rule);
        let partial = [("auth", held(500)), ("auth", Posting::Captured(usd(499)))];
        assert!(broken(&shipped(&partial)).contains(&rule[0]));
    }

    #[test]
    fn a_shipped_order_leaves_no_second_hold() {
        assert_eq!(good_and(("auth-2", held(500))), ["shipped_leaves_no_hold"]);
    }

    #[test]
    fn a_shipped_order_has_exactly_one_reservation() {
        let rule = ["shipped_has_one_reservation"];
        assert_eq!(good_without("res"), rule);
        assert_eq!(good_and(("res-2", RESERVED)), rule);
        assert_eq!(good_and(("res", Posting::Returned)), rule);
    }

    #[test]
    fn a_reservation_that_was_used_does_not_expire_and_another_does() {
        let mut facts = shipped(&good());
        facts.now = LATER;
        assert_eq!(broken(&facts), [""; 0]);
        facts.entries.pop();
        assert_eq!(broken(&facts), ["shipped_has_one_reservation"]);
    }

    #[test]
    fn a_shipped_order_has_exactly_one_label() {
        let rule = ["shipped_has_one_label"];
        assert_eq!(good_without("lbl"), rule);
        assert_eq!(good_and(("lbl-2", Posting::Labelled)), rule);
        assert_eq!(good_and(("lbl", Posting::LabelCancelled)), rule);
    }

    #[test]
    fn a_paid_order_is_captured_once_in_full_and_leaves_nothing_else() {
        let charged = [("auth", held(5)), ("auth", Posting::Captured(usd(5)))];
        let and = |posting: (&'static str, Posting)| {
            let mut entries = charged.to_vec();
            entries.push(posting);
            broken(&facts(Some(Outcome::Paid), &entries))
        };
        assert_eq!(broken(&facts(Some(Outcome::Paid), &charged)), [""; 0]);
        assert_eq!(broken(&facts(Some(Outcome::Paid), &[])), ["paid_is_captured_once_in_full"]);
        assert_eq!(and(("auth", Posting::Refunded(usd(1)))), ["paid_is_captured_once_in_full"]);
        assert_eq!(and(("auth-2", held(5))), ["paid_leaves_no_hold"]);
        assert_eq!(and(("res", RESERVED)), ["paid_leaves_no_reservation"]);
        assert_eq!(and(("lbl", Posting::Labelled)), ["paid_leaves_no_label"]);
    }

    #[test]
    fn an_order_that_did_not_ship_leaves_nothing_of_each_kind() {
        assert_eq!(
            broken(&not_shipped(&[("auth", held(5)), ("auth", Posting::Captured(usd(5)))])),
            ["not_shipped_leaves_no_money_captured"]
        );
        assert_eq!(
            broken(&not_shipped(&[
                ("auth", held(5)),
                ("auth", Posting::Captured(usd(5))),
                ("auth", Posting::Refunded(usd(4))),
            ])),
            ["not_shipped_leaves_no_money_captured"]
        );
        assert_eq!(broken(&not_shipped(&[("auth", held(5))])), ["not_shipped_leaves_no_hold"]);
        assert_eq!(broken(&not_shipped(&[("res", RESERVED)])), ["not_shipped_leaves_no_reservation"]);
        assert_eq!(broken(&not_shipped(&[("lbl", Posting::Labelled)])), ["not_shipped_leaves_no_label"]);
    }

    #[test]
    fn an_order_that_did_not_ship_may_have_had_anything_that_was_undone() {
        let undone = [
            ("auth", held(5)),
            ("auth", Posting::Captured(usd(5))),
            ("auth", Posting::Refunded(usd(5))),
            ("auth-2", held(5)),
            ("auth-2", Posting::Released(usd(5))),
            ("res", RESERVED),
            ("res", Posting::Returned),
            ("lbl", Posting::Labelled),
            ("lbl", Posting::LabelCancelled),
            ("ntf", Posting::Notified),
        ];
        assert_eq!(broken(&not_shipped(&undone)), [""; 0]);
    }

    #[test]
    fn an_expired_resource_breaks_no_rule() {
        let mut facts = not_shipped(&[("auth", held(5)), ("res", RESERVED)]);
        facts.now = LATER;
        assert_eq!(broken(&facts), [""; 0]);
        facts.now = Timestamp::from_millis(LATER.millis() - 1);
        assert_eq!(broken(&facts).len(), 2);
    }

    #[test]
    fn an_order_without_an_outcome_breaks_no_rule() {
        assert_eq!(broken(&facts(None, &[("auth", held(5)), ("res", RESERVED)])), [""; 0]);
    }

    #[test]
    fn a_payment_refunds_no_more_than_it_captured() {
        let entries =
            [("auth", held(5)), ("auth", Posting::Captured(usd(5))), ("auth", Posting::Refunded(usd(6)))];
        assert_eq!(broken(&facts(None, &entries)), ["refunds_stay_within_captures"]);
    }

    #[test]
    fn a_key_has_no_effect_after_its_tombstone() {
        let key: Key = "key".parse().unwrap();
        let mut facts = facts(None, &[("auth", held(5)), ("auth", Posting::Tombstoned)]);
        for entry in &mut facts.entries {
            entry.entry.key = Some(key.clone());
        }
        facts.tombstones = BTreeMap::from([(key.clone(), 2)]);
        assert_eq!(broken(&facts), [""; 0], "an effect before the tombstone is allowed");
        facts.tombstones = BTreeMap::from([(key, 0)]);
        assert_eq!(broken(&facts), ["no_effect_after_a_tombstone"]);
    }

    #[test]
    fn equal_payments_of_an_order_by_two_calls_of_stripes_api_are_a_retry_under_another_key() {
        let both = |second: Vec<(&str, Posting)>| {
            let entries: Vec<_> = [("pi_1", held(5))].into_iter().chain(second).collect();
            let mut facts = facts(None, &entries);
            for (entry, key) in facts.entries.iter_mut().zip(["a", "b", "b"]) {
                entry.entry.operation = Some(Operation::new("stripe.payment_intents.create"));
                entry.entry.key = key.parse().ok();
            }
            facts
        };
        let twice = both(vec![("pi_2", held(5))]);
        assert_eq!(broken(&twice), ["a_retry_keeps_its_key"]);
        let detail = a_retry_keeps_its_key(&twice).unwrap();
        assert!(detail.contains("pi_2 (stripe.payment_intents.create, key b)"), "{detail}");
        assert_eq!(broken(&both(vec![("pi_2", held(6))])), [""; 0], "another amount is another payment");
        assert_eq!(broken(&both(vec![("pi_2", held(5)), ("pi_2", Posting::Released(usd(5)))])), [""; 0]);
        let mut own_api = twice;
        for entry in &mut own_api.entries {
            entry.entry.operation = Some(Operation::new("payment.authorize"));
        }
        assert_eq!(broken(&own_api), [""; 0]);
    }

    #[test]
    fn the_stored_totals_equal_the_sum_of_the_entries() {
        let until = NOW.saturating_add(Duration::from_secs(1));
        let entries = [Posting::Held { money: usd(5), until }, RESERVED];
        let stored = Totals::from_postings(&entries);
        assert_eq!(totals_differ(&stored, &Totals::from_postings(&entries)), None);
        assert!(totals_differ(&stored, &Totals::from_postings(&entries[..1])).is_some());
        assert!(
            totals_differ(
                &stored,
                &Totals::from_postings(&[Posting::Held { money: usd(6), until }, RESERVED])
            )
            .is_some()
        );
    }
}
