//! The verdict: counts the orders by their outcome, and lists the contradictions.

use super::{
    facts::OrderFacts,
    rules::{OUTCOME_IS_RECORDED, RULES, TOTALS, totals_differ},
};
use crate::shared::{ids::OrderId, ledger::Totals, orders::Outcome};

/// A rule that the ledger breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// None if it concerns the whole ledger, or the entries without an order.
    pub order: Option<OrderId>,
    pub rule: &'static str,
    pub detail: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    pub shipped: usize,
    /// Orders that shipped, and came back as a whole or in part.
    pub returned: usize,
    pub paid: usize,
    pub not_shipped: usize,
    /// Orders without a recorded outcome.
    pub open: usize,
    pub contradictions: Vec<Contradiction>,
}

impl Verdict {
    /// Returns the number of orders.
    #[must_use]
    pub const fn orders(&self) -> usize {
        self.shipped + self.returned + self.paid + self.not_shipped + self.open
    }

    /// Judges one order, or the entries that belong to none. With `is_final`, an order without an outcome is a
    /// contradiction.
    pub fn judge(&mut self, facts: &OrderFacts, is_final: bool) {
        for (rule, check) in RULES {
            if let Some(detail) = check(facts) {
                self.contradictions.push(Contradiction { order: facts.order.clone(), rule, detail });
            }
        }
        if facts.order.is_none() {
            return;
        }
        match facts.outcome.map(|recorded| recorded.outcome) {
            Some(Outcome::Shipped) => self.shipped += 1,
            Some(Outcome::PartlyReturned | Outcome::Returned) => self.returned += 1,
            Some(Outcome::Paid) => self.paid += 1,
            Some(Outcome::NotShipped) => self.not_shipped += 1,
            None => {
                self.open += 1;
                if is_final {
                    let detail = "no outcome is recorded for the order".to_owned();
                    let order = facts.order.clone();
                    self.contradictions.push(Contradiction { order, rule: OUTCOME_IS_RECORDED, detail });
                }
            }
        }
    }

    /// Judges the ledger as a whole.
    pub fn judge_totals(&mut self, stored: &Totals, sum: &Totals) {
        if let Some(detail) = totals_differ(stored, sum) {
            self.contradictions.push(Contradiction { order: None, rule: TOTALS, detail });
        }
    }
}
