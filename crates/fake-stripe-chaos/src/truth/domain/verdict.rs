//! The verdict: how many orders ended how, and everything that doesn't fit.

use super::{
    facts::Facts,
    rules::{OUTCOME_IS_TOLD, RULES, TOTALS, totals_differ},
};
use crate::shared::{ids::OrderId, ledger::Totals, orders::Outcome};

/// Something that may never be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// None where it is about the whole ledger, or about what belongs to no order.
    pub order: Option<OrderId>,
    pub rule: &'static str,
    pub detail: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    pub shipped: usize,
    pub paid: usize,
    pub not_shipped: usize,
    /// Orders whose outcome nobody told.
    pub open: usize,
    pub contradictions: Vec<Contradiction>,
}

impl Verdict {
    /// How many orders there are in all.
    #[must_use]
    pub const fn orders(&self) -> usize {
        self.shipped + self.paid + self.not_shipped + self.open
    }

    /// Judges one order, or everything that belongs to none. Where everything is over, an order without
    /// an outcome is a contradiction too.
    pub fn judge(&mut self, facts: &Facts, everything_is_over: bool) {
        for (rule, check) in RULES {
            if let Some(detail) = check(facts) {
                self.contradictions.push(Contradiction { order: facts.order.clone(), rule, detail });
            }
        }
        if facts.order.is_none() {
            return;
        }
        match facts.told.map(|told| told.outcome) {
            Some(Outcome::Shipped) => self.shipped += 1,
            Some(Outcome::Paid) => self.paid += 1,
            Some(Outcome::NotShipped) => self.not_shipped += 1,
            None => {
                self.open += 1;
                if everything_is_over {
                    let detail = "nobody told how the order ended".to_owned();
                    let order = facts.order.clone();
                    self.contradictions.push(Contradiction { order, rule: OUTCOME_IS_TOLD, detail });
                }
            }
        }
    }

    /// Judges the ledger as a whole.
    pub fn judge_totals(&mut self, kept: &Totals, of_entries: &Totals) {
        if let Some(detail) = totals_differ(kept, of_entries) {
            self.contradictions.push(Contradiction { order: None, rule: TOTALS, detail });
        }
    }
}
