//! Classifies a finding by the broken rule and the ledger's entries, and explains each kind in words.

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
    RefundedTooMuch,
    EffectAfterUndo,
    NeverEnds,
    /// A rule that this program doesn't know.
    #[serde(untagged)]
    Rule(String),
}

impl FindingKind {
    #[must_use]
    pub fn of(contradiction: &Contradiction, ledger: &[LedgerEntry]) -> Self {
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
                "The customer paid more than once. A retry has to carry the idempotency key of the first try."
            }
            Self::ChargedForNothing => {
                "The order didn't ship, and the money is kept. A charge whose answer is lost may have happened: it has to be undone like one that was answered."
            }
            Self::ShippedUnpaid => {
                "The goods are on their way and nobody paid. The capture was believed without proof."
            }
            Self::WrongAmount => {
                "Another amount was captured than was authorized, or a part of it went back."
            }
            Self::StrandedHold => {
                "The customer's money is blocked for days by an authorization that nobody captures. A hold whose answer is lost has to be released, by its idempotency key."
            }
            Self::ShippedWithoutStock => "The order shipped and nothing is reserved for it.",
            Self::DoubleReservation => {
                "The same goods are reserved more than once. A retry has to carry the idempotency key of the first try."
            }
            Self::StrandedReservation => {
                "The order didn't ship, and its stock can't be sold to anybody else. An undo was forgotten, or given up."
            }
            Self::ShippedWithoutLabel => {
                "The order counts as shipped, and there is no label to ship it with."
            }
            Self::DoubleLabel => {
                "There are several labels, and each is paid for. A retry has to carry the idempotency key of the first try."
            }
            Self::OpenLabel => "The order didn't ship, and its label is paid for and can be used.",
            Self::RefundedTooMuch => "More went back than was captured. That is a fault of the provider.",
            Self::EffectAfterUndo => {
                "A key had an effect after it was undone. That is a fault of the provider."
            }
            Self::NeverEnds => {
                "The order reached none of its final states in time: nobody will ever tell the customer. If it only needs longer, raise --patience."
            }
            Self::Rule(_) => "The ledger and what was said of the order contradict each other.",
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
        FindingKind::of(&Contradiction { rule: rule.to_owned(), detail: String::new() }, ledger)
    }

    #[test]
    fn paid_wrongly_is_told_apart_by_how_many_payments_kept_money() {
        let rule = "shipped_is_paid_once_in_full";
        let twice = [entry("captured", "a"), entry("captured", "b")];
        assert_eq!(kind(rule, &twice), FindingKind::DoubleCharge);
        assert_eq!(kind(rule, &twice[..1]), FindingKind::WrongAmount);
        assert_eq!(kind(rule, &[entry("captured", "a"), entry("refunded", "a")]), FindingKind::ShippedUnpaid);
    }

    #[test]
    fn none_and_too_many_are_told_apart() {
        let labels = [entry("labelled", "a"), entry("labelled", "b")];
        assert_eq!(kind("shipped_has_one_label", &labels), FindingKind::DoubleLabel);
        assert_eq!(kind("shipped_has_one_label", &[]), FindingKind::ShippedWithoutLabel);
    }

    #[test]
    fn a_rule_without_words_is_told_by_its_name() {
        assert_eq!(kind("brand_new_rule", &[]).title(), "brand_new_rule");
        assert_eq!(serde_json::json!(kind("brand_new_rule", &[])), "brand_new_rule");
        assert_eq!(serde_json::json!(FindingKind::DoubleCharge), "double_charge");
    }
}
