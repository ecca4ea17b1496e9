//! Classifies a finding by the broken rule and the ledger's entries, and explains each kind.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::provider::{Contradiction, LedgerEntry};

/// Lists the kinds of findings, the worst first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    DoubleCharge,
    ChargedForNothing,
    ShippedUnpaid,
    WrongAmount,
    StrandedHold,
    ShippedWithoutStock,
    DoubleReservation,
    StrandedReservation,
    ShippedWithoutLabel,
    DoubleLabel,
    OpenLabel,
    RetryUnderAnotherKey,
    RefundedTooMuch,
    EffectAfterUndo,
    NeverEnds,
    /// A rule that this program doesn't know.
    #[serde(untagged)]
    Rule(String),
}

impl FindingKind {
    #[must_use]
    pub fn classify(contradiction: &Contradiction, ledger: &[LedgerEntry]) -> Self {
        let several = |live: usize, none: Self, many: Self| if live == 0 { none } else { many };
        match contradiction.rule.as_str() {
            "shipped_is_paid_once_in_full" => match charged(ledger) {
                0 => Self::ShippedUnpaid,
                1 => Self::WrongAmount,
                _ => Self::DoubleCharge,
            },
            "not_shipped_leaves_no_money_captured" => Self::ChargedForNothing,
            "shipped_leaves_no_hold" | "not_shipped_leaves_no_hold" => Self::StrandedHold,
            "shipped_has_one_reservation" => several(
                live(ledger, "reserved", "returned"),
                Self::ShippedWithoutStock,
                Self::DoubleReservation,
            ),
            "not_shipped_leaves_no_reservation" => Self::StrandedReservation,
            "shipped_has_one_label" => several(
                live(ledger, "labelled", "label_cancelled"),
                Self::ShippedWithoutLabel,
                Self::DoubleLabel,
            ),
            "not_shipped_leaves_no_label" => Self::OpenLabel,
            "refunds_stay_within_captures" => Self::RefundedTooMuch,
            "no_effect_after_a_tombstone" => Self::EffectAfterUndo,
            "a_retry_keeps_its_key" => Self::RetryUnderAnotherKey,
            rule => Self::Rule(rule.to_owned()),
        }
    }

    #[must_use]
    pub fn title(&self) -> &str {
        match self {
            Self::DoubleCharge => "double charge",
            Self::ChargedForNothing => "charged for nothing",
            Self::ShippedUnpaid => "shipped unpaid",
            Self::WrongAmount => "wrong amount",
            Self::StrandedHold => "stranded hold",
            Self::ShippedWithoutStock => "shipped without stock",
            Self::DoubleReservation => "double reservation",
            Self::StrandedReservation => "stranded reservation",
            Self::ShippedWithoutLabel => "shipped without a label",
            Self::DoubleLabel => "double label",
            Self::OpenLabel => "open label",
            Self::RetryUnderAnotherKey => "retry under another key",
            Self::RefundedTooMuch => "refunded too much",
            Self::EffectAfterUndo => "effect after its undo",
            Self::NeverEnds => "never ends",
            Self::Rule(rule) => rule,
        }
    }

    /// Explains the consequence for people, and the usual fix.
    #[must_use]
    pub const fn explanation(&self) -> &'static str {
        match self {
            Self::DoubleCharge => {
                "The customer paid more than once. Retries must use the idempotency key of the first attempt."
            }
            Self::ChargedForNothing => {
                "The order didn't ship, and the customer paid. A charge with a lost answer may have succeeded, so it needs the same refund as an answered one."
            }
            Self::ShippedUnpaid => {
                "The order shipped without payment. The system assumed a capture that it had no proof of."
            }
            Self::WrongAmount => {
                "The captured amount differs from the authorized one, or a part of it was refunded."
            }
            Self::StrandedHold => {
                "An authorization without a capture blocks the customer's money for days. Authorizations with a lost answer must be voided by their idempotency key."
            }
            Self::ShippedWithoutStock => "The order shipped without reserved stock.",
            Self::DoubleReservation => {
                "The same goods are reserved more than once. Retries must use the idempotency key of the first attempt."
            }
            Self::StrandedReservation => {
                "The order didn't ship, and nobody else can buy its stock. The system forgot an undo, or stopped retrying it."
            }
            Self::ShippedWithoutLabel => "The order counts as shipped, but it has no label.",
            Self::DoubleLabel => {
                "The order has several labels, and each costs money. Retries must use the idempotency key of the first attempt."
            }
            Self::OpenLabel => "The order didn't ship, but its label is still valid and costs money.",
            Self::RetryUnderAnotherKey => {
                "Two calls made the same payment. A retry must use the idempotency key of the first call; the SDK's own key ends with the call."
            }
            Self::RefundedTooMuch => "The refunds exceed the captures. This is a bug of the provider.",
            Self::EffectAfterUndo => "A key had an effect after its undo. This is a bug of the provider.",
            Self::NeverEnds => {
                "The order reached no final status in time, so the customer never learns its end. If it only needs longer, raise --order-timeout."
            }
            Self::Rule(_) => "The ledger contradicts the recorded outcome of the order.",
        }
    }
}

/// Counts the payments with captured money that wasn't refunded.
fn charged(ledger: &[LedgerEntry]) -> usize {
    let mut net: BTreeMap<&str, i128> = BTreeMap::new();
    for entry in ledger {
        let (Some(payment), Some(amount)) = (&entry.resource, entry.amount) else { continue };
        match entry.effect.as_str() {
            "captured" => *net.entry(payment).or_default() += i128::from(amount),
            "refunded" => *net.entry(payment).or_default() -= i128::from(amount),
            _ => {}
        }
    }
    net.values().filter(|net| **net != 0).count()
}

fn live(ledger: &[LedgerEntry], made: &str, ended: &str) -> usize {
    let of = |effect: &str| ledger.iter().filter(|entry| entry.effect == effect).count();
    of(made).saturating_sub(of(ended))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(effect: &str, resource: &str) -> LedgerEntry {
        LedgerEntry { effect: effect.to_owned(), resource: Some(resource.to_owned()), amount: Some(100) }
    }

    fn kind(rule: &str, ledger: &[LedgerEntry]) -> FindingKind {
        FindingKind::classify(&Contradiction { rule: rule.to_owned(), detail: String::new() }, ledger)
    }

    #[test]
    fn the_number_of_paid_payments_decides_the_kind() {
        let rule = "shipped_is_paid_once_in_full";
        let twice = [entry("captured", "a"), entry("captured", "b")];
        assert_eq!(kind(rule, &twice), FindingKind::DoubleCharge);
        assert_eq!(kind(rule, &twice[..1]), FindingKind::WrongAmount);
        assert_eq!(kind(rule, &[entry("captured", "a"), entry("refunded", "a")]), FindingKind::ShippedUnpaid);
    }

    #[test]
    fn none_and_too_many_are_different_kinds() {
        let labels = [entry("labelled", "a"), entry("labelled", "b")];
        assert_eq!(kind("shipped_has_one_label", &labels), FindingKind::DoubleLabel);
        assert_eq!(kind("shipped_has_one_label", &[]), FindingKind::ShippedWithoutLabel);
    }

    #[test]
    fn an_unknown_rule_is_reported_by_its_name() {
        assert_eq!(kind("brand_new_rule", &[]).title(), "brand_new_rule");
        assert_eq!(serde_json::json!(kind("brand_new_rule", &[])), "brand_new_rule");
        assert_eq!(serde_json::json!(FindingKind::DoubleCharge), "double_charge");
    }
}
